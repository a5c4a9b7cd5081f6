"""What `columns` and `windows` show of a window, and by which exit code a script learns of drift."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pyarrow.compute as pc
import pytest
import structlog
from psycopg.rows import dict_row
from rich.console import Console

from cli import chosen
from cli import main as command_line
from cli.columns import drifted as drifted_columns
from cli.columns import lines, with_reference
from cli.windows import drifted, explained, judged, latest
from local.dummy.plan import DummyPlan
from local.dummy.store import replace
from models.lookup import MANUFACTURED
from models.taxi.train import train
from runtime.connections import ROOT, Addresses
from schemas.errors import ModelUnusable, UsageError
from schemas.streams.taxi import TAXI
from storage.listings import ColumnRow, RunRow, WindowRow
from tests.databases import fresh_database
from tests.models.conftest import made_up

T0 = datetime(2022, 2, 1, tzinfo=UTC)


def figure(column: str, metric: str = "drift", *, severity: float | None = None, **more: Any) -> ColumnRow:
    known = {"stream": "events", "method": None, "value": None, "threshold": None, "status": "ok", "reason": None}
    return ColumnRow(**known | {"column_name": column, "metric": metric, "severity": severity} | more)


ROWS = [
    figure("calm", severity=0.4, value=0.02, threshold=0.05),
    figure("calm", "missing_share", value=0.088, reference=0.105),
    figure("few", status="insufficient", reason="29 values, of 30 that are needed"),
    figure("far", severity=2.5, value=0.5, threshold=0.2),
    figure("far", "q50", value=3.21987, reference=2.0),
    figure("duration", severity=1.0, stream="labels"),
]


def test_columns_are_listed_worst_first_and_those_without_a_score_last() -> None:
    assert [line.column for line in lines(ROWS)] == ["far", "duration", "calm", "few"]


def test_the_references_figure_stands_beside_that_of_the_window() -> None:
    by_name = {line.column: line for line in lines(ROWS)}
    assert by_name["calm"].missing == "8.8 % (10.5 %)"
    assert by_name["far"].median == "3.22 (2)"
    assert by_name["few"].remark == "insufficient: 29 values, of 30 that are needed"


def test_the_drifted_columns_are_those_at_their_threshold_and_beyond_with_all_their_figures() -> None:
    assert [(r.column_name, r.metric) for r in drifted_columns(ROWS)] == [
        ("far", "drift"),
        ("far", "q50"),
        ("duration", "drift"),
    ]


def test_the_reference_is_that_of_the_model_which_scored_the_run(tmp_path: Path) -> None:
    model = train(made_up(2_000), kind="tutorial", out=tmp_path / "one", source="made up")
    reference = model.reference()["trip_distance"]
    rows = [figure("trip_distance", "missing_share"), figure("trip_distance", "q50"), figure("trip_distance")]
    missing, median, drift = with_reference(rows, TAXI, model.hash, tmp_path)
    assert missing.reference == reference.null_count / len(reference)
    assert median.reference == pytest.approx(pc.quantile(reference, 0.5)[0].as_py())
    assert drift.reference is None
    with pytest.raises(ModelUnusable):
        with_reference(rows, TAXI, "0" * 64, tmp_path)


def test_a_model_that_is_not_the_runs_own_is_refused_before_anything_slow(tmp_path: Path) -> None:
    ours, other = (
        train(made_up(2_000, seed=seed), kind="tutorial", out=tmp_path / str(seed), source="made up")
        for seed in (1, 2)
    )
    run = RunRow(**dict.fromkeys(RunRow.__struct_fields__, 0) | {"run_id": "r", "reference": ours.hash})
    assert chosen.model_of(run, tmp_path / "1") == tmp_path / "1"
    with pytest.raises(
        UsageError, match=f"run r belongs to model {ours.hash[:12]}, not to {other.hash[:12]}: leave"
    ):
        chosen.model_of(run, tmp_path / "2")
    with pytest.raises(ModelUnusable, match="there is no model"):
        chosen.model_of(run, tmp_path / "none")


def window(
    hour: int, *, size_s: int = 3600, stream: str = "events", status: str = "final", **more: Any
) -> WindowRow:
    fields = dict.fromkeys(WindowRow.__struct_fields__) | {"window_start": T0 + timedelta(hours=hour)}
    return WindowRow(**fields | {"size_s": size_s, "stream": stream, "status": status} | more)


def test_the_newest_windows_are_counted_for_each_size_with_their_outcomes() -> None:
    rows = [window(2, status="open"), window(1), window(1, stream="labels"), window(0), window(0, size_s=86_400)]
    assert latest(rows, None) == rows
    assert latest(rows, 1) == [rows[0], rows[4]]
    assert latest(rows, 1, closed=True) == rows[1:3] + rows[4:]
    assert latest([], 1) == []


@pytest.mark.parametrize(
    ("row", "column", "dataset"),
    [
        (window(0, columns_tested=9, columns_drifted=0, dataset_drift=False), False, False),
        (window(0, columns_tested=9, columns_drifted=2, dataset_drift=False), True, False),
        (window(0, columns_tested=9, columns_drifted=9, dataset_drift=True), True, True),
        (window(0, stream="labels", columns_tested=1, columns_drifted=1, dataset_drift=True), True, False),
        (window(0, status="insufficient"), False, False),
        (window(0, status="open", columns_tested=9, columns_drifted=9, dataset_drift=True), False, False),
    ],
    ids=["calm", "a column", "as a whole", "the label, which is no data set", "too few rows", "still filling"],
)
def test_drift_is_that_of_windows_which_have_closed(row: WindowRow, column: bool, dataset: bool) -> None:
    assert (drifted([row], dataset=False), drifted([row], dataset=True)) == (column, dataset)


def test_only_a_closed_window_of_which_a_column_was_tested_is_judged() -> None:
    tested = window(0, columns_tested=9)
    others = [window(1, columns_tested=9, status="open"), window(0, columns_tested=0), window(0)]
    assert judged([tested, *others], dataset=False) == [tested]
    label = window(0, columns_tested=1, stream="labels")
    assert (judged([label], dataset=False), judged([label], dataset=True)) == ([label], [])


def test_a_remark_on_labels_says_which_of_them_count() -> None:
    rows = [window(0, stream="labels", remark="0 values, 30 needed"), window(0, stream="labels"), window(0)]
    assert [row.remark for row in explained(rows, TAXI.labels)] == [
        "0 values, 30 needed: only labels from 1 to 60 count",
        None,
        None,
    ]
    assert explained(rows, None) == rows
    assert (
        msgspec.structs.replace(TAXI.labels, label_range=None).with_range("0 values, 30 needed")
        == "0 values, 30 needed"
    )


def test_a_column_of_events_and_of_labels_is_listed_with_its_role() -> None:
    rows = [figure("prediction", severity=1.0), figure("prediction", "mae", stream="labels", value=3.0)]
    assert [(line.stream, line.column, line.mae) for line in lines(rows)] == [
        ("events", "prediction", ""),
        ("labels", "prediction", "3"),
    ]


Call = Callable[[str], tuple[int, str, str]]


@pytest.fixture(scope="module")
def figures(stack: Addresses, template: str) -> Iterator[str]:
    """URL of a database with one run; nobody writes to it."""
    with fresh_database(stack.database_url, template) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            replace(connection, DummyPlan("dummy", 1_789_000_000_000, days=30))
        yield url


@pytest.fixture
def call(figures: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Exit code, stdout and stderr of a call."""
    monkeypatch.setenv("DATABASE_URL", figures)
    monkeypatch.setattr(command_line, "ENVIRONMENT", {})
    monkeypatch.setattr("cli.output.console", Console(width=160))

    def run(words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["driftline", *words.split()])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    yield run
    structlog.reset_defaults()


