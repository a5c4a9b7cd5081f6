"""What is known of runs and windows, read in one snapshot of the database. Times are ms since the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas.definition import EVENTS, LABELS, Records, Role, Stream
from schemas.durations import moment
from schemas.errors import UsageError
from schemas.figures import ColumnFigure, WindowFigures
from schemas.records import MAX_TIME
from schemas.watermark import END
from storage.compact import Chunk
from storage.connect import Connection, snapshots
from storage.keepalive import kept_alive
from storage.queries import load_queries
from storage.streams import definition_of, definitions_of
from storage.windows import (
    ChunkSlice,
    EncodedSummary,
    PartitionProgress,
    Ranges,
    RowCounts,
    StoredResult,
    StoredRun,
    WindowKey,
    WindowScan,
    WrittenResult,
)

SQL = load_queries(Path(__file__).with_name("windows.sql"))
SCALARS = tuple(f for f in WindowFigures.__struct_fields__ if f not in ("columns", "sufficient"))
"""The figures of a window that are columns of `window_result`."""

COLUMN_FIELDS = ColumnFigure.__struct_fields__


class Snapshot:
    """One state of the database: every question is answered from the same moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _rows(self, query: str, **params: Any) -> list[Any]:
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(SQL[query], params).fetchall()

    def _one(self, query: str, **params: Any) -> Any:
        return self._rows(query, **params)[0][0]

    def runs(
        self, sizes: Sequence[int], fallback: Stream, only: str | None = None, *, folds: bool = False
    ) -> list[StoredRun]:
        """List the runs that have something left to do, that with the most rows first.

        Those whose definition is of another version are left out.

        Args:
            sizes: Of the windows that are to be computed, ms.
            fallback: The stream of runs of the version before, which kept no definition.
            only: Only the run of this name.
            folds: Whether something is left to do also while windows are not folded.
        """
        sizes_s = [size // 1_000 for size in sizes]
        return self._with_streams(self._rows("runs", only=only, sizes_s=sizes_s, end=END, folds=folds), fallback)

    def run(self, run_id: str, fallback: Stream) -> StoredRun | None:
        """The run of that name. fallback: as for `runs`. Raises DefinitionUnreadable."""
        return next(
            (
                _run(row, definition_of(self._connection, run_id, fallback))
                for row in self._rows("run", run_id=run_id)
            ),
            None,
        )

    def known(self, run_id: str, fallback: Stream) -> StoredRun:
        """The run of that name. fallback: as for `runs`. Raises UsageError for a run that nobody has met."""
        if (run := self.run(run_id, fallback)) is None:
            raise UsageError(f"there is no run {run_id}", "`driftline runs` lists them")
        return run

    def _with_streams(self, rows: Sequence[Any], fallback: Stream) -> list[StoredRun]:
        streams = definitions_of(self._connection, [row[0] for row in rows], fallback) if rows else {}
        return [_run(row, streams[row[0]]) for row in rows if row[0] in streams]

    def frontiers(self, run_ids: Sequence[str]) -> dict[str, dict[tuple[str, int], int]]:
        """By run: (role, size) → frontier, where one was written."""
        found: dict[str, dict[tuple[str, int], int]] = {}
        for run_id, stream, size_s, at in self._rows("frontiers", run_ids=list(run_ids)) if run_ids else ():
            found.setdefault(run_id, {})[stream, 1_000 * size_s] = at
        return found

    def partitions(self, run: StoredRun) -> tuple[int, dict[Role, list[PartitionProgress]]]:
        """Wall time by the database, ms, and the partitions that a run waits for, met by it or not, by role."""
        rows = self._rows("progress", run_id=run.run_id)
        known: dict[Role, list[PartitionProgress]] = {records.role: [] for records in run.stream.topics}
        for _, role, *state in rows:
            fields = dict(zip(PartitionProgress.__struct_fields__, state, strict=True))
            known[role].append(PartitionProgress(**fields))
        return (rows[0][0] if rows else 0), known

    def first_pane(self, run_id: str, topic: str, at: int) -> int | None:
        """The first pane with rows that starts at `at` or later."""
        return _ms_or_none(self._one("first_pane", run_id=run_id, topic=topic, at=_moment(at)))

    def last_pane(self, run_id: str, topic: str) -> int | None:
        return _ms_or_none(self._one("last_pane", run_id=run_id, topic=topic))

    def scan(
        self, run_id: str, records: Records, joined: Records | None, *, size: int, start: int, end: int
    ) -> WindowScan:
        """Find the windows of one size that start in [start, end), ms; joined: what their rows are joined with."""
        where = {"run_id": run_id, "size_s": size // 1_000, "from": _moment(start), "to": _moment(end)}
        rows = dict(self._rows("rows", topic=records.topic, **where))
        others = dict(self._rows("rows", topic=joined.topic, **where)) if rows and joined else {}
        written = self._rows("written", stream=records.role, **where)
        return WindowScan(
            size,
            start,
            end,
            {ms_of(at): RowCounts(n, others.get(at, 0)) for at, n in rows.items()},
            {ms_of(at): WrittenResult(status, RowCounts(n, of_others)) for at, status, n, of_others in written},
        )

    def index(self, window: WindowKey) -> list[ChunkSlice]:
        """Where the rows of a window lie, by partition and chunk."""
        return [ChunkSlice(*row) for row in self._rows("index", **_span(window))]

    def chunks(
        self, run_id: str, topic: str, places: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int, bytes]]:
        """(partition, first offset, payload) of each chunk at these (partition, first offset)."""
        partitions, first_offsets = [list(part) for part in zip(*places, strict=True)]
        where = {"run_id": run_id, "topic": topic}
        return self._rows("chunks", **where, partitions=partitions, first_offsets=first_offsets)

    def chunk_ranges(self, window: WindowKey) -> Ranges:
        """Offsets that the window's chunks cover: known even where a chunk cannot be read."""
        return {str(p): (first, last) for p, first, last in self._rows("chunk_ranges", **_span(window))}

    def chunk_sizes(self, run_id: str, topic: str) -> dict[int, list[Chunk]]:
        """The chunks of each partition, in order."""
        found: dict[int, list[Chunk]] = {}
        for partition, first_offset, rows in self._rows("chunk_sizes", run_id=run_id, topic=topic):
            found.setdefault(partition, []).append(Chunk(first_offset, rows))
        return found

    def stored(self, window: WindowKey) -> StoredResult | None:
        """The result of a window, None where it has none."""
        found = self._rows("stored", **window.key)
        if not found:
            return None
        rows, offsets, joined_rows, joined_offsets, *figures = found[0]
        columns = [dict(zip(COLUMN_FIELDS, row, strict=True)) for row in self._rows("stored_columns", **window.key)]
        return StoredResult(
            rows=rows,
            offsets={number: (first, last) for number, (first, last) in offsets.items()},
            joined_rows=joined_rows,
            joined_offsets={number: (first, last) for number, (first, last) in joined_offsets.items()},
            figures=dict(zip(SCALARS, figures, strict=True)),
            columns={(column["column"], column["metric"]): column for column in columns},
        )

    def stored_segments(self, window: WindowKey) -> dict[str, StoredResult]:
        """The results of a window's segments, by their name. They have no offsets."""
        columns: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        for segment, *row in self._rows("stored_segment_columns", **window.key):
            column = dict(zip(COLUMN_FIELDS, row, strict=True))
            columns.setdefault(segment, {})[column["column"], column["metric"]] = column
        return {
            segment: StoredResult(
                rows=rows,
                offsets={},
                joined_rows=joined,
                joined_offsets={},
                figures=dict(zip(SCALARS, figures, strict=True)),
                columns=columns.get(segment, {}),
            )
            for segment, rows, joined, *figures in self._rows("stored_segments", **window.key)
        }

    def summary(self, window: WindowKey) -> EncodedSummary | None:
        """What a closed window held; None where that was not kept."""
        found = self._rows("summary", **window.key)
        return EncodedSummary(*found[0]) if found else None

    def topic_id(self, topic: str) -> str | None:
        """Kafka's id of the topic that offsets are of; None where it is not known."""
        known: str | None = self._one("topic_id", topic=topic)
        return known

    def dead(self, topic: str, ranges: Ranges) -> set[tuple[int, int]]:
        """(partition, offset) of the dead letters in these ranges."""
        firsts, lasts = ([ends[i] for ends in ranges.values()] for i in (0, 1))
        where = {"topic": topic, "partitions": [*map(int, ranges)], "firsts": firsts, "lasts": lasts}
        return set(self._rows("dead", **where))

    def behind(self, run_id: str, records: Records, size: int) -> int | None:
        """The earliest window whose result lacks rows; None where every row is accounted for."""
        where = {"run_id": run_id, "stream": records.role, "topic": records.topic, "size_s": size // 1_000}
        return _ms_or_none(self._one("behind", **where))


@contextmanager
def snapshot_of(connection: Connection) -> Iterator[Snapshot]:
    """A snapshot on a connection of one's own, for commands that only read, however long they compute meanwhile."""
    with snapshots(connection).transaction(), kept_alive([connection]):
        yield Snapshot(connection)


def _span(window: WindowKey) -> dict[str, Any]:
    where = {"run_id": window.run_id, "topic": window.records.topic}
    return where | {"from": _moment(window.start), "to": _moment(window.end)}


def _run(row: Sequence[Any], stream: Stream) -> StoredRun:
    run_id, pane, lateness, label_lateness, reference, started_at = row
    return StoredRun(run_id, stream, pane, {EVENTS: lateness, LABELS: label_lateness}, reference, ms_of(started_at))


def ms_of(at: datetime) -> int:
    """A moment in ms since the epoch."""
    return round(at.timestamp() * 1_000)


def _ms_or_none(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)


def _moment(ms: int) -> datetime:
    """As a moment that Postgres and Python can both hold: no event time lies outside."""
    return moment(min(max(ms, 0), MAX_TIME + 1))
