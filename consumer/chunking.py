"""Rows → one chunk: sorted by (pane, offset), scored, encoded, with an index of its panes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas import chunk
from schemas.definition import Stream
from schemas.errors import ModelUnusable

Ints = npt.NDArray[np.int64]
Score = Callable[[Mapping[str, npt.NDArray[Any]]], npt.NDArray[np.float64]]
"""A model's `predict`: columns of rows → one finite prediction each."""


@dataclass(frozen=True)
class Chunk:
    """The accepted rows of one run in one flush of a partition.

    payload: `schemas.chunk`. pane_starts: ms, ascending; pane i begins at row first_rows[i] and has counts[i].
    """

    run_id: str
    first_offset: int
    last_offset: int
    rows: int
    payload: bytes
    pane_starts: Sequence[int]
    first_rows: Sequence[int]
    counts: Sequence[int]


class Columns(Mapping[str, npt.NDArray[Any]]):
    """A batch as a model takes it, each column converted when it is asked for.

    Required integers are int64, numbers that may be missing float64 with NaN, strings objects with None.
    """

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        index = self._batch.schema.get_field_index(name)
        if index < 0:
            raise KeyError(name)
        field, column = self._batch.schema.field(index), self._batch.column(index)
        if pa.types.is_integer(field.type):
            column = column.cast(pa.float64() if field.nullable else pa.int64())
        values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch.schema.names)

    def __len__(self) -> int:
        return int(self._batch.num_columns)


def table(stream: Stream, columns: Mapping[str, Sequence[Any]], offsets: Ints) -> pa.RecordBatch:
    """Decoded columns in the layout of a chunk, in offset order, not yet scored."""
    fields = [f for f in chunk.layout(stream) if f.name == chunk.OFFSET or f.name in columns]
    arrays = [pa.array(offsets if f.name == chunk.OFFSET else columns[f.name], f.type) for f in fields]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def pack(
    stream: Stream, rows: pa.RecordBatch, chosen: Ints, *, run_id: str, panes: Ints, score: Score | None
) -> Chunk | None:
    """A chunk of the chosen rows of a run; None without any.

    chosen: ascending indices into `rows` and `panes`. panes: the start of each row's pane, ms.
    score: None where the stream brings its own prediction, or has a label instead.
    """
    if not len(chosen):
        return None
    order = chosen[np.argsort(panes[chosen], kind="stable")]
    sorted_panes = panes[order]
    in_order = len(order) == rows.num_rows and bool((np.diff(order) > 0).all())
    batch = _scored(stream, rows if in_order else rows.take(pa.array(order)), score)
    first_rows = np.flatnonzero(np.diff(sorted_panes, prepend=sorted_panes[0] - 1))
    offsets = rows.column(0).to_numpy()
    return Chunk(
        run_id=run_id,
        first_offset=int(offsets[chosen[0]]),
        last_offset=int(offsets[chosen[-1]]),
        rows=len(order),
        payload=chunk.encode(batch),
        pane_starts=sorted_panes[first_rows].tolist(),
        first_rows=first_rows.tolist(),
        counts=np.diff(first_rows, append=len(order)).tolist(),
    )


def _scored(stream: Stream, batch: pa.RecordBatch, score: Score | None) -> pa.RecordBatch:
    """The batch with its prediction: the model's, or the one it came with. Raises ModelUnusable."""
    layout = chunk.layout(stream)
    if chunk.PREDICTION not in layout.names or chunk.PREDICTION in batch.schema.names:
        return batch
    if stream.prediction is not None:
        predictions = batch.column(stream.prediction).cast(pa.float64())
    elif score is not None:
        predictions = pa.array(_checked(score(Columns(batch)), batch.num_rows))
    else:
        raise ModelUnusable(f"{stream.topic} has neither a prediction nor a model", "name one with --model")
    return pa.RecordBatch.from_arrays([*batch.columns, predictions], schema=layout)


def _checked(predictions: npt.NDArray[np.float64], rows: int) -> npt.NDArray[np.float64]:
    if predictions.shape != (rows,) or not np.isfinite(predictions).all():
        what = f"the model made {predictions.shape} predictions of {rows} rows, or some are not finite"
        raise ModelUnusable(what, "train it anew with `driftline train`")
    return predictions
