"""The full Evidently report of one window, on demand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from monitor.drift.figures import Config
from monitor.engine import check_model
from monitor.evidently.engine import DriftEngine
from monitor.evidently.html import write_html
from monitor.evidently.page import Heading
from monitor.evidently.reference import Reference, Span
from monitor.settings import Settings
from monitor.verdict.segments import segment_filter
from runtime.connections import STATE, make_folder
from schemas.definition import EVENTS, Records, Stream
from schemas.durations import duration_text, moment
from schemas.errors import UsageError
from schemas.figures import DRIFT, severity_text
from storage import listings
from storage.connect import connect_now
from storage.listings import ColumnRow
from storage.panes import ChunkCache, load_rows
from storage.snapshot import Snapshot, snapshot_of
from storage.windows import WindowKey

REPORTS = STATE / "reports"
NAMED = 3
"""Columns that a verdict names."""


class Report(msgspec.Struct, frozen=True):
    """Where it was written; rows: of events; left_out: columns that Evidently's presets cannot take."""

    path: Path
    rows: int
    left_out: tuple[str, ...]


def report(
    settings: Settings,
    run_id: str,
    size: int,
    start: int,
    out: Path | None = None,
    *,
    segment: str = "",
    back: str | None = None,
) -> Report:
    """Write Evidently's HTML of a window, with its labels where they are known.

    Args:
        settings: Of the database and the model.
        run_id: The run.
        size: Of the window, ms.
        start: Of the window, ms since the epoch.
        out: The file; by default one below `.driftline/reports`.
        segment: Of which the report is, compared with the same segment of the reference; '' for the whole stream.
        back: Address of the window's page, to be linked.

    Raises:
        UsageError: The window has no rows, the stream has no such segment, or the file cannot be written.
        ModelUnusable: The run was scored by another model.
        DatabaseUnreachable: Postgres does not answer.
    """
    with connect_now(settings.database_url) as connection, snapshot_of(connection) as snapshot:
        run = snapshot.known(run_id, settings.stream)
        window = WindowKey(run_id, run.stream.events, size, start)
        figures = listings.columns(connection, run_id, size // 1_000, start, segment=segment)
        events, labels = _rows(snapshot, window, run.stream.labels)
    engine = DriftEngine(msgspec.structs.replace(settings, stream=run.stream))
    check_model(run, engine.model, run.stream)
    reference = engine.reference
    if segment:
        table = engine.scorer.reference()
        pick = segment_filter(table, run.stream, segment)
        events, reference = pick(events), Reference.from_table(pick(table), run.stream, engine.config)
        labels = None if labels is None else _of_events(labels, events, run.stream)
    if not events.num_rows:
        raise UsageError("this window holds no events", f"`driftline windows --run {run_id}` lists those that do")
    part = f"-{re.sub('[^A-Za-z0-9]+', '-', segment)}" if segment else ""
    path = out or REPORTS / f"{run_id}-{duration_text(size)}-{moment(start):%Y-%m-%dT%H-%M}{part}.html"
    try:
        make_folder(path.parent)
        left_out = write_html(
            events,
            reference,
            path,
            engine.config,
            heading(window, events.num_rows, figures, engine.config, back=back, segment=segment),
            labels=labels,
            span=Span(start, size),
        )
    except OSError as error:
        raise UsageError(f"the report could not be written to {path} ({error})", "name another --out") from error
    return Report(path, events.num_rows, left_out)


def _rows(snapshot: Snapshot, window: WindowKey, labels: Records | None) -> tuple[pa.Table, pa.Table | None]:
    """Events of a window, and its labels where there are any."""
    cache = ChunkCache(0)
    events = load_rows(snapshot, window, cache).table
    known = load_rows(snapshot, window.with_records(labels), cache).table if labels is not None else None
    return events, known if known is not None and known.num_rows else None


def _of_events(labels: pa.Table, events: pa.Table, stream: Stream) -> pa.Table | None:
    """The labels of these events; None without any."""
    assert stream.labels is not None
    known = events[stream.events.id].combine_chunks()
    found = labels.filter(pc.is_in(labels[stream.labels.id], value_set=known))
    return found if found.num_rows else None


def heading(
    window: WindowKey,
    rows: int,
    figures: Iterable[ColumnRow],
    config: Config,
    *,
    back: str | None = None,
    segment: str = "",
) -> Heading:
    """What stands above the report: which window it is of, and what the monitor found there. Pure."""
    tested = [row for row in figures if (row.stream, row.metric) == (EVENTS, DRIFT) and row.value is not None]
    drifted = sorted((row for row in tested if row.status == "drift"), key=lambda row: -(row.severity or 0.0))
    start, end = moment(window.start), moment(window.end)
    part = f" of {segment}" if segment else ""
    return Heading(
        title=f"Run {window.run_id}{part}, {duration_text(window.size)} window {start:%F %H:%M} to {end:%F %H:%M}",
        verdict=verdict(tested, drifted),
        drift=bool(drifted),
        notes=(
            f"Evidently's report on {rows:,} rows of topic {window.records.topic}, and on their labels where known,"
            f" against the reference of the model{part and f', its rows{part}'}. Times are event time.",
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
    named = [
        f"{row.column_name} at {severity_text(row.severity or 0.0)} × its threshold" for row in drifted[:NAMED]
    ]
    more = f" and {len(drifted) - NAMED} more" if len(drifted) > NAMED else ""
    return f"Drift in {len(drifted)} of {len(tested)} columns: {', '.join(named)}{more}"
