"""When runs are folded: once a window was written, event time has moved, or others have left something."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from monitor.gauges import MonitorGauges
from monitor.scheduling.fold_job import FoldReceipt, FoldWorker
from monitor.scheduling.plan import RunPlan
from monitor.settings import Settings
from runtime.backoff import backoff_s
from storage.errors import DataCorrupted, explain
from storage.results import ResultStore

log = structlog.get_logger()

TAKEN_S = 0.05
"""Until a run is looked at again that another monitor was folding, or whose windows were being revised."""

REVISED_S = 30.0
"""From then on a run is folded all the same: late rows may never cease, and alarms must not wait for that."""


class Folds:
    """What is to be folded, in one session with the database.

    Attributes:
        due: Runs in which there may be something to fold.
    """

    def __init__(self, store: ResultStore, folder: FoldWorker, gauges: MonitorGauges, settings: Settings) -> None:
        self._store = store
        self._folder = folder
        self._gauges = gauges
        self._settings = settings
        self.due: set[str] = set()
        self._marks: dict[str, tuple[int, ...]] = {}
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._waiting: dict[str, float] = {}

    def note(self, run_id: str) -> None:
        """A closed window of this run was written here."""
        self.due.add(run_id)

    def poll(self, run_ids: Sequence[str]) -> None:
        """Find the runs in which others have left something to fold. run_ids: all that are watched here."""
        self.due = (self.due | self._store.to_fold(run_ids)) & {*run_ids}
        self._marks = {run_id: marks for run_id, marks in self._marks.items() if run_id in run_ids}
        self._gauges.watched([*run_ids])

    def fold(self, plan: RunPlan, now: float) -> FoldReceipt | None:
        """Fold a run, if there may be something to fold.

        Args:
            plan: Of the run.
            now: Monotonic seconds.

        Returns:
            What was done; None where nothing was.

        Raises:
            DriftlineError: The run cannot be folded here, and is the only one that is wanted.
            storage.errors.Error: The database went away.
        """
        run_id, marks = plan.run.run_id, plan.marks
        if run_id not in self.due and self._marks.get(run_id) == marks:
            return None
        if now < self._not_before.get(run_id, now):
            return None
        waits = now - self._waiting.get(run_id, now) < REVISED_S
        try:
            receipt = self._folder.fold(plan.run, sorted({track.size for track in plan.tracks}), waits=waits)
        except Exception as error:
            if explain(error, self._settings.database_url) and not isinstance(error, DataCorrupted):
                raise
            self._failed(run_id, error, now)
            return None
        if receipt is None:
            self._waiting.setdefault(run_id, now)
            self._not_before[run_id] = now + TAKEN_S
            self.due.add(run_id)
            return None
        self._failures.pop(run_id, None)
        self._waiting.pop(run_id, None)
        self._marks[run_id] = marks
        self.due.discard(run_id)
        if receipt.more:
            self.due.add(run_id)
        self._gauges.record_fold(run_id, receipt.level, receipt.state, [c.state for c in receipt.changes])
        return receipt

    def _failed(self, run_id: str, error: Exception, now: float) -> None:
        """Whatever is wrong with the evidence of a run: its windows go on."""
        failures = self._failures[run_id] = self._failures.get(run_id, 0) + 1
        if self._settings.until_done is not None and failures >= self._settings.attempts:
            raise error
        self.due.add(run_id)
        self._not_before[run_id] = now + backoff_s(failures, 0.2, 30.0)
        log.warning(
            "fold_failed",
            run=run_id,
            failures=failures,
            reason=f"{type(error).__name__}: {error}",
            exc_info=failures == 1,
        )