@pytest.mark.integration
def test_every_command_takes_the_only_run_there_is(call: Call) -> None:
    code, named, _ = call("windows --run dummy --size 1d --json")
    assert (code, call("windows --size 1d --json")[1]) == (0, named)
    start = json.loads(named)[0]["window_start"][:10]
    code, text, stderr = call(f"columns --size 1d --window {start}")
    assert code == 0
    assert "wrote this run" in stderr
    assert text.startswith("stream ")
    for verb in ("report", "recompute"):
        assert "wrote this run" in call(f"{verb} --size 1d --window {start}")[2]


CODES = [
    ("runs", 0),
    ("runs rm februray --yes", 2),
    ("windows", 0),
    ("windows --size 7h", 2),
    ("windows --size 7h --json", 2),
    ("windows --size 7h --fail-on drift", 2),
    ("windows --size 1d --fail-on drift", 3),
    ("windows --run februray", 2),
    ("columns --size 1d --window 1999-01-01", 2),
    ("dead-letters", 0),
    ("dead-letters --run februray", 2),
    ("report --size 1d --window 1999-01-01", 2),
    ("report --size 1d --window {start}", 2),
    ("report --size 1d --window {start} --model nosuch", 2),
    ("recompute --size 1d --window {start} --model nosuch", 2),
    ("alarms --run februray", 2),
    ("alarms show nosuch", 2),
    ("alarms ack nosuch --as real", 2),
    ("calibrate --run februray", 2),
    ("silence add --run februray --for 1h --reason x", 2),
    ("silence end 999", 2),
    ("weeks include 1999-01-04", 2),
    ("models", 0),
    ("models rm nosuch --yes", 2),
]
"""2 for what is named and is not there, whichever command, and whatever it is."""


