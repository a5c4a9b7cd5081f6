"""A chunk: the rows of one flush as one Arrow batch, which the consumer writes and the monitor reads."""

from __future__ import annotations

import pyarrow as pa

from schemas.definition import Field, Records

OFFSET = "offset"
PREDICTION = "prediction"

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="zstd")
_PLAIN = pa.ipc.IpcWriteOptions()
_FEW = 10
"""Rows up to which compression makes a chunk larger, and takes fifteen times as long."""
_TYPES = {"int": pa.int32(), "float": pa.float64(), "str": pa.string()}


def _field(field: Field) -> pa.Field:
    return pa.field(field.name, _TYPES[field.type], nullable=not field.required)


def layout(stream: Records) -> pa.Schema:
    """Columns of a chunk: offset, id, event time (int64, ms), the kept fields, and the prediction (float64).

    Outcomes carry no prediction: theirs is the trip's. A missing value is null, never NaN.
    """
    columns = [
        pa.field(OFFSET, pa.int64(), nullable=False),
        pa.field(stream.id, pa.string(), nullable=False),
        pa.field(stream.time, pa.int64(), nullable=False),
        *(_field(f) for f in stream.kept),
    ]
    if stream.label is None and all(f.name != PREDICTION for f in stream.kept):
        columns.append(pa.field(PREDICTION, pa.float64(), nullable=False))
    return pa.schema(columns)


def encode(batch: pa.RecordBatch) -> bytes:
    """One record batch as an Arrow IPC stream, with zstd where that makes it smaller."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_COMPRESSED if batch.num_rows > _FEW else _PLAIN) as writer:
        writer.write_batch(batch)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def decode(payload: bytes) -> pa.RecordBatch:
    """The batch that `encode` was given. Raises pa.ArrowInvalid for anything else."""
    return pa.ipc.open_stream(payload).read_next_batch()
