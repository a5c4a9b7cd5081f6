"""Which model the demo watches with: of the month before, or it says loudly that it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local.demo import plan as plans
from local.demo.plan import plan
from local.settings import DemoSettings
from producer.sources import selection as source
from schemas.durations import moment_ms
from schemas.errors import SourceUnusable
from tests.producer.trips import FIELDS


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names of the sources that a model was asked of; there is no network."""
    asked: list[str] = []

    def fetch(month: str, **more: Any) -> Path:
        raise SourceUnusable(f"{more['kind']} {month} could not be fetched", "give --file, or --synthetic")

    def model(learnt: source.Source, say: object) -> Path:
        asked.append(learnt.name)
        return tmp_path

    monkeypatch.setattr(source.download, "fetch", fetch)
    monkeypatch.setattr(plans, "_model", model)
    return asked


def month_file(folder: Path, kind: str, month: str) -> Path:
    """A month of TLC's with one trip in it."""
    letter = {"green": "l", "yellow": "t"}[kind]
    stamp = pa.array([moment_ms(f"{month}-03") * 1_000], pa.timestamp("us"))
    times = {f"{letter}pep_{name}_datetime": stamp for name in ("pickup", "dropoff")}
    path = folder / f"{kind}_tripdata_{month}.parquet"
    pq.write_table(pa.table({**times, **{name: pa.array([value]) for name, value in FIELDS.items()}}), path)
    return path


def planned(settings: DemoSettings) -> tuple[plans.DemoPlan, list[str]]:
    warned: list[str] = []
    return plan(settings, lambda _: None, warned.append), warned


def test_a_model_of_the_month_that_it_scores_is_said_loudly_and_again_at_the_end(
    trained: list[str], tmp_path: Path
) -> None:
    made, warned = planned(DemoSettings(files=(month_file(tmp_path, "green", "2022-02"),)))
    assert trained == ["TLC green-2022-02"]
    assert warned == [made.caution]
    assert "the very month that it scores" in made.caution


@pytest.mark.parametrize("kind", ["green", "yellow"])
def test_the_month_before_is_taken_from_beside_the_file_and_of_its_kind(
    trained: list[str], tmp_path: Path, kind: str
) -> None:
    month_file(tmp_path, kind, "2022-01")
    made, warned = planned(DemoSettings(files=(month_file(tmp_path, kind, "2022-02"),)))
    assert trained == [f"TLC {kind}-2022-01"]
    assert (made.caution, warned) == ("", [])


def test_without_network_and_without_a_file_all_of_it_is_synthetic_and_said(trained: list[str]) -> None:
    made, warned = planned(DemoSettings())
    assert trained[0].startswith("synthetic 2022-01-01")
    assert "--synthetic" in made.produce
    assert ["synthetic trips instead" in text for text in warned] == [True]
