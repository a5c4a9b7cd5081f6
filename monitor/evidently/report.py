"""The full Evidently report of one window, on demand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from monitor.drift.figures import DRIFT, Config
from monitor.engine import check_model
from monitor.evidently.engine import DriftEngine
from monitor.evidently.html import write_html
from monitor.evidently.page import Heading
from monitor.panes import ChunkCache, load
from monitor.settings import Settings
from monitor.snapshot import Window, snapshot_of
from runtime.connections import STATE, make_folder
from schemas.durations import duration_text, moment
from schemas.errors import UsageError
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage import read
from storage.connect import connect_now
from storage.read import ColumnRow

REPORTS = STATE / "reports"
NAMED = 3
"""Columns that a verdict names."""


class Report(msgspec.Struct, frozen=True):
    """Where it was written; rows: of trips; left_out: columns that Evidently's presets cannot take."""

    path: Path
    rows: int
    left_out: tuple[str, ...]


def report(
    settings: Settings, run_id: str, size: int, start: int, out: Path | None = None, *, back: str | None = None
) -> Report:
    """Write the HTML of a window, trips and outcomes. size, start: ms. out: default below `.driftline/reports`.

    back: address of the window's page, to be linked. Raises UsageError where there are no such rows, ModelUnusable
    where the run was scored by another model, DatabaseUnreachable.
    """
    window, cache = Window(run_id, TRIPS, size, start), ChunkCache(0)
    with connect_now(settings.database_url) as connection, snapshot_of(connection) as snapshot:
        run = snapshot.known(run_id)
        figures = read.columns(connection, run_id, size // 1_000, start)
        trips, outcomes = (load(snapshot, window.of(stream), cache).table for stream in (TRIPS, OUTCOMES))
    if not trips.num_rows:
        raise UsageError("this window holds no trips", f"`driftline windows --run {run_id}` lists those that do")
    engine = DriftEngine(settings)
    check_model(run, engine.model)
    path = out or REPORTS / f"{run_id}-{duration_text(size)}-{moment(start):%Y-%m-%dT%H-%M}.html"
    try:
        make_folder(path.parent)
        left_out = write_html(
            trips,
            engine.reference,
            path,
            engine.config,
            heading(window, trips.num_rows, figures, engine.config, back),
            labels=outcomes if outcomes.num_rows else None,
        )
    except OSError as error:
        raise UsageError(f"the report could not be written to {path} ({error})", "name another --out") from error
    return Report(path, trips.num_rows, left_out)


def heading(window: Window, rows: int, figures: Iterable[ColumnRow], config: Config, back: str | None) -> Heading:
    """What stands above the report: which window it is of, and what the monitor found there. Pure."""
    tested = [row for row in figures if (row.stream, row.metric) == (TRIPS.role, DRIFT) and row.value is not None]
    drifted = sorted((row for row in tested if row.status == "drift"), key=lambda row: -(row.severity or 0.0))
    start, end = moment(window.start), moment(window.end)
    return Heading(
        title=f"Run {window.run_id}, {duration_text(window.size)} window {start:%F %H:%M} to {end:%F %H:%M}",
        verdict=verdict(tested, drifted),
        drift=bool(drifted),
        notes=(
            f"Evidently's report on {rows:,} rows of stream {TRIPS.topic}, and on their outcomes where known,"
            " against the reference of the model. Times are event time.",
            "The first table tests the columns of this verdict, with the monitor's methods and thresholds. The"
            f" window as a whole counts as drifted from {config.drift_share:.0%} of its columns on.",
        ),
        back=back,
    )


def verdict(tested: Sequence[ColumnRow], drifted: Sequence[ColumnRow]) -> str:
    """In a line; drifted: the most severe first. Pure."""
    if not tested:
        return "Too few rows to speak of drift"
    if not drifted:
        return f"No drift: none of {len(tested)} columns is beyond its threshold"
    named = [f"{row.column_name} at {row.severity or 0.0:.1f} × its threshold" for row in drifted[:NAMED]]
    more = f" and {len(drifted) - NAMED} more" if len(drifted) > NAMED else ""
    return f"Drift in {len(drifted)} of {len(tested)} columns: {', '.join(named)}{more}"
