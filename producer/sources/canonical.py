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
    """Convert a table to SCHEMA: its columns, types and order.

    Raises:
        KeyError: A column is missing.
        pa.ArrowInvalid: A column cannot be converted.
    """
    return table.select(SCHEMA.names).cast(SCHEMA)


def with_durations(trips: pa.Table) -> pa.Table:
    """Add the fields of their outcomes to canonical trips; null if the end of a trip is not known."""
    took = pc.subtract(trips[DROPOFF], trips[TRIPS.time]).cast(pa.float64())
    return trips.append_column(OUTCOMES.label, pc.divide(took, 60_000.0))
