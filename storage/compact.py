"""Small chunks made into larger ones. Pure.

A live stream at its own speed leaves a chunk a second and partition, of a row or two. A day of them would take a
minute to read; merged, it takes a fraction of a second. Rows, their offsets and their panes stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from schemas.definition import Records
from storage.chunk import OFFSET, layout

TOGETHER = 64
"""Chunks that are made one."""

ENOUGH = 16_384
"""Rows that need no further company: a small window must not have to decode a large chunk."""

SMALL = (64, 1_024)
"""Rows of a chunk that is merged with its like. Two steps, so that a row is copied twice at most."""


class Chunk(msgspec.Struct, frozen=True):
    """Where a chunk begins in its partition, and how many rows it has."""

    first_offset: int
    rows: int


class Merged(msgspec.Struct, frozen=True):
    """Rows sorted by (pane, offset). Pane i starts at starts[i], ms: counts[i] rows from row firsts[i] on."""

    batch: pa.RecordBatch
    starts: list[int]
    firsts: list[int]
    counts: list[int]


def groups(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """Find groups of small neighbours to merge. chunks: of one partition, in order."""
    for limit in SMALL:
        if found := [*_groups(chunks, limit)]:
            return found
    return []


def _groups(chunks: Sequence[Chunk], limit: int) -> Iterator[list[Chunk]]:
    group: list[Chunk] = []
    for chunk in chunks:
        if chunk.rows >= limit:
            group = []
            continue
        group.append(chunk)
        if len(group) == TOGETHER or sum(c.rows for c in group) >= ENOUGH:
            yield group
            group = []


def merged(stream: Records, pane: int, batches: Sequence[pa.RecordBatch]) -> Merged:
    """Merge the rows of several chunks of one partition.

    Args:
        stream: The definition of the rows.
        pane: Size of a pane, ms.
        batches: Decoded chunks, in order.
    """
    table = pa.Table.from_batches(batches, schema=layout(stream))
    panes = table[stream.time].to_numpy() // pane * pane
    order = np.lexsort((table[OFFSET].to_numpy(), panes))
    starts, firsts, counts = np.unique(panes[order], return_index=True, return_counts=True)
    batch = table.take(pa.array(order)).combine_chunks().to_batches()[0]
    return Merged(batch, starts.tolist(), firsts.tolist(), counts.tolist())
