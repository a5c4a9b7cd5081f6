"""The model's features: four small integers per trip, known at pickup. Shared by training and scoring.

Whatever comes in (a zone that does not exist, NaN, None, a distance of 90,000 miles, a year of 2098), each
number stays in its range: they are indices into tables, and a prediction must never fail.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns, Floats

Indices = NDArray[np.int64]

INPUTS = ("pickup_at", "PULocationID", "DOLocationID", "trip_distance", "passenger_count", "VendorID")
"""Nothing else is read. Fares, tips and totals are known when the trip is over: they would be a leak."""

SLOT_MS = 1_800_000
SLOTS = 336
"""Half hours of a week, from Monday 00:00."""

ZONES = 267
"""TLC's zones are 1 to 265; whatever is below or above falls to 0 or 266, where the tables know nothing."""

PAIRS = ZONES * ZONES

MAX_MILES = 60.0
HUNDREDTHS = 6_001
"""Distances in hundredths of a mile, as taximeters give them, cut at 60 miles. 0 also stands for unknown."""

METERS = 4
"""Two times (passengers not entered: a dispatched trip, without a meter's record) + (vendor 1)."""

_THURSDAY = 3 * 48
"""The epoch began on one; slots count from Monday."""


class Features(NamedTuple):
    """Rows of one batch, each array int64 of shape (rows,).

    slot: in [0, SLOTS). pair: pickup zone · ZONES + drop-off zone, in [0, PAIRS).
    distance: in [0, HUNDREDTHS). meter: in [0, METERS).
    """

    slot: Indices
    pair: Indices
    distance: Indices
    meter: Indices


def features(columns: Columns) -> Features:
    """Compute the features of each row.

    Raises:
        KeyError: A column is missing.
        ValueError: A column of numbers contains text.
    """
    return Features(
        slot=_slot(_whole(columns["pickup_at"])),
        pair=_zone(columns["PULocationID"]) * ZONES + _zone(columns["DOLocationID"]),
        distance=_hundredths(_number(columns["trip_distance"])),
        meter=np.isnan(_number(columns["passenger_count"])) * 2 + (_number(columns["VendorID"]) == 1),
    )


def _slot(pickup_at: Indices) -> Indices:
    half_hours = pickup_at // SLOT_MS + _THURSDAY
    # Not %: NumPy divides by a constant ten times faster than it takes a remainder.
    slot: Indices = half_hours - half_hours // SLOTS * SLOTS
    return slot


def _zone(column: NDArray[Any]) -> Indices:
    zone: Indices = np.minimum(np.maximum(_whole(column), 0), ZONES - 1)
    return zone


def _hundredths(miles: Floats) -> Indices:
    # fmax and not maximum: of NaN and 0 it takes 0.
    inside = np.minimum(np.fmax(miles, 0.0), MAX_MILES)
    return (inside * 100.0 + 0.5).astype(np.int64)


def _number(column: NDArray[Any]) -> Floats:
    return np.asarray(column, dtype=np.float64)


def _whole(column: NDArray[Any]) -> Indices:
    if column.dtype == np.int64:
        return column
    if column.dtype.kind in "iu":
        return column.astype(np.int64)
    return np.nan_to_num(np.clip(_number(column), -1, 2**53), nan=-1).astype(np.int64)
