"""Rows → one chunk: sorted by (pane, offset), scored, encoded, with an index of its panes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from storage.chunk import EncodedChunk

Ints = npt.NDArray[np.int64]


def table(records: Records, columns: Mapping[str, Sequence[Any]], offsets: Ints) -> pa.RecordBatch:
    """Bring decoded columns into the layout of a chunk, without a prediction that is still to be made.

    Args:
        records: What records they are.
        columns: By name, in offset order.
        offsets: Of each record, shape (records,).
    """
    schema = _unscored(records)
    arrays = [pa.array(offsets if f.name == chunk.OFFSET else columns[f.name], f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@cache
def _unscored(records: Records) -> pa.Schema:
    return chunk.unscored(records)


class Rows(NamedTuple):
    """Rows in offset order, in the layout of a chunk but for the prediction. panes: the start of each one's, ms."""

    batch: pa.RecordBatch
    panes: Ints


def choose(table: pa.RecordBatch, chosen: Ints, panes: Ints) -> Rows | None:
    """Take rows of a table.

    Args:
        table: As `table` makes it.
        chosen: Indices of the rows, ascending.
        panes: Start of the pane of each of them, ms.

    Returns:
        None where no row is chosen.
    """
    if not len(chosen):
        return None
    return Rows(table if len(chosen) == table.num_rows else table.take(pa.array(chosen)), panes)


def pack(records: Records, run_id: str, parts: Sequence[Rows], score: Score | None) -> EncodedChunk:
    """Make the chunk of all rows of a run.

    Args:
        records: What records they are.
        run_id: The run.
        parts: In offset order; one row or more in all.
        score: Makes the predictions; None where the records bring them, or hold labels.

    Raises:
        Unscorable: Some rows have no prediction.
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
        payload=chunk.encode(_scored(records, batch, score)),
        pane_starts=panes[first_rows].tolist(),
        first_rows=first_rows.tolist(),
        counts=np.diff(first_rows, append=len(panes)).tolist(),
    )


def _scored(records: Records, batch: pa.RecordBatch, score: Score | None) -> pa.RecordBatch:
    """Add predictions to a batch that has none yet. Raises Unscorable, ModelUnusable."""
    if batch.schema == chunk.layout(records):
        return batch
    return with_predictions(records, batch, scoring.predict(records, batch, score))


def with_predictions(records: Records, batch: pa.RecordBatch, values: Floats) -> pa.RecordBatch:
    """Add predictions to rows, unless they have some. values: predictions, shape (rows,)."""
    layout = chunk.layout(records)
    if batch.schema == layout:
        return batch
    return pa.RecordBatch.from_arrays([*batch.columns[: len(layout) - 1], pa.array(values)], schema=layout)
