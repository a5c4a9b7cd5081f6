"""The rows of a window, from the chunks that hold its panes, in one canonical order.

The order is (partition, offset): how a consumer cut its flushes must not change the last bit of a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.lru import LruCache
from schemas.definition import INTERNAL, Records
from storage.chunk import OFFSET, decode, layout
from storage.snapshot import Snapshot
from storage.windows import ChunkSlice, Ranges, WindowKey

FETCH = 64
"""Chunks fetched at a time, so that little is in flight, whatever the window."""

REDUCE_FROM = 500_000
"""Rows of a window that are held before it is made smaller."""

_PARTITION = INTERNAL + "partition"

Reduce = Callable[[pa.Table], pa.Table]
"""Makes a large table smaller, row by row: reducing the parts first must not change what is left in the end."""

Observe = Callable[[pa.Table], None]
"""Is given every row once, in tables of any size and order, before any are left out."""

Ints = NDArray[np.integer[Any]]

Place = tuple[str, str, int, int, str]
"""Run, topic, partition, first offset, version: what a place holds never changes."""


class LoadedRows(msgspec.Struct, frozen=True):
    """Rows of one stream in one window: chunk layout, in canonical order; offsets: the range in each partition."""

    table: pa.Table
    offsets: Ranges


class ChunkCache(LruCache[Place, pa.RecordBatch]):
    """Decoded chunks. Neighbouring windows, and windows of other sizes, share them."""

    def __init__(self, limit: int) -> None:
        """Begin empty. limit: bytes of decoded rows."""
        super().__init__(limit, _cost)


def _cost(chunk: pa.RecordBatch) -> int:
    """Bytes in memory. A chunk of few rows is mostly its columns' own structures, measured at 12 to 19 KB."""
    return int(chunk.nbytes) + 16_384


def load_rows(
    snapshot: Snapshot,
    window: WindowKey,
    cache: ChunkCache,
    columns: Sequence[str] | None = None,
    *,
    reduce: Reduce | None = None,
    observe: Observe | None = None,
) -> LoadedRows:
    """Load the rows of a window.

    Args:
        snapshot: Of the database.
        window: The window.
        cache: Of decoded chunks.
        columns: Only these; None for all.
        reduce: Makes a large table smaller. Either bounds the memory that a large window takes.
        observe: Is given the rows that were not reduced yet.

    Raises:
        ValueError: A chunk is missing or cannot be read.
    """
    index = snapshot.index(window)
    gathered = RowCollector(window.records, columns, reduce, observe)
    for at in range(0, len(index), FETCH):
        for partition, rows in _pieces(snapshot, window, index[at : at + FETCH], cache):
            gathered.add(partition, rows)
    return gathered.loaded()


def unreadable_rows(snapshot: Snapshot, window: WindowKey) -> LoadedRows:
    """In place of rows that cannot be read: none of them, but where they are."""
    return LoadedRows(layout(window.records).empty_table(), snapshot.chunk_ranges(window))


class RowCollector:
    """Rows that come in any order, cut anywhere; they leave in canonical order."""

    def __init__(
        self,
        stream: Records,
        columns: Sequence[str] | None = None,
        reduce: Reduce | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._schema = layout(stream)
        self._columns = self._schema.names if columns is None else [OFFSET, *columns]
        self._reduce = reduce
        self._observe = observe
        self._ranges: dict[int, tuple[int, int]] = {}
        self._pieces: list[pa.RecordBatch] = []
        self._partitions: list[int] = []
        self._table = self._together()
        self._rows, self._limit = 0, REDUCE_FROM

    def add(self, partition: int, rows: pa.RecordBatch) -> None:
        """rows: of one partition, in the layout of chunks."""
        self._pieces.append(rows)
        self._partitions.append(partition)
        self._rows += rows.num_rows
        if self._reduce is not None and self._rows > self._limit:
            self._table = self._reduce(pa.concat_tables([self._table, self._together()]))
            self._rows = self._table.num_rows
            self._limit = max(2 * self._rows, REDUCE_FROM)

    def loaded(self) -> LoadedRows:
        table = self._table = pa.concat_tables([self._table, self._together()])
        order = np.lexsort((table[OFFSET].to_numpy(), table[_PARTITION].to_numpy()))
        ranges = {str(partition): ends for partition, ends in sorted(self._ranges.items())}
        return LoadedRows(table.drop_columns([_PARTITION]).take(pa.array(order)).combine_chunks(), ranges)

    def _together(self) -> pa.Table:
        """What was added since, as one table: a thousand small pieces one by one would cost five times as much."""
        table = pa.Table.from_batches(self._pieces, schema=self._schema).select(self._columns).combine_chunks()
        counts = [piece.num_rows for piece in self._pieces]
        partitions = np.repeat(np.array(self._partitions, np.int32), counts)
        self._pieces, self._partitions = [], []
        self._stretch(partitions, table[OFFSET].to_numpy())
        if self._observe is not None:
            self._observe(table)
        return table.append_column(_PARTITION, pa.array(partitions))

    def _stretch(self, partitions: Ints, offsets: Ints) -> None:
        for partition in np.unique(partitions).tolist():
            own = offsets[partitions == partition]
            first, last = self._ranges.get(partition, (own[0], own[0]))
            self._ranges[partition] = int(min(first, own.min())), int(max(last, own.max()))


def _pieces(
    snapshot: Snapshot, window: WindowKey, index: Sequence[ChunkSlice], cache: ChunkCache
) -> Iterator[tuple[int, pa.RecordBatch]]:
    run, topic = window.run_id, window.records.topic
    places = {(part.partition, part.first_offset): part.version for part in index}
    chunks = {at: cache.get((run, topic, *at, version)) for at, version in places.items()}
    missing = [at for at, chunk in chunks.items() if chunk is None]
    for partition, first_offset, payload in snapshot.chunks(run, topic, missing) if missing else ():
        at = (partition, first_offset)
        chunks[at] = decode_chunk(payload, window.records, at)
        cache.put((run, topic, *at, places[at]), chunks[at])
    for part in index:
        yield part.partition, _slice(chunks[part.partition, part.first_offset], part, topic)


def decode_chunk(payload: bytes, stream: Records, at: tuple[int, int]) -> pa.RecordBatch:
    """Decode a chunk.

    Args:
        payload: Its bytes.
        stream: The records that it is of.
        at: Partition and first offset, for the message.

    Raises:
        ValueError: It cannot be read, or has other columns.
    """
    try:
        chunk = decode(payload)
        chunk.validate(full=True)
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise ValueError(f"chunk {stream.topic}/{at[0]}@{at[1]} cannot be read: {error}") from error
    if not chunk.schema.equals(layout(stream)):
        raise ValueError(f"chunk {stream.topic}/{at[0]}@{at[1]} has other columns than the stream")
    return chunk


def _slice(chunk: pa.RecordBatch | None, part: ChunkSlice, topic: str) -> pa.RecordBatch:
    if chunk is None or chunk.num_rows < part.first_row + part.rows:
        raise ValueError(f"chunk {topic}/{part.partition}@{part.first_offset} lacks rows of its panes")
    return chunk.slice(part.first_row, part.rows)
