"""Rows → one chunk: sorted by (pane, offset), scored, encoded, with an index of its panes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consumer import scoring
from consumer.scoring import Score
from models.columns import Floats
from schemas.definition import Records
from storage import chunk

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EncodedChunk:
    """The accepted rows of one run in one flush of a partition.

    payload: `storage.chunk`. pane_starts: ms, ascending; pane i begins at row first_rows[i] and has counts[i].
    """

    run_id: str
    first_offset: int
    last_offset: int
    rows: int
    payload: bytes
    pane_starts: Sequence[int]
    first_rows: Sequence[int]
    counts: Sequence[int]


def table(stream: Records, columns: Mapping[str, Sequence[Any]], offsets: Ints) -> pa.RecordBatch:
    """Decoded columns in the layout of a chunk, in offset order, not yet scored."""
    schema = _unscored(stream)
    arrays = [pa.array(offsets if f.name == chunk.OFFSET else columns[f.name], f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@cache
def _unscored(stream: Records) -> pa.Schema:
    return chunk.unscored(stream)


class Rows(NamedTuple):
    """Rows in offset order, in the layout of a chunk but for the prediction. panes: the start of each one's, ms."""

    batch: pa.RecordBatch
    panes: Ints


def choose(table: pa.RecordBatch, chosen: Ints, panes: Ints) -> Rows | None:
    """The chosen rows of a table; None without any. chosen: their indices, ascending; panes: of each of them."""
    if not len(chosen):
        return None
    return Rows(table if len(chosen) == table.num_rows else table.take(pa.array(chosen)), panes)


def pack(stream: Records, run_id: str, parts: Sequence[Rows], score: Score | None) -> EncodedChunk:
    """A chunk of all rows of a run, one or more. parts: in offset order.

    score: None where the stream brings its own prediction, or has a label instead. Raises Unscorable.
    """
    batch = pa.concat_batches([part.batch for part in parts])
    panes = np.concatenate([part.panes for part in parts])
    offsets = batch.column(0).to_numpy()
    first_offset, last_offset = int(offsets[0]), int(offsets[-1])
    if (panes[1:] < panes[:-1]).any():
        order = np.argsort(panes, kind="stable")
        batch, panes = batch.take(pa.array(order)), panes[order]
    first_rows = np.flatnonzero(np.diff(panes, prepend=panes[0] - 1))
    return EncodedChunk(
        run_id=run_id,
        first_offset=first_offset,
        last_offset=last_offset,
        rows=len(panes),
        payload=chunk.encode(_scored(stream, batch, score)),
        pane_starts=panes[first_rows].tolist(),
        first_rows=first_rows.tolist(),
        counts=np.diff(first_rows, append=len(panes)).tolist(),
    )


def _scored(stream: Records, batch: pa.RecordBatch, score: Score | None) -> pa.RecordBatch:
    """The batch with its prediction, where it has none yet. Raises Unscorable, ModelUnusable."""
    if batch.schema == chunk.layout(stream):
        return batch
    return with_predictions(stream, batch, scoring.predict(stream, batch, score))


def with_predictions(stream: Records, batch: pa.RecordBatch, values: Floats) -> pa.RecordBatch:
    """Rows that are not scored yet in the layout of a chunk. values: shape (rows,)."""
    layout = chunk.layout(stream)
    if batch.schema == layout:
        return batch
    return pa.RecordBatch.from_arrays([*batch.columns[: len(layout) - 1], pa.array(values)], schema=layout)
