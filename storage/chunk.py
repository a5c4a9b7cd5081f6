"""A chunk: the rows of one flush as one Arrow batch, which the consumer writes and the monitor reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from schemas.definition import Field, Records

OFFSET = "offset"
PREDICTION = "prediction"

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="zstd")
_PLAIN = pa.ipc.IpcWriteOptions()
_FEW = 10
"""Rows up to which compression makes a chunk larger, and takes fifteen times as long."""
_TYPES = {"int": pa.int32(), "float": pa.float64(), "str": pa.string()}


@dataclass(frozen=True)
class EncodedChunk:
    """The accepted rows of one run in one flush of a partition.

    payload: as `encode` makes it. pane_starts: ms, ascending; pane i begins at row first_rows[i] and has counts[i].
    """

    run_id: str
    first_offset: int
    last_offset: int
    rows: int
    payload: bytes
    pane_starts: Sequence[int]
    first_rows: Sequence[int]
    counts: Sequence[int]


def _field(field: Field) -> pa.Field:
    return pa.field(field.name, _TYPES[field.type], nullable=not field.required)


def layout(stream: Records) -> pa.Schema:
    """Give the columns of a chunk: offset, id, event time (int64, ms), the kept fields, the prediction (float64).

    A prediction made upstream is there once, as the prediction, whatever its field is called. Labels carry none:
    theirs is that of the event. A missing value is null, never NaN.
    """
    columns = [*_unscored(stream)]
    if stream.label is None:
        columns.append(pa.field(PREDICTION, pa.float64(), nullable=False))
    return pa.schema(columns)


def unscored(stream: Records) -> pa.Schema:
    """The layout of rows without a prediction; one made upstream comes last, in a column called as its field is."""
    upstream = stream.field(stream.prediction) if stream.prediction is not None else None
    return pa.schema([*_unscored(stream), *([] if upstream is None else [_field(upstream).with_nullable(True)])])


def _unscored(stream: Records) -> Iterator[pa.Field]:
    yield pa.field(OFFSET, pa.int64(), nullable=False)
    yield pa.field(stream.id, pa.string(), nullable=False)
    yield pa.field(stream.time, pa.int64(), nullable=False)
    yield from (_field(f) for f in stream.kept if f.name != stream.prediction)


def encode(batch: pa.RecordBatch) -> bytes:
    """Write one record batch as an Arrow IPC stream, with zstd where that makes it smaller."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_COMPRESSED if batch.num_rows > _FEW else _PLAIN) as writer:
        writer.write_batch(batch)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def decode(payload: bytes) -> pa.RecordBatch:
    """Read the batch that `encode` was given.

    Raises:
        pa.ArrowInvalid: The payload is something else.
    """
    return pa.ipc.open_stream(payload).read_next_batch()
