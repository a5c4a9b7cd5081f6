"""The full Evidently report of one window, on demand."""

from __future__ import annotations

from pathlib import Path

import msgspec

from monitor.database import connect_now
from monitor.engine import check_model
from monitor.evidence import DriftEngine
from monitor.html import write_html
from monitor.panes import ChunkCache, load
from monitor.settings import Settings
from monitor.snapshot import Window, snapshot_of
from schemas.connections import STATE
from schemas.durations import duration_text, moment
from schemas.errors import UsageError
from schemas.taxi import OUTCOMES, TRIPS

REPORTS = STATE / "reports"


class Report(msgspec.Struct, frozen=True):
    """Where it was written; rows: of trips; left_out: columns that Evidently's presets cannot take."""

    path: Path
    rows: int
    left_out: tuple[str, ...]


def report(settings: Settings, run_id: str, size: int, start: int, out: Path | None = None) -> Report:
    """Write the HTML of a window, trips and outcomes. size, start: ms. out: default below `.driftline/reports`.

    Raises UsageError where there are no such rows, ModelUnusable where the run was scored by another model,
    DatabaseUnreachable.
    """
    window, cache = Window(run_id, TRIPS, size, start), ChunkCache(0)
    with connect_now(settings.database_url) as connection, snapshot_of(connection) as snapshot:
        run = snapshot.known(run_id)
        trips, outcomes = (load(snapshot, window.of(stream), cache).table for stream in (TRIPS, OUTCOMES))
    if not trips.num_rows:
        raise UsageError("this window holds no trips", f"`driftline windows --run {run_id}` lists those that do")
    engine = DriftEngine(settings)
    check_model(run, engine.model)
    path = out or REPORTS / f"{run_id}-{duration_text(size)}-{moment(start):%Y-%m-%dT%H-%M}.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        left_out = write_html(trips, engine.reference, path, engine.config, outcomes if outcomes.num_rows else None)
    except OSError as error:
        raise UsageError(f"the report could not be written to {path} ({error})", "name another --out") from error
    return Report(path, trips.num_rows, left_out)
