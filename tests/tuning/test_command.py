"""`driftline tune`, from synthetic trips to the report, and once more."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter

import msgspec
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cli.main import app
from models.artifact import Model
from producer.source import Source
from schemas.streams.taxi import TAXI
from tests.tuning.made import doubling
from tuning.plan import Plan
from tuning.report import Report

ARGUMENTS = [
    "tune", "--synthetic", "--month", "2022-01", "--month", "2022-02", "--volume", "0.2", "--sizes", "6h,1d",
    "--scenario", "miles-to-km", "--onsets", "5", "--no-power", "--jobs", "1",
]  # fmt: skip


def test_a_second_run_gives_the_same_table_and_writes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(rows: pa.Table, source: Source, *_: object) -> Model:
        """A model that is there at once."""
        return doubling(TAXI, source.labelled(rows), "trip_distance")

    def measure(_: object, plan: Plan, __: object) -> dict[int, float]:
        return dict.fromkeys(plan.sizes, perf_counter())

    monkeypatch.setattr("runtime.connections.STATE", tmp_path / "state")
    monkeypatch.setattr("cli.tuning._model", train)
    monkeypatch.setattr("cli.tuning.cpu_of_day", measure)
    tables = []
    for _ in range(2):
        done = CliRunner().invoke(app, [*ARGUMENTS, "--out", str(tmp_path / "out"), "--json"])
        assert done.exit_code == 0, done.output
        tables.append(json.loads(done.stdout))
        kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "state").rglob("*.json")}
        tables.append(kept)
    assert tables[0] == tables[2]
    assert tables[1] == tables[3]
    assert {(row["sizes"], row["reference"]) for row in tables[0]} == {
        (sizes, reference) for sizes in ("6h", "1d", "6h + 1d") for reference in ("training", "rolling")
    }
    report = msgspec.json.decode((tmp_path / "out" / "tuning.json").read_bytes(), type=Report)
    for one in report.drifts:
        assert one.missed == 0
        assert {*one.first} <= {"trip_distance", "prediction", "error"}
    assert (tmp_path / "out" / "tuning.html").stat().st_size > 1_000_000
    assert len((tmp_path / "out" / "tuning.csv").read_text(encoding="utf-8").splitlines()) == 7


@pytest.mark.parametrize(
    "arguments",
    [
        ["--joint", "1h"],
        ["--reference", "yesterday"],
        ["--strength", "0"],
        ["--promise", "none"],
        ["--scenario", "nothing-like-it"],
        ["--month", "2022"],
        ["--worst-delay", "soon"],
    ],
    ids=" ".join,
)
def test_options_that_mean_nothing_are_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["tune", "--synthetic", *arguments]).exit_code == 2
