"""Runs plans, and answers their queries from one snapshot of the database."""

from __future__ import annotations

from typing import Any, TypeVar

from monitor.scheduling.plan_queries import FirstPane, LastPane, PlanQuery, PlanSteps, WindowsBetween
from monitor.scheduling.readiness import Patience, RunProgress, progress_of
from storage.snapshot import Snapshot
from storage.windows import StoredRun

T = TypeVar("T")


def run_steps(steps: PlanSteps[T], snapshot: Snapshot, run_id: str) -> T:
    """Run the steps of a plan to their end.

    Args:
        steps: They yield queries, and are sent the answers.
        snapshot: Answers the queries.
        run_id: The run that the plan is for.

    Returns:
        What the steps return.

    Raises:
        storage.errors.Error: The database went away; the plan is of no use any more.
    """
    answer: Any = None
    while True:
        try:
            query = steps.send(answer)
        except StopIteration as end:
            returned: T = end.value
            return returned
        answer = _answer(snapshot, run_id, query)


def read_progress(snapshot: Snapshot, run: StoredRun, patience: Patience) -> RunProgress:
    """Read how far a run has come. patience: from when on a partition is idle."""
    now, partitions = snapshot.partitions(run)
    return progress_of(run, partitions, now, patience)


def _answer(snapshot: Snapshot, run_id: str, query: PlanQuery) -> Any:
    match query:
        case FirstPane(records, at):
            return snapshot.first_pane(run_id, records.topic, at)
        case LastPane(records):
            return snapshot.last_pane(run_id, records.topic)
        case WindowsBetween(records, joined, size, start, end):
            return snapshot.scan(run_id, records, joined, size=size, start=start, end=end)
