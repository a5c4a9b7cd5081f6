"""NYC taxi trips as a stream: the only file but `models/` and the producer's sources that knows their columns.

Names are TLC's own (data dictionary of the green and yellow trip records), but for `trip_id`, `pickup_at` and
`dropoff_at`, so that green (`lpep_*`) and yellow (`tpep_*`) files become one shape. Bounds are what is
possible, not what is usual: refunds are negative, and one odometer in a thousand claims 90,000 miles.
"""

from __future__ import annotations

from schemas.definition import Field, Stream

_MONEY = {"type": "float", "low": -100_000.0, "high": 100_000.0}
_CODE = {"type": "int", "role": "category", "required": False, "low": 0, "high": 255}
_ZONE = {"type": "int", "role": "category", "low": 1, "high": 265}

TRIPS = Stream(
    topic="trips",
    kind="trip",
    id="trip_id",
    time="pickup_at",
    fields=(
        Field(name="VendorID", **_CODE),  # type: ignore[arg-type]
        Field(name="store_and_fwd_flag", type="str", role="category", required=False, low=1, high=8),
        Field(name="RatecodeID", **_CODE),  # type: ignore[arg-type]
        Field(name="PULocationID", **_ZONE),  # type: ignore[arg-type]
        Field(name="DOLocationID", **_ZONE),  # type: ignore[arg-type]
        Field(name="passenger_count", type="int", role="number", required=False, low=0, high=255),
        Field(name="trip_distance", type="float", role="number", low=0.0, high=10_000_000.0),
        Field(name="fare_amount", role="number", **_MONEY),  # type: ignore[arg-type]
        Field(name="extra", role="carried", **_MONEY),  # type: ignore[arg-type]
        Field(name="mta_tax", role="carried", **_MONEY),  # type: ignore[arg-type]
        Field(name="tip_amount", role="number", **_MONEY),  # type: ignore[arg-type]
        Field(name="tolls_amount", role="number", **_MONEY),  # type: ignore[arg-type]
        Field(name="improvement_surcharge", role="carried", **_MONEY),  # type: ignore[arg-type]
        Field(name="total_amount", role="number", **_MONEY),  # type: ignore[arg-type]
        Field(name="payment_type", **_CODE),  # type: ignore[arg-type]
        Field(name="trip_type", **_CODE),  # type: ignore[arg-type]
        Field(
            name="congestion_surcharge", type="float", role="category", required=False, low=-1_000.0, high=1_000.0
        ),
    ),
)

OUTCOMES = Stream(
    topic="outcomes",
    kind="outcome",
    id="trip_id",
    time="pickup_at",
    fields=(
        Field(name="dropoff_at", type="int", role="carried", low=0, high=4_102_444_800_000),
        Field(name="duration_min", type="float", role="number", low=-1_000_000.0, high=1_000_000.0),
    ),
    label="duration_min",
    label_range=(1.0, 60.0),
)

STREAMS = (TRIPS, OUTCOMES)
