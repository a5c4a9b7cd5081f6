"""A window computed once more, from the log itself: is what stands in the tables what the trips say?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isclose
from typing import Any

import msgspec
import structlog

from models.artifact import Model
from monitor.drift.figures import WindowFigures
from monitor.engine import Engine, check_model
from monitor.evidently.engine import DriftEngine
from monitor.panes import Loaded
from monitor.recompute.rows import reread
from monitor.recompute.source import records
from monitor.settings import Settings
from monitor.snapshot import Ranges, Snapshot, Stored, Window, joined_with, snapshot_of
from schemas.errors import UsageError
from schemas.streams.taxi import STREAMS
from storage.connect import connect_now

log = structlog.get_logger()

EQUAL = 1e-12
"""Relative. On the machine that wrote them, figures are equal to the last bit; another may sum otherwise."""


class Difference(msgspec.Struct, frozen=True):
    """Something that the log says otherwise. figure: a column of `window_result`, or column, metric and field."""

    stream: str
    figure: str
    stored: Any
    computed: Any


def recompute(settings: Settings, run_id: str, size: int, start: int) -> list[Difference]:
    """Every difference between a window's results, of all streams, and what the log says; an empty list is good.

    size, start: ms. Raises UsageError where there is no such window, ModelUnusable where the run was scored by
    another model, LogUnreadable where the log is gone, BrokerUnreachable, DatabaseUnreachable.
    """
    with connect_now(settings.database_url) as connection, snapshot_of(connection) as snapshot:
        found = stored_windows(snapshot, run_id, size, start)
        engine = DriftEngine(settings)
        check_model(snapshot.known(run_id), engine.model)
        again = Recomputation(snapshot, settings, engine, engine.scorer)
        return [difference for window, stored in found for difference in again.differences(window, stored)]


def stored_windows(snapshot: Snapshot, run_id: str, size: int, start: int) -> list[tuple[Window, Stored]]:
    """The results of a window, of all streams. Raises UsageError where there are none."""
    snapshot.known(run_id)
    windows = [Window(run_id, stream, size, start) for stream in STREAMS]
    found = [(window, stored) for window in windows if (stored := snapshot.stored(window)) is not None]
    if not found:
        raise UsageError("there is no such window", f"`driftline windows --run {run_id}` lists them")
    return found


@dataclass(frozen=True)
class Recomputation:
    """What it takes: the tables, Kafka, the model that scores and the engine that compares."""

    snapshot: Snapshot
    settings: Settings
    engine: Engine
    model: Model

    def differences(self, window: Window, stored: Stored) -> Iterator[Difference]:
        other = joined_with(window.stream)
        rows = self._read(window, stored.offsets)
        joined = self._read(window.of(other), stored.joined_offsets) if other else None
        figures = self.engine.figures(window.stream, rows, joined)
        log.info("recomputed", run=window.run_id, stream=window.stream.role, rows=rows.table.num_rows)
        return compare(window.stream.role, stored, rows, joined, figures)

    def _read(self, window: Window, ranges: Ranges) -> Loaded:
        topic = window.stream.topic
        name, topic_id = self.settings.topic_prefix + topic, self.snapshot.topic_id(topic)
        entries = records(self.settings.kafka, name, ranges, topic_id)
        return reread(window, entries, self.snapshot.dead(topic, ranges), self.model)


def compare(
    stream: str, stored: Stored, rows: Loaded, joined: Loaded | None, figures: WindowFigures
) -> Iterator[Difference]:
    """What is stored of a window, against what its rows in the log say."""
    computed = {name: getattr(figures, name) for name in stored.figures}
    computed |= {"rows": len(rows.table), "offsets": rows.offsets}
    held = dict(stored.figures) | {"rows": stored.rows, "offsets": stored.offsets}
    if joined is not None:
        computed |= {"joined_rows": len(joined.table), "joined_offsets": joined.offsets}
        held |= {"joined_rows": stored.joined_rows, "joined_offsets": stored.joined_offsets}
    computed |= _flat({(c.column, c.metric): msgspec.structs.asdict(c) for c in figures.columns})
    held |= _flat(stored.columns)
    for name in sorted({*held, *computed}):
        if not _equal(held.get(name), computed.get(name)):
            yield Difference(stream, name, held.get(name), computed.get(name))


def _flat(columns: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{column} {metric} {field}": value
        for (column, metric), figure in columns.items()
        for field, value in figure.items()
        if field not in ("column", "metric")
    }


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=EQUAL, abs_tol=EQUAL)
    return bool(one == other)