@pytest.mark.integration
@pytest.mark.parametrize(("words", "code"), CODES, ids=[words for words, _ in CODES])
def test_exit_codes_follow_one_rule(words: str, code: int, call: Call) -> None:
    start = json.loads(call("windows --size 1d --json")[1])[0]["window_start"][:10]
    found, _, said = call(words.format(start=start))
    assert found == code, said
    assert code in (0, 3) or ": " in said, "what to do"


@pytest.mark.integration
def test_a_size_that_a_monitor_is_about_to_compute_is_no_wrong_usage(call: Call, figures: str) -> None:
    with psycopg.connect(figures, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO driftline.health (stage, instance, at, measures)"
            " VALUES ('monitor', 'm', clock_timestamp(), '{\"sizes_s\": [25200]}')"
        )
        code, text, _ = call("windows --size 7h")
        connection.execute("DELETE FROM driftline.health WHERE instance = 'm'")
    assert (code, text.strip()[:19]) == (0, "no windows of 7h: r")


@pytest.mark.integration
def test_a_run_that_does_not_exist_lists_those_that_do(call: Call) -> None:
    code, _, stderr = call("windows --run februray")
    assert code == 2
    assert "there is no run februray" in stderr
    assert "the newest: dummy" in stderr


@pytest.fixture
def dead_letters(figures: str) -> Iterator[None]:
    """Three of the run, as hostile as they can be, and two in which no run could be read."""
    rows = [
        ("dummy", "late", "plain", b'{"pickup_at": 1}'),
        ("dummy", "invalid", "\x1b[31mred", b"\x1b]0;title\x07[bold]\xff\x00" + b"x" * 9_000),
        ("dummy", "late", "gone", None),
        ("", "undecodable", "no JSON", b"\x1f\x8b\x08"),
        ("", "undecodable", "no JSON", b"\xe2\x80\xae"),
    ]
    with psycopg.connect(figures, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("CREATE TEMP TABLE before AS TABLE driftline.dead_letter")
            connection.execute("DELETE FROM driftline.dead_letter")
            for offset, (run, reason, detail, raw) in enumerate(rows):
                connection.execute(
                    "INSERT INTO driftline.dead_letter (topic, partition, kafka_offset, run_id, reason, detail,"
                    " raw, written_at) VALUES ('trips', 1, %s, %s, %s, %s, %s, now() + %s * interval '1 second')",
                    (offset, run, reason, detail, raw, offset),
                )
        yield
        with connection.transaction():
            connection.execute("DELETE FROM driftline.dead_letter")
            connection.execute("INSERT INTO driftline.dead_letter TABLE before")


@pytest.mark.integration
@pytest.mark.usefixtures("dead_letters")
def test_dead_letters_are_listed_newest_first_and_move_no_cursor(call: Call) -> None:
    code, text, stderr = call("dead-letters")
    assert (code, stderr) == (0, "")
    assert [int(number) for number in re.findall(r"trips/1@(\d)", text)] == [4, 3, 2, 1, 0]
    assert text.replace("\n", "").isprintable()
    assert "[bold]" in text, "no markup"
    assert "xxxx" in text
    assert "x" * 200 not in text.replace("\n", ""), "a long record is cut"


@pytest.mark.integration
@pytest.mark.usefixtures("dead_letters")
def test_dead_letters_of_a_run_a_reason_and_a_number(call: Call) -> None:
    def offsets(words: str) -> list[int]:
        return [row["offset"] for row in json.loads(call(f"dead-letters --json {words}")[1])]

    assert offsets("--run dummy") == [2, 1, 0]
    assert offsets("--reason late") == [2, 0]
    assert offsets("--reason invalid --reason undecodable --limit 2") == [4, 3]
    raw = json.loads(call("dead-letters --json --run dummy --reason invalid")[1])[0]["raw"]
    assert b64decode(raw).startswith(b"\x1b]0;title\x07[bold]\xff\x00"), "the bytes as they came"
    assert "newest 1 of 2: --limit" in call("dead-letters --run dummy --reason late --limit 1")[2]
    assert "2 more in which no run could be read" in call("dead-letters --run dummy")[2]


@pytest.mark.integration
@pytest.mark.usefixtures("dead_letters")
def test_dead_letters_of_a_run_that_is_not_there_are_wrong_usage_and_none_are_no_failure(call: Call) -> None:
    assert call("dead-letters --run februray")[0] == 2
    assert call("dead-letters --run dummy --reason model")[:2] == (0, "no dead letters\n")


@pytest.mark.integration
def test_a_windows_worst_column_is_the_one_of_the_largest_severity(call: Call) -> None:
    rows = json.loads(call("windows --size 1d --json")[1])
    tested = next(row for row in rows if row["stream"] == "events" and row["columns_tested"])
    figures = json.loads(call(f"columns --size 1d --window {tested['window_start'][:10]} --json")[1])
    drift = {f["column_name"]: f["severity"] for f in figures if f["stream"] == "events" and f["metric"] == "drift"}
    assert tested["worst_severity"] == max(value for value in drift.values() if value is not None)
    assert drift[tested["worst_column"]] == tested["worst_severity"]


@pytest.mark.integration
def test_the_error_of_a_window_stands_beside_that_of_the_reference(call: Call) -> None:
    _, shown, said = call("windows --size 1d")
    assert re.search(r" 3\.\d+ 1\.\d×", shown)
    assert "how many times the reference's 3.3 that is" in said
    rows = [row for row in json.loads(call("windows --size 1d --json")[1]) if row["mae"]]
    assert {row["reference_mae"] for row in rows} == {3.3}


@pytest.mark.integration
def test_a_script_learns_of_drift_by_exit_code_3(call: Call) -> None:
    assert call("windows --size 1d")[0] == 0
    assert call("windows --size 1d --fail-on drift")[0] == 3
    rows = json.loads(call("windows --size 1d --newest 1 --fail-on drift --json")[1])
    assert len({row["window_start"] for row in rows}) == 1
    assert all(row["status"] != "open" for row in rows)
    expected = 3 if any(row["columns_drifted"] for row in rows) else 0
    assert any(row["columns_tested"] for row in rows)
    assert call("windows --size 1d --newest 1 --fail-on drift")[0] == expected
    assert call("windows --size 7h --fail-on dataset")[0] == 2, "else a script with a wrong size passes for ever"


@pytest.mark.integration
def test_a_script_is_warned_that_newer_windows_of_a_run_are_not_computed(call: Call, figures: str) -> None:
    with psycopg.connect(figures, autocommit=True) as connection:
        changed = "UPDATE driftline.run SET finished_at = %s, model = %s WHERE run_id = 'dummy'"
        connection.execute("UPDATE driftline.health SET at = at - interval '1 hour'")
        assert "newer windows" not in call("windows --run dummy --size 1d --fail-on drift")[2]
        connection.execute(changed, (None, "b" * 64))
        code, _, said = call("windows --run dummy --size 1d --fail-on drift")
        connection.execute(changed, (T0, MANUFACTURED))
    assert code == 3
    assert "newer windows of run dummy are not computed: no monitor is running" in said


@pytest.fixture
def unwatched(figures: str) -> Iterator[None]:
    """A run with rows and no window, beside the other; no monitor reports."""
    with psycopg.connect(figures, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO driftline.run (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, model)"
            " VALUES ('unwatched', 300000, 0, 0, 1, %s)",
            ("b" * 64,),
        )
        connection.execute(
            "INSERT INTO driftline.run_progress (run_id, topic, partition, first_offset, accepted, invalid)"
            " VALUES ('unwatched', 'trips', 0, 0, 41, 3)"
        )
        connection.execute(
            "INSERT INTO driftline.dead_letter (topic, partition, kafka_offset, run_id, reason)"
            " VALUES ('elsewhere', 0, 1, 'unwatched', 'model'), ('elsewhere', 0, 2, 'unwatched', 'stream'),"
            " ('elsewhere', 0, 3, 'unwatched', 'invalid'), ('elsewhere', 0, 4, 'rejected', 'invalid')"
        )
        yield
        connection.execute("DELETE FROM driftline.run WHERE run_id = 'unwatched'")
        connection.execute("DELETE FROM driftline.run_progress WHERE run_id = 'unwatched'")
        connection.execute("DELETE FROM driftline.dead_letter WHERE topic = 'elsewhere'")


@pytest.mark.integration
@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("fail_on", ["drift", "dataset"])
def test_a_script_does_not_take_a_run_without_windows_for_calm(call: Call, fail_on: str) -> None:
    code, _, said = call(f"windows --run unwatched --fail-on {fail_on}")
    assert code == 1
    assert "nothing can be said of drift: no windows of run unwatched: no monitor" in said
    assert call("windows --run unwatched")[0] == 0


@pytest.mark.integration
@pytest.mark.usefixtures("unwatched")
def test_a_run_without_windows_says_why_and_counts_dead_letters_by_their_reasons(call: Call) -> None:
    rows = {row["run_id"]: row for row in json.loads(call("runs --json")[1])}
    found = rows["unwatched"]
    assert (found["windows"], found["dead_letters"]) == (0, 3)
    assert found["reasons"] == {"invalid": 1, "model": 1, "stream": 1}, (
        "as `driftline dead-letters --reason` has them"
    )
    assert found["remark"] == f"no monitor is running: `driftline monitor --model {'b' * 12}`"
    assert rows["dummy"]["remark"] is None


@pytest.mark.integration
@pytest.mark.usefixtures("unwatched")
def test_a_run_whose_records_were_all_rejected_is_no_wrong_usage(call: Call) -> None:
    assert "rejected records of no run in this list: 1 " in call("runs")[2]
    code, _, said = call("windows --run rejected")
    assert code == 1
    assert "no valid record of run rejected was read: 1 were rejected" in said


@pytest.mark.integration
@pytest.mark.usefixtures("dead_letters")
def test_records_that_name_no_run_are_counted_beside_the_runs(call: Call) -> None:
    assert "rejected records of no run in this list: 2 (" in call("runs")[2]
    code, _, said = call("windows --run live")
    assert code == 1
    assert "no valid record of run live was read: 2 that name no run were rejected" in said


@pytest.mark.integration
def test_the_readmes_sql_gives_the_share_of_all_columns_beside_the_error(figures: str) -> None:
    (block,) = re.findall(r"^```sql\n(.+?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    first, second = block.replace("'february'", "'dummy'").strip().rstrip(";").split(";")
    with psycopg.connect(figures, row_factory=dict_row) as connection:
        rows = connection.execute(first.encode()).fetchall()
        connection.execute(second.encode())
    shares = {row["share_drifted"] for row in rows if row["share_drifted"] is not None}
    assert any(0 < share < 1 for share in shares)
    assert any(row["mae"] for row in rows)
