"""Table `health`: which stages run, and how they do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.connect import Connection, Jsonb
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_suffix(".sql"))


def report_health(
    connection: Connection, stage: str, instance: str, run_id: str | None, measures: Mapping[str, Any]
) -> None:
    """Replace the row of one process.

    Args:
        connection: Any connection that may write.
        stage: `consumer` or `monitor`.
        instance: Names the process.
        run_id: The run that it waits for, if any.
        measures: Figures of the last seconds, as JSON.
    """
    row = {"stage": stage, "instance": instance, "run_id": run_id, "measures": Jsonb(dict(measures))}
    connection.execute(_SQL["report"], row)


def forget_health(connection: Connection, stage: str) -> None:
    """Delete the rows of a stage's processes that have been gone for a day."""
    connection.execute(_SQL["forget"], {"stage": stage})
