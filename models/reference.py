"""The reference: every trip of the training period that could have come through the stream, with its prediction.

Not only the trips that were learnt from: a live stream cannot be filtered by a duration that is not known yet,
so neither may be what it is compared with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.taxi.features import Columns, Floats
from schemas.definition import Field, Records
from schemas.records import MAX_TIME
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage.chunk import OFFSET, PREDICTION, layout

LABEL = OUTCOMES.label or ""
DROPOFF = "dropoff_at"

LAYOUT = layout(TRIPS).remove(layout(TRIPS).get_field_index(OFFSET)).append(pa.field(LABEL, pa.float64()))
"""A chunk of trips without offsets, and the label: minutes, null where a trip's end is not known."""


def valid(trips: pa.Table, stream: Records = TRIPS) -> pa.Table:
    """The rows of a canonical table that the consumer would accept, by event time, then id; what is not finite is
    null. One order, whatever the table's was, since training is repeatable only in the same order.

    Raises KeyError for a missing column, pa.ArrowInvalid for one of the wrong type.
    """
    bounded = (
        Field(name=stream.id, type="str", role="carried", low=1, high=128),
        Field(name=stream.time, type="int", role="carried", low=0, high=MAX_TIME),
        *stream.kept,
    )
    for field in bounded:
        trips = trips.set_column(trips.schema.get_field_index(field.name), field.name, _finite(trips[field.name]))
    keep = np.ones(trips.num_rows, dtype=bool)
    for field in bounded:
        keep &= _possible(trips[field.name], field)
    kept = trips.filter(pa.array(keep))
    return kept.sort_by([(stream.time, "ascending"), (stream.id, "ascending")])


def columns(trips: pa.Table, stream: Records = TRIPS) -> Columns:
    """Event time and kept fields as the model takes them: int64 where a whole number is never missing, else
    float64 with NaN; text as objects with None."""
    required = {field.name for field in stream.kept if field.required and field.type == "int"} | {stream.time}
    texts = {field.name for field in stream.kept if field.type == "str"}
    return {
        name: _column(trips[name], None if name in texts else np.int64 if name in required else np.float64)
        for name in (stream.time, *(field.name for field in stream.kept))
    }


def minutes(trips: pa.Table) -> Floats:
    """How long each trip took, NaN where that is not known, shape (rows,)."""
    took = pc.subtract(trips[DROPOFF], trips[TRIPS.time]).cast(pa.float64())
    return np.asarray(_column(took, np.float64) / 60_000.0)


def reference(trips: pa.Table, prediction: Floats) -> pa.Table:
    """The table of LAYOUT, of what `valid` gave."""
    added = {PREDICTION: pa.array(prediction), LABEL: pa.array(minutes(trips), from_pandas=True)}
    parts = [added[name] if name in added else trips[name] for name in LAYOUT.names]
    return pa.table(parts, names=LAYOUT.names).cast(LAYOUT)


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


def _column(column: pa.ChunkedArray, dtype: Any) -> NDArray[Any]:
    if dtype is None:
        return np.asarray(column.to_numpy(), dtype=object)
    if dtype is np.int64:
        return np.asarray(column.cast(pa.int64()).to_numpy())
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
