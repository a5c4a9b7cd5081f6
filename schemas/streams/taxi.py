"""NYC taxi trips as a stream: the only file but `models/taxi/` and the producer's sources that knows their columns.

Names are TLC's own (data dictionary of the green and yellow trip records), but for `trip_id`, `pickup_at` and
`dropoff_at`, so that green (`lpep_*`) and yellow (`tpep_*`) files become one shape. Bounds are what is
possible, not what is usual: refunds are negative, and one odometer in a thousand claims 90,000 miles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.definition import Field, Records, Segment, Stream

_ZONES = Path(__file__).with_name("taxi_zones.txt").read_text(encoding="utf-8").splitlines()
"""TLC's names of the taxi zones, by number from 1 on."""

_BOROUGHS = Path(__file__).with_name("taxi_boroughs.txt").read_text(encoding="utf-8").splitlines()
"""Their boroughs, likewise."""

_MONEY: dict[str, Any] = {"type": "float", "low": -100_000.0, "high": 100_000.0, "unit": "$"}
_CODE: dict[str, Any] = {"type": "int", "role": "category", "required": False, "low": 0, "high": 255}
_ZONE: dict[str, Any] = {
    "type": "int",
    "role": "category",
    "low": 1,
    "high": 265,
    "value_names": tuple((str(number), name) for number, name in enumerate(_ZONES, 1)),
}
_VENDORS = (("1", "Creative Mobile"), ("2", "Curb"), ("6", "Myle"), ("7", "Helix"))
_RATES = (
    ("1", "standard"),
    ("2", "JFK"),
    ("3", "Newark"),
    ("4", "Nassau or Westchester"),
    ("5", "negotiated"),
    ("6", "group ride"),
    ("99", "unknown"),
)
_PAYMENTS = (
    ("0", "flex fare"),
    ("1", "credit card"),
    ("2", "cash"),
    ("3", "no charge"),
    ("4", "dispute"),
    ("5", "unknown"),
    ("6", "voided"),
)

TRIPS = Records(
    topic="trips",
    kind="trip",
    id="trip_id",
    time="pickup_at",
    fields=(
        Field(name="VendorID", description="vendor", value_names=_VENDORS, **_CODE),
        Field(
            name="store_and_fwd_flag",
            description="sent later",
            type="str",
            role="category",
            required=False,
            low=1,
            high=8,
        ),
        Field(name="RatecodeID", description="rate code", value_names=_RATES, **_CODE),
        Field(name="PULocationID", description="pickup zone", **_ZONE),
        Field(name="DOLocationID", description="drop-off zone", **_ZONE),
        Field(
            name="passenger_count",
            description="passengers",
            type="int",
            role="number",
            required=False,
            low=0,
            high=255,
        ),
        Field(
            name="trip_distance",
            description="trip distance",
            type="float",
            role="number",
            low=0.0,
            high=10_000_000.0,
            unit="mi",
        ),
        Field(name="fare_amount", description="fare", role="number", **_MONEY),
        Field(name="extra", role="carried", **_MONEY),
        Field(name="mta_tax", role="carried", **_MONEY),
        Field(name="tip_amount", description="tip", role="number", **_MONEY),
        Field(name="tolls_amount", description="tolls", role="number", **_MONEY),
        Field(name="improvement_surcharge", role="carried", **_MONEY),
        Field(name="total_amount", description="total", role="number", **_MONEY),
        Field(name="payment_type", description="payment type", value_names=_PAYMENTS, **_CODE),
        Field(
            name="trip_type",
            description="trip type",
            value_names=(("1", "street hail"), ("2", "dispatch")),
            **_CODE,
        ),
        Field(
            name="congestion_surcharge",
            description="congestion surcharge",
            type="float",
            role="category",
            required=False,
            low=-1_000.0,
            high=1_000.0,
        ),
    ),
)

OUTCOMES = Records(
    topic="outcomes",
    kind="outcome",
    id="trip_id",
    time="pickup_at",
    fields=(
        Field(name="dropoff_at", type="int", role="carried", low=0, high=4_102_444_800_000),
        Field(
            name="duration_min",
            description="duration",
            type="float",
            role="number",
            low=-1_000_000.0,
            high=1_000_000.0,
        ),
    ),
    label="duration_min",
    known_at="dropoff_at",
    label_range=(1.0, 60.0),
)

_SEGMENTS = (
    Segment(column="payment_type", name="service", present="metered", missing="dispatched"),
    Segment(
        column="PULocationID",
        name="borough",
        groups=tuple((str(number), name) for number, name in enumerate(_BOROUGHS, 1)),
    ),
    Segment(column="VendorID"),
)
"""Trips without a payment type were dispatched by an app: other fares, whole minutes. Two services in one file."""

TAXI = Stream(name="taxi", events=TRIPS, labels=OUTCOMES, unit="min", season_ms=604_800_000, segments=_SEGMENTS)
"""Trips, and a while later how long each of them took."""

STREAMS = TAXI.topics
