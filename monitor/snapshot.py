"""What is known of runs and windows, read in one snapshot of the database. Times are ms since the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from monitor.drift.figures import ColumnFigure, WindowFigures
from monitor.scheduling.readiness import NOTHING, Marks, Partition, Patience, Rows, Scan, Written, both, marks
from schemas.definition import Records
from schemas.durations import moment
from schemas.errors import UsageError
from schemas.notices import WindowNotice
from schemas.records import MAX_TIME
from schemas.streams.taxi import STREAMS, TRIPS
from schemas.watermark import END
from storage.compact import Chunk
from storage.connect import Connection, snapshots
from storage.queries import load_queries

SQL = load_queries(Path(__file__).with_name("queries.sql"))
SCALARS = tuple(f for f in WindowFigures.__struct_fields__ if f not in ("columns", "sufficient"))
"""The figures of a window that are columns of `window_result`."""

COLUMN_FIELDS = ColumnFigure.__struct_fields__
TOPICS = [stream.topic for stream in STREAMS]
ROLES = [stream.role for stream in STREAMS]
Ranges = Mapping[str, tuple[int, int]]
"""Partition → its first and last offset, both inclusive."""


def joined_with(stream: Records) -> Records | None:
    """The stream that holds the predictions for this one's labels."""
    return None if stream.label is None else TRIPS


class Run(msgspec.Struct, frozen=True):
    """What belongs to a run.

    lateness: allowed, by topic. model: hash of the one that scored it. started_at: wall time, ms; a run that was
    removed and begun anew under its name has another.
    """

    run_id: str
    pane: int
    lateness: Mapping[str, int]
    model: str | None
    started_at: int = 0


class Window(msgspec.Struct, frozen=True):
    """The key of a result; size and start in ms."""

    run_id: str
    stream: Records
    size: int
    start: int

    @property
    def end(self) -> int:
        return self.start + self.size

    def of(self, stream: Records) -> Window:
        """The same window of another stream."""
        return msgspec.structs.replace(self, stream=stream)

    @property
    def name(self) -> str:
        return f"{self.run_id}/{self.stream.role}/{self.size}/{self.start}"

    @property
    def key(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "stream": self.stream.role,
            "size_s": self.size // 1_000,
            "window_start": moment(self.start),
        }

    def notice(self, status: str) -> WindowNotice:
        """Say that this window was written."""
        key = self.key
        return WindowNotice(self.run_id, key["stream"], key["size_s"], self.start, status)


