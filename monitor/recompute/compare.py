"""Recomputes a window from the log and compares it, and what was made of it, with the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import structlog

from models.artifact import Model
from monitor.engine import Engine, check_model
from monitor.evidently.engine import DriftEngine
from monitor.recompute.difference import Difference, equal
from monitor.recompute.evidence import evidence_differences
from monitor.recompute.rows import window_rows
from monitor.recompute.source import records
from monitor.settings import Settings
from monitor.verdict.summary import Summary, decode, decode_parts
from schemas.definition import EVENTS
from schemas.errors import UsageError
from schemas.figures import ColumnFigure, SegmentFigures, WindowFigures
from storage.connect import connect_now
from storage.panes import LoadedRows
from storage.snapshot import Snapshot, snapshot_of
from storage.windows import Ranges, StoredResult, StoredRun, WindowKey, joined_with

log = structlog.get_logger()


def recompute(settings: Settings, run_id: str, size: int, start: int) -> list[Difference]:
    """Recompute a window's results from the log, and from stored results what follows from them.

    What follows are the evidence, calibrations and alarms since the week of the window began.

    Args:
        settings: Of the database, Kafka and the model.
        run_id: The run.
        size: Of the window, ms.
        start: Of the window, ms since the epoch.

    Returns:
        Every difference between the stored figures and the recomputed ones; empty if they agree.

    Raises:
        UsageError: There is no such window.
        ModelUnusable: The run was scored by another model.
        LogUnreadable: The log is gone.
        BrokerUnreachable: Kafka does not answer.
        DatabaseUnreachable: Postgres does not answer.
    """
    with connect_now(settings.database_url) as connection, snapshot_of(connection) as snapshot:
        run = snapshot.known(run_id, settings.stream)
        found = stored_windows(snapshot, run, size, start)
        engine = DriftEngine(msgspec.structs.replace(settings, stream=run.stream, sizes=(size,)))
        check_model(run, engine.model, run.stream)
        again = Recomputation(snapshot, settings, run, engine, engine.scorer)
        differences = [one for window, stored in found for one in again.differences(window, stored)]
        if engine.calibrator is not None:
            differences += evidence_differences(connection, run, size, start, engine.calibrator)
        return differences


def stored_windows(
    snapshot: Snapshot, run: StoredRun, size: int, start: int
) -> list[tuple[WindowKey, StoredResult]]:
    """Read the stored results of a window, of events and labels.

    Args:
        snapshot: Of the database.
        run: The run.
        size: Of the window, ms.
        start: Of the window, ms since the epoch.

    Raises:
        UsageError: There is no such window.
    """
    windows = [WindowKey(run.run_id, records, size, start) for records in run.stream.topics]
    found = [(window, stored) for window in windows if (stored := snapshot.stored(window)) is not None]
    if not found:
        raise UsageError("there is no such window", f"`driftline windows --run {run.run_id}` lists them")
    return found


@dataclass(frozen=True)
class Recomputation:
    """Recomputes windows of one run, with its model and an engine."""

    snapshot: Snapshot
    settings: Settings
    run: StoredRun
    engine: Engine
    model: Model

    def differences(self, window: WindowKey, stored: StoredResult) -> Iterator[Difference]:
        other = joined_with(self.run.stream, window.records)
        rows = self._read(window, stored.offsets)
        joined = self._read(window.with_records(other), stored.joined_offsets) if other else None
        figures = self.engine.figures(window, rows, joined).with_estimate(self._estimate(window, rows))
        log.info("recomputed", run=window.run_id, stream=window.records.role, rows=rows.table.num_rows)
        yield from compare(window.records.role, stored, rows, joined, figures)
        yield from self.compare_summary(window, rows, joined)

    def _estimate(self, window: WindowKey, rows: LoadedRows) -> ColumnFigure | None:
        """The error that was estimated, which needs a summary."""
        summarizer = self.engine.summarizer
        if window.records.role != EVENTS or summarizer is None or self.snapshot.summary(window) is None:
            return None
        return summarizer.estimate(summarizer.summarize(window, [rows.table], None)[0])

    def compare_summary(
        self, window: WindowKey, rows: LoadedRows, joined: LoadedRows | None
    ) -> Iterator[Difference]:
        """Compare the counts of a closed window; before they were kept there are none."""
        stored, summarizer = self.snapshot.summary(window), self.engine.summarizer
        if stored is None or summarizer is None or stored.layout != summarizer.layout.hash:
            return
        counted = summarizer.summarize(window, [rows.table], joined.table if joined else None)
        whole, *parts = counted
        yield from _counted(window, "", decode(stored.payload, summarizer.layout), whole)
        segments = summarizer.segments
        if stored.segments is None or segments is None:
            return
        held = decode_parts(stored.segments, summarizer.layout, segments.hash)
        for name, one, other in zip(segments.keys, held or parts, parts, strict=True):
            yield from _counted(window, f"{name} ", one, other)
        yield from self._compare_segments(window, summarizer.figures(window, counted))

    def _compare_segments(self, window: WindowKey, computed: Sequence[SegmentFigures]) -> Iterator[Difference]:
        role, stored = window.records.role, self.snapshot.stored_segments(window)
        for one in computed:
            held = stored.pop(one.segment, None)
            if held is None:
                yield Difference(role, one.segment, "missing", "there")
                continue
            fresh = {name: getattr(one.figures, name) for name in held.figures}
            fresh |= {"rows": one.rows, "joined_rows": one.joined} | _columns(one.figures)
            old = dict(held.figures) | {"rows": held.rows, "joined_rows": held.joined_rows} | _flat(held.columns)
            yield from _unequal(role, f"{one.segment} ", old, fresh)
        for segment in stored:
            yield Difference(role, segment, "there", "missing")

    def _read(self, window: WindowKey, ranges: Ranges) -> LoadedRows:
        topic = window.records.topic
        name, topic_id = self.settings.topic_prefix + topic, self.snapshot.topic_id(topic)
        entries = records(self.settings.kafka, name, ranges, topic_id)
        dead, default_run = self.snapshot.dead(topic, ranges), self.run.stream.default_run
        return window_rows(window, entries, dead, self.model, default_run)


def _counted(window: WindowKey, segment: str, held: Summary, computed: Summary) -> Iterator[Difference]:
    for name in ("rows", "counts", "sums"):
        if not np.array_equal(getattr(held, name), getattr(computed, name)):
            sums = [int(getattr(one, name).sum()) for one in (held, computed)]
            yield Difference(window.records.role, f"{segment}summary {name}", *sums)


def compare(
    stream: str, stored: StoredResult, rows: LoadedRows, joined: LoadedRows | None, figures: WindowFigures
) -> Iterator[Difference]:
    """Compare the stored figures of a window with the recomputed ones.

    Args:
        stream: Role of the records.
        stored: Result in the database.
        rows: The window's rows, read from the log.
        joined: Rows that they are joined with; None if there are none.
        figures: Computed from these rows.
    """
    computed = {name: getattr(figures, name) for name in stored.figures}
    computed |= {"rows": len(rows.table), "offsets": rows.offsets}
    held = dict(stored.figures) | {"rows": stored.rows, "offsets": stored.offsets}
    if joined is not None:
        computed |= {"joined_rows": len(joined.table), "joined_offsets": joined.offsets}
        held |= {"joined_rows": stored.joined_rows, "joined_offsets": stored.joined_offsets}
    computed |= _columns(figures)
    held |= _flat(stored.columns)
    yield from _unequal(stream, "", held, computed)


def _unequal(stream: str, whose: str, held: Mapping[str, Any], computed: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted({*held, *computed}):
        if not equal(held.get(name), computed.get(name)):
            yield Difference(stream, f"{whose}{name}", held.get(name), computed.get(name))


def _columns(figures: WindowFigures) -> dict[str, Any]:
    return _flat({(c.column, c.metric): msgspec.structs.asdict(c) for c in figures.columns})


def _flat(columns: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{column} {metric} {field}": value
        for (column, metric), figure in columns.items()
        for field, value in figure.items()
        if field not in ("column", "metric")
    }
