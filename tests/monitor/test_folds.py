"""When a run is folded: what it waits for, and for how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from monitor.scheduling import folds
from monitor.scheduling.fold_job import FoldReceipt, FoldWorker
from monitor.scheduling.folds import Folds
from storage.alarms import WatchTerms

RUN = "r"


class Folder:
    """One that has nothing to fold while it may wait. asked: whether it was allowed to, of each call."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.asked: list[bool] = []
        self.error = error

    def fold(self, run: Any, sizes: Any, *, waits: bool) -> FoldReceipt | None:
        self.asked.append(waits)
        if self.error is not None:
            raise self.error
        return None if waits else FoldReceipt(windows=1, more=False, done=False, level=0.5, state=None, changes=())


class Gauges:
    def __init__(self) -> None:
        self.recorded: list[Any] = []

    def record_fold(self, *folded: Any) -> None:
        self.recorded.append(folded)


def made(folder: Folder, *, until_done: str | None = None) -> tuple[Folds, Gauges]:
    gauges = Gauges()
    settings: Any = SimpleNamespace(until_done=until_done, attempts=3, database_url="postgresql://localhost/x")
    return Folds(SimpleNamespace(), folder, gauges, settings), gauges  # type: ignore[arg-type]


def plan(*marks: int) -> Any:
    return SimpleNamespace(run=SimpleNamespace(run_id=RUN), marks=marks, tracks=[])


def test_a_fold_waits_for_windows_that_are_being_revised_but_not_for_ever() -> None:
    folder = Folder()
    found, gauges = made(folder)
    moments = [0.0, 0.01, folds.TAKEN_S, folds.REVISED_S - 0.1, folds.REVISED_S]
    receipts = [found.fold(plan(1), 100.0 + at) for at in moments]
    assert folder.asked == [True, True, True, False]  # at 0.01 it was not asked again yet
    assert receipts[:-1] == [None] * 4
    assert receipts[-1] is not None
    assert gauges.recorded == [(RUN, 0.5, None, [])]
    assert found.due == set()


def test_what_was_waited_for_once_is_waited_for_anew_the_next_time() -> None:
    folder = Folder()
    found, _ = made(folder)
    for at in (0.0, folds.REVISED_S, folds.REVISED_S + 1):
        found.fold(plan(int(at)), at)
    assert folder.asked == [True, False, True]


def test_a_run_of_which_nothing_was_written_and_nothing_moved_is_not_folded_again() -> None:
    folder = Folder()
    found, _ = made(folder)
    found.fold(plan(1), 0.0)
    found.fold(plan(1), folds.REVISED_S)
    assert found.fold(plan(1), folds.REVISED_S + 1) is None
    assert len(folder.asked) == 2
    found.note(RUN)
    found.fold(plan(1), folds.REVISED_S + 1)
    assert len(folder.asked) == 3


def test_a_fold_that_fails_is_tried_again_later_and_ends_only_a_monitor_of_that_run() -> None:
    folder = Folder(error=ValueError("no such season"))
    found, _ = made(folder)
    assert [found.fold(plan(1), at) for at in (0.0, 0.0, 60.0, 120.0, 180.0)] == [None] * 5
    assert len(folder.asked) == 4  # not twice at once
    alone, _ = made(folder, until_done=RUN)
    assert [alone.fold(plan(1), 60.0 * at) for at in range(2)] == [None] * 2
    with pytest.raises(ValueError, match="no such season"):
        alone.fold(plan(1), 120.0)


def test_a_monitor_says_once_of_a_run_that_it_keeps_another_promise() -> None:
    given: Any = SimpleNamespace(promise=1.0, holidays="")
    worker = FoldWorker(None, None, None, given)  # type: ignore[arg-type]
    kept = WatchTerms(layout="l", sizes=(3_600_000,), promise=2.0, holidays="US-NY")
    with capture_logs() as said:
        worker._compare("r", kept)
        worker._compare("r", kept)
        worker._compare("s", replace(kept, promise=1.0, holidays=""))
    (warning,) = said
    assert (warning["event"], warning["run"]) == ("run_keeps_its_settings", "r")
    assert (warning["promise"], warning["holidays"]) == ("2/month", "US-NY")
