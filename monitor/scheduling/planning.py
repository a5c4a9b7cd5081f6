"""Plans beside a database: what they ask is answered from one snapshot."""

from __future__ import annotations

from typing import Any, TypeVar

from monitor.scheduling.plan_queries import FirstPane, LastPane, PlanQuery, PlanSteps, WindowsBetween
from monitor.snapshot import Snapshot

T = TypeVar("T")


def run_steps(steps: PlanSteps[T], snapshot: Snapshot, run_id: str) -> T:
    """Run the steps of a plan to their end.

    Args:
        steps: Of a plan for the run `run_id`.
        snapshot: Answers all that they ask.

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


def _answer(snapshot: Snapshot, run_id: str, query: PlanQuery) -> Any:
    match query:
        case FirstPane(stream, at):
            return snapshot.first_pane(run_id, stream.topic, at)
        case LastPane(stream):
            return snapshot.last_pane(run_id, stream.topic)
        case WindowsBetween(stream, size, start, end):
            return snapshot.scan(run_id, stream, size, start, end)
