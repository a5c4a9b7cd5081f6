"""The rows of a window, from the chunks that hold its panes, in one canonical order.

The order is (partition, offset): how a consumer cut its flushes must not change the last bit of a sum.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from monitor.snapshot import Ranges, Slice, Snapshot, Window
from schemas.chunk import OFFSET, decode, layout
from schemas.definition import Stream

FETCH = 64
"""Chunks asked for at a time: what is in flight stays small, whatever the window."""

Place = tuple[str, str, int, int, str]
"""Run, topic, partition, first offset, version: what a place holds never changes."""


class Loaded(msgspec.Struct, frozen=True):
    """Rows of one stream in one window: chunk layout, in canonical order; offsets: the range in each partition."""

    table: pa.Table
    offsets: Ranges


class ChunkCache:
    """Decoded chunks, the least recently used dropped first. Neighbouring windows, and sizes, share them."""

    def __init__(self, limit: int) -> None:
        """limit: in bytes of decoded rows."""
        self._limit = limit
        self._bytes = 0
        self._chunks: OrderedDict[Place, pa.RecordBatch] = OrderedDict()

    def get(self, place: Place) -> pa.RecordBatch | None:
        if place in self._chunks:
            self._chunks.move_to_end(place)
        return self._chunks.get(place)

    def put(self, place: Place, chunk: pa.RecordBatch) -> None:
        self._chunks[place] = chunk
        self._bytes += chunk.nbytes
        while self._bytes > self._limit:
            self._bytes -= self._chunks.popitem(last=False)[1].nbytes


def load(snapshot: Snapshot, window: Window, cache: ChunkCache) -> Loaded:
    """The rows of a window. Raises ValueError for a chunk that is missing or cannot be read."""
    index = snapshot.index(window)
    parts = (index[at : at + FETCH] for at in range(0, len(index), FETCH))
    return canonical(window.stream, [piece for part in parts for piece in _pieces(snapshot, window, part, cache)])


def unread(snapshot: Snapshot, window: Window) -> Loaded:
    """In place of rows that cannot be read: none of them, but where they are."""
    return Loaded(layout(window.stream).empty_table(), snapshot.chunk_ranges(window))


def canonical(stream: Stream, pieces: Sequence[tuple[int, pa.RecordBatch]]) -> Loaded:
    """Pieces of partitions, in any order and cut anywhere, as one table sorted by (partition, offset)."""
    table = pa.Table.from_batches([rows for _, rows in pieces], schema=layout(stream))
    numbers, lengths = (
        np.array([(number, rows.num_rows) for number, rows in pieces], dtype=np.int64).reshape(-1, 2).T
    )
    partitions = np.repeat(numbers, lengths)
    offsets = table[OFFSET].to_numpy()
    order = np.lexsort((offsets, partitions))
    return Loaded(table.take(pa.array(order)).combine_chunks(), _ranges(partitions[order], offsets[order]))


def _ranges(partitions: np.ndarray, offsets: np.ndarray) -> Ranges:
    numbers, firsts = np.unique(partitions, return_index=True)
    lasts = [*firsts[1:], len(partitions)]
    return {
        str(number): (int(offsets[first]), int(offsets[last - 1]))
        for number, first, last in zip(numbers, firsts, lasts, strict=True)
    }


def _pieces(
    snapshot: Snapshot, window: Window, index: Sequence[Slice], cache: ChunkCache
) -> Iterator[tuple[int, pa.RecordBatch]]:
    run, topic = window.run_id, window.stream.topic
    places = {(part.partition, part.first_offset): part.version for part in index}
    chunks = {at: cache.get((run, topic, *at, version)) for at, version in places.items()}
    missing = [at for at, chunk in chunks.items() if chunk is None]
    for partition, first_offset, payload in snapshot.chunks(run, topic, missing) if missing else ():
        at = (partition, first_offset)
        chunks[at] = _decoded(payload, window.stream, at)
        cache.put((run, topic, *at, places[at]), chunks[at])
    for part in index:
        yield part.partition, _slice(chunks[part.partition, part.first_offset], part, topic)


def _decoded(payload: bytes, stream: Stream, at: tuple[int, int]) -> pa.RecordBatch:
    try:
        chunk = decode(payload)
        chunk.validate(full=True)
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise ValueError(f"chunk {stream.topic}/{at[0]}@{at[1]} cannot be read: {error}") from error
    if not chunk.schema.equals(layout(stream)):
        raise ValueError(f"chunk {stream.topic}/{at[0]}@{at[1]} has other columns than the stream")
    return chunk


def _slice(chunk: pa.RecordBatch | None, part: Slice, topic: str) -> pa.RecordBatch:
    if chunk is None or chunk.num_rows < part.first_row + part.rows:
        raise ValueError(f"chunk {topic}/{part.partition}@{part.first_offset} lacks rows of its panes")
    return chunk.slice(part.first_row, part.rows)
