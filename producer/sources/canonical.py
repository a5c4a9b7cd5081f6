"""The canonical schema of trips: every source is converted to it first."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from schemas.definition import Field
from schemas.streams.taxi import OUTCOMES, TRIPS

DROPOFF = "dropoff_at"

_TYPES = {"int": pa.int64(), "float": pa.float64(), "str": pa.string()}


def _column(field: Field) -> pa.Field:
    return pa.field(field.name, _TYPES[field.type])


SCHEMA = pa.schema(
    [
        pa.field(TRIPS.id, pa.string()),
        pa.field(TRIPS.time, pa.int64()),
        pa.field(DROPOFF, pa.int64()),
        *(_column(field) for field in TRIPS.fields),
    ]
)
"""trip_id, pickup_at, dropoff_at (ms since the epoch) and every field of a trip. Id and pickup are never null."""

REQUIRED = tuple(field.name for field in TRIPS.fields if field.required)


def conform(table: pa.Table) -> pa.Table:
    """The table with exactly these columns, types and order. Raises pa.ArrowInvalid or KeyError where it cannot."""
    return table.select(SCHEMA.names).cast(SCHEMA)


def with_durations(trips: pa.Table) -> pa.Table:
    """Canonical trips with the fields of their outcomes; null where the end of a trip is not known."""
    took = pc.subtract(trips[DROPOFF], trips[TRIPS.time]).cast(pa.float64())
    return trips.append_column(OUTCOMES.label, pc.divide(took, 60_000.0))
