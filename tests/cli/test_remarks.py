"""Why a run has no window."""

from __future__ import annotations

from typing import Any

import pytest

from cli.remarks import unattended, why_no_window
from models.lookup import MANUFACTURED
from storage.listings import MonitorRow, RunRow

OURS, THEIRS = "a" * 64, "b" * 64


def run(**more: Any) -> RunRow:
    fields = dict.fromkeys(RunRow.__struct_fields__, 0) | {"run_id": "r", "stream": "taxi", "pane_ms": 300_000}
    return RunRow(**fields | {"rows": 9, "model": OURS, "reference": OURS} | more)


def monitor(**more: Any) -> MonitorRow:
    known = {"run_id": None, "model": OURS, "stream": "taxi", "sizes_s": [3600]}
    return MonitorRow(**known | more)


@pytest.mark.parametrize(
    ("monitors", "said"),
    [
        ([], "no monitor is running: `driftline monitor --model aaaaaaaaaaaa`"),
        ([monitor(model=THEIRS)], "`driftline monitor --model aaaaaaaaaaaa`"),
        ([monitor(stream="grid")], "it is of stream taxi, and the monitor of stream grid"),
        ([monitor(sizes_s=[420])], "the run's pane of 5m"),
        ([monitor(run_id="s")], "for run s alone"),
        ([monitor(model=THEIRS), monitor(sizes_s=[420])], "the monitor skips it: model"),
    ],
    ids=["none", "another model", "another stream", "odd sizes", "for another run", "several"],
)
def test_a_run_that_no_monitor_serves_says_why(monitors: list[MonitorRow], said: str) -> None:
    assert said in (unattended(run(), monitors) or "")
    assert said in (why_no_window(run(), monitors, 30) or "")


@pytest.mark.parametrize(
    "monitors",
    [[monitor()], [monitor(model=THEIRS), monitor()], [monitor(run_id="r")], [MonitorRow(None, None, None, None)]],
    ids=["one", "one of two", "for this run alone", "starting"],
)
def test_a_run_that_a_monitor_serves_waits_for_rows(monitors: list[MonitorRow]) -> None:
    assert unattended(run(), monitors) is None
    assert "30 rows of a verdict" in (why_no_window(run(), monitors, 30) or "")


@pytest.mark.parametrize("monitors", [[], [monitor()]], ids=["no monitor", "one"])
def test_a_run_that_was_made_up_is_advised_no_model(monitors: list[MonitorRow]) -> None:
    made_up = run(model=MANUFACTURED, reference=MANUFACTURED)
    assert unattended(made_up, monitors) == (
        "`driftline dummy` wrote it, so there are no records to compute windows from"
    )


def test_predictions_that_come_with_the_records_need_no_particular_model() -> None:
    assert unattended(run(model=None, reference=None), [monitor(model=THEIRS)]) is None


def test_a_run_that_is_compared_with_another_reference_names_it() -> None:
    found = unattended(run(model=None), [monitor(model=THEIRS)]) or ""
    assert found.startswith("the monitor skips it: model aaaaaaaaaaaa is its reference, and the monitor's is bbbb")


def test_a_run_without_rows_says_what_became_of_its_records() -> None:
    assert why_no_window(run(rows=0), [], 30) == "no data record of it was read yet"
    rejected = why_no_window(run(rows=0, dead_letters=10), [], 30)
    assert rejected == "all of its 10 records were rejected: `driftline dead-letters --run r`"


def test_a_run_with_windows_needs_no_remark() -> None:
    assert why_no_window(run(windows=1), [], 30) is None