class Slice(msgspec.Struct, frozen=True):
    """A window's rows in one chunk. version: tells apart chunks that stood at one place, one after the other."""

    partition: int
    first_offset: int
    first_row: int
    rows: int
    version: str


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A result as it stands. figures: by column of `window_result`; columns: by column and metric."""

    rows: int
    offsets: Ranges
    joined_rows: int
    joined_offsets: Ranges
    figures: Mapping[str, Any]
    columns: Mapping[tuple[str, str], Mapping[str, Any]]


class Progress(msgspec.Struct, frozen=True):
    """How far a run has come in each stream, when (wall time) it last moved there, and how much was read in all."""

    marks: Mapping[str, Marks]
    moved_at: Mapping[str, int]
    now: int
    position: int

    def same_as(self, other: Progress) -> bool:
        return (self.marks, self.position) == (other.marks, other.position)


class Snapshot:
    """One state of the database: every question is answered from the same moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _rows(self, query: str, **params: Any) -> list[Any]:
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(SQL[query], params).fetchall()

    def _one(self, query: str, **params: Any) -> Any:
        return self._rows(query, **params)[0][0]

    def runs(self, sizes: Sequence[int], only: str | None = None) -> list[Run]:
        """Runs that have something left to do, for windows of these sizes; that with the most rows first."""
        sizes_s = [size // 1_000 for size in sizes]
        tracks = len(sizes_s) * len(ROLES)
        params = {"only": only, "sizes_s": sizes_s, "streams": ROLES, "tracks": tracks, "end": END}
        return [_run(row) for row in self._rows("runs", **params)]

    def run(self, run_id: str) -> Run | None:
        return next((_run(row) for row in self._rows("run", run_id=run_id)), None)

    def known(self, run_id: str) -> Run:
        """Raises UsageError for a run that nobody has met."""
        if (run := self.run(run_id)) is None:
            raise UsageError(f"there is no run {run_id}", "`driftline runs` lists them")
        return run

    def frontiers(self, run_ids: Sequence[str]) -> dict[str, dict[tuple[str, int], int]]:
        """By run: (role, size) → frontier, where one was written."""
        found: dict[str, dict[tuple[str, int], int]] = {}
        for run_id, stream, size_s, at in self._rows("frontiers", run_ids=list(run_ids)) if run_ids else ():
            found.setdefault(run_id, {})[stream, 1_000 * size_s] = at
        return found

    def progress(self, run: Run, patience: Patience) -> Progress:
        """Marks of each stream: of one that is joined with another, as far as both have come."""
        rows = self._rows("progress", run_id=run.run_id, topics=TOPICS)
        now = rows[0][0] if rows else 0
        known: dict[str, list[Partition]] = {topic: [] for topic in TOPICS}
        for _, topic, *state in rows:
            known[topic].append(Partition(**dict(zip(Partition.__struct_fields__, state, strict=True))))
        own = {topic: marks(parts, run.lateness[topic], now, patience) for topic, parts in known.items()}
        # What lies ahead of now was written before the clock was set back.
        moved_at = {
            topic: max((min(p.moved_at or now, now) for p in parts), default=now) for topic, parts in known.items()
        }
        for stream in STREAMS:
            if (other := joined_with(stream)) is not None:
                own[stream.topic] = both(own[stream.topic], own.get(other.topic, NOTHING))
                moved_at[stream.topic] = max(moved_at[stream.topic], moved_at[other.topic])
        return Progress(own, moved_at, now, sum(p.next_offset for parts in known.values() for p in parts))

    def first_pane(self, run_id: str, topic: str, at: int) -> int | None:
        """The first pane with rows that starts at `at` or later."""
        return _ms_or_none(self._one("first_pane", run_id=run_id, topic=topic, at=_moment(at)))

    def last_pane(self, run_id: str, topic: str) -> int | None:
        return _ms_or_none(self._one("last_pane", run_id=run_id, topic=topic))

    def scan(self, run_id: str, stream: Records, size: int, start: int, end: int) -> Scan:
        """The windows of one size in [start, end)."""
        where = {"run_id": run_id, "size_s": size // 1_000, "from": _moment(start), "to": _moment(end)}
        rows = dict(self._rows("rows", topic=stream.topic, **where))
        other = joined_with(stream)
        joined = dict(self._rows("rows", topic=other.topic, **where)) if rows and other else {}
        written = self._rows("written", stream=stream.role, **where)
        return Scan(
            size,
            start,
            end,
            {_ms(at): Rows(n, joined.get(at, 0)) for at, n in rows.items()},
            {_ms(at): Written(status, Rows(n, joined)) for at, status, n, joined in written},
        )

    def index(self, window: Window) -> list[Slice]:
        """Where the rows of a window lie, by partition and chunk."""
        return [Slice(*row) for row in self._rows("index", **_span(window))]

    def chunks(
        self, run_id: str, topic: str, places: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int, bytes]]:
        """(partition, first offset, payload) of each chunk at these (partition, first offset)."""
        partitions, first_offsets = [list(part) for part in zip(*places, strict=True)]
        where = {"run_id": run_id, "topic": topic}
        return self._rows("chunks", **where, partitions=partitions, first_offsets=first_offsets)

    def chunk_ranges(self, window: Window) -> Ranges:
        """Offsets that the window's chunks cover: known even where a chunk cannot be read."""
        return {str(p): (first, last) for p, first, last in self._rows("chunk_ranges", **_span(window))}

    def chunk_sizes(self, run_id: str, topic: str) -> dict[int, list[Chunk]]:
        """The chunks of each partition, in order."""
        found: dict[int, list[Chunk]] = {}
        for partition, first_offset, rows in self._rows("chunk_sizes", run_id=run_id, topic=topic):
            found.setdefault(partition, []).append(Chunk(first_offset, rows))
        return found

    def stored(self, window: Window) -> Stored | None:
        """The result of a window, None where it has none."""
        found = self._rows("stored", **window.key)
        if not found:
            return None
        rows, offsets, joined_rows, joined_offsets, *figures = found[0]
        columns = [dict(zip(COLUMN_FIELDS, row, strict=True)) for row in self._rows("stored_columns", **window.key)]
        return Stored(
            rows=rows,
            offsets={number: (first, last) for number, (first, last) in offsets.items()},
            joined_rows=joined_rows,
            joined_offsets={number: (first, last) for number, (first, last) in joined_offsets.items()},
            figures=dict(zip(SCALARS, figures, strict=True)),
            columns={(column["column"], column["metric"]): column for column in columns},
        )

    def topic_id(self, topic: str) -> str | None:
        """Kafka's id of the topic that offsets are of; None where it is not known."""
        known: str | None = self._one("topic_id", topic=topic)
        return known

    def dead(self, topic: str, ranges: Ranges) -> set[tuple[int, int]]:
        """(partition, offset) of the dead letters in these ranges."""
        firsts, lasts = ([ends[i] for ends in ranges.values()] for i in (0, 1))
        where = {"topic": topic, "partitions": [*map(int, ranges)], "firsts": firsts, "lasts": lasts}
        return set(self._rows("dead", **where))

    def behind(self, run_id: str, stream: Records, size: int) -> int | None:
        """The earliest window whose result lacks rows; None where every row is accounted for."""
        where = {"run_id": run_id, "stream": stream.role, "topic": stream.topic, "size_s": size // 1_000}
        return _ms_or_none(self._one("behind", **where))


@contextmanager
def snapshot_of(connection: Connection) -> Iterator[Snapshot]:
    """A snapshot on a connection of one's own, for commands that only read."""
    with snapshots(connection).transaction():
        yield Snapshot(connection)


def _span(window: Window) -> dict[str, Any]:
    where = {"run_id": window.run_id, "topic": window.stream.topic}
    return where | {"from": _moment(window.start), "to": _moment(window.end)}


def _run(row: Sequence[Any]) -> Run:
    run_id, pane, lateness, outcome_lateness, model, started_at = row
    by_topic = dict(zip(TOPICS, (lateness, outcome_lateness), strict=True))
    return Run(run_id, pane, by_topic, model, _ms(started_at))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def _ms_or_none(at: datetime | None) -> int | None:
    return None if at is None else _ms(at)


def _moment(ms: int) -> datetime:
    """As a moment that Postgres and Python can both hold: no event time lies outside."""
    return moment(min(max(ms, 0), MAX_TIME + 1))
