"""NYC taxi trips as a stream: the only file but `models/` and the producer's sources that knows their columns.

Names are TLC's own (data dictionary of the green and yellow trip records), but for `trip_id`, `pickup_at` and
`dropoff_at`, so that green (`lpep_*`) and yellow (`tpep_*`) files become one shape. Bounds are what is
possible, not what is usual: refunds are negative, and one odometer in a thousand claims 90,000 miles.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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

# For display alone, and so apart from the definition: a model is bound to that.
_MONEY_FIELDS = ("fare_amount", "tip_amount", "tolls_amount", "total_amount")
_UNITS = {"trip_distance": "mi", "duration_min": "min", **dict.fromkeys(_MONEY_FIELDS, "$")}
_ZONES = Path(__file__).with_name("taxi_zones.txt").read_text(encoding="utf-8").splitlines()
"""TLC's names of the taxi zones, by number from 1 on."""
_ZONE_NAMES = {str(number): name for number, name in enumerate(_ZONES, 1)}
_VALUE_NAMES: Mapping[str, Mapping[str, str]] = {
    "VendorID": {"1": "Creative Mobile", "2": "Curb", "6": "Myle", "7": "Helix"},
    "RatecodeID": {
        "1": "standard", "2": "JFK", "3": "Newark", "4": "Nassau or Westchester", "5": "negotiated",
        "6": "group ride", "99": "unknown",
    },
    "PULocationID": _ZONE_NAMES,
    "DOLocationID": _ZONE_NAMES,
    "payment_type": {
        "0": "flex fare", "1": "credit card", "2": "cash", "3": "no charge", "4": "dispute", "5": "unknown",
        "6": "voided",
    },
    "trip_type": {"1": "street hail", "2": "dispatch"},
}  # fmt: skip


def unit_of(column: str) -> str | None:
    """The unit of a column of either stream, where it has one."""
    return _UNITS.get(column)


def value_names(column: str) -> Mapping[str, str]:
    """What people call the values of a column, by the value as text; most have no such names."""
    return _VALUE_NAMES.get(column, {})
