"""The state of a run at this moment, read from Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas.durations import moment
from storage.connect import Connection, dict_row
from storage.queries import load_queries

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True)
class DemoWindow:
    """One window of events. severity: per column, 1 and above is drift, None where too few rows.

    mae, reference_mae: the error of the same hours, and that of the reference, minutes.
    """

    start: datetime
    status: str
    rows: int
    share_drifted: float | None
    dataset_drift: bool | None
    mae: float | None
    reference_mae: float | None
    severity: Mapping[str, float | None]


@dataclass(frozen=True)
class DemoSnapshot:
    """trips, outcomes: rows accepted so far. event_time: how far every partition of trips has come.

    watermark: up to there windows are closed. lag: records to be read that may be of this run.
    watched: a monitor is ready for it. closed: closed windows of events, by size in seconds.
    frontiers: by size in seconds, up to where windows of events are complete, ms; None where none is.
    """

    trips: int
    outcomes: int
    dead: int
    duplicates: int
    lag: int
    finished: bool
    watched: bool
    event_time: datetime | None
    watermark: datetime | None
    windows: tuple[DemoWindow, ...]
    closed: Mapping[int, int]
    frontiers: Mapping[int, int | None]


def execute(connection: Connection, name: str, **params: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(QUERIES[name], params).fetchall()


def read(
    connection: Connection, run: str, *, size_s: int, limit: int, before: datetime | None = None
) -> DemoSnapshot:
    """Read the state of a run, with its newest windows of one size. before: only windows that start earlier."""
    tally = execute(connection, "progress", run=run)[0]
    newest = execute(connection, "newest_windows", run=run, size_s=size_s, limit=limit, before=before)
    closed: dict[int, int] = {}
    for row in execute(connection, "windows_by_status", run=run):
        if row["stream"] == "events" and row["status"] != "open":
            closed[row["size_s"]] = closed.get(row["size_s"], 0) + row["windows"]
    reached = tally["event_time_ms"]
    return DemoSnapshot(
        trips=tally["events"],
        outcomes=tally["labels"],
        dead=tally["late"] + tally["future"] + tally["invalid"],
        duplicates=tally["duplicates"],
        lag=tally["lag"],
        finished=tally["finished"],
        watched=tally["watched"],
        event_time=None if reached is None else moment(reached),
        watermark=None if tally["watermark_ms"] is None else moment(tally["watermark_ms"]),
        windows=tuple(
            DemoWindow(
                start=row["window_start"],
                status=row["status"],
                rows=row["rows"],
                share_drifted=row["share_drifted"],
                dataset_drift=row["dataset_drift"],
                mae=row["mae"],
                reference_mae=row["reference_mae"],
                severity=row["severity"] or {},
            )
            for row in newest
        ),
        closed=closed,
        frontiers={row["size_s"]: row["next_start_ms"] for row in execute(connection, "frontiers", run=run)},
    )
