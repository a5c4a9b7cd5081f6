"""The reference set: every record of the training period that the consumer would accept, with its prediction.

It includes records that the model was not trained on: a live stream cannot be filtered by a label that is not known
yet, so what it is compared with must not be filtered by it either. For the same reason a prediction is made by a
model that has not learnt from the record (`models.taxi.train.unseen_predictions`), as on the stream.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.columns import ArrowColumns, Columns, Floats
from schemas.definition import Field, Records, Stream
from schemas.records import bounded_fields
from storage import chunk
from storage.chunk import OFFSET, PREDICTION


def layout(stream: Stream) -> pa.Schema:
    """Return the schema of a reference set: a chunk of events without offsets, and the label if the stream has one.

    The label is a float64, null if unknown.
    """
    of_events = chunk.layout(stream.events)
    kept = of_events.remove(of_events.get_field_index(OFFSET))
    return kept if stream.label is None else kept.append(pa.field(stream.label, pa.float64()))


def valid(rows: pa.Table, records: Records) -> pa.Table:
    """Keep the rows that the consumer would accept, sorted by event time, then id.

    Values that are not finite become null. The order does not depend on that of the table, since training is
    repeatable only in the same order.

    Args:
        rows: A table with the id, the time and the kept fields of the records as columns; others stay.
        records: The definition of the records.

    Raises:
        KeyError: A column is missing.
        pa.ArrowInvalid: A column is of the wrong type.
    """
    fields = bounded_fields(records)
    for field in fields:
        rows = rows.set_column(rows.schema.get_field_index(field.name), field.name, _finite(rows[field.name]))
    keep = np.ones(rows.num_rows, dtype=bool)
    for field in fields:
        keep &= _possible(rows[field.name], field)
    kept = rows.filter(pa.array(keep))
    return kept.sort_by([(records.time, "ascending"), (records.id, "ascending")])


def columns(rows: pa.Table, records: Records) -> Columns:
    """Return event time and kept fields of a table of records, as a model takes them."""
    arrays = ArrowColumns(rows, chunk.layout(records))
    return {name: arrays[name] for name in (records.time, *(f.name for f in records.kept if f.name in arrays))}


def reference(rows: pa.Table, stream: Stream, prediction: Floats, label: Floats | None = None) -> pa.Table:
    """Make the table of `layout`.

    Args:
        rows: What `valid` gave of the events.
        stream: The stream.
        prediction: Shape (rows,).
        label: Shape (rows,), NaN where it is not known; None for a stream without labels.
    """
    wanted = layout(stream)
    added = {PREDICTION: pa.array(prediction)}
    if label is not None and stream.label is not None:
        added[stream.label] = pa.array(label, from_pandas=True)
    parts = [added[name] if name in added else rows[name] for name in wanted.names]
    return pa.table(parts, names=wanted.names).cast(wanted)


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, None)


def _possible(column: pa.ChunkedArray, field: Field) -> NDArray[np.bool_]:
    """Whether each value is inside its field's bounds; a missing one where it may be missing."""
    size = pc.utf8_length(column) if field.type == "str" else column
    low = pc.greater_equal(size, -np.inf if field.low is None else field.low)
    high = pc.less_equal(size, np.inf if field.high is None else field.high)
    inside = pc.fill_null(pc.and_(low, high), not field.required)
    return np.asarray(inside.to_numpy(), dtype=bool)
