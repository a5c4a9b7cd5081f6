from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.artifact import Model
from models.columns import Columns
from models.reference import columns, valid
from models.taxi.features import HUNDREDTHS, INPUTS, METERS, PAIRS, SLOT_MS, SLOTS, ZONES, features
from schemas.streams.taxi import TRIPS

WHOLE = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.floats(allow_nan=True, allow_infinity=True)
HOSTILE = st.lists(st.tuples(WHOLE, WHOLE, WHOLE, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER), min_size=1, max_size=20)
NAMES = (
    "pickup_at", "PULocationID", "DOLocationID", "trip_distance", "passenger_count", "VendorID", "fare_amount",
    "total_amount",
)  # fmt: skip

AFTER_THE_TRIP = {
    "dropoff_at", "duration_min", "fare_amount", "tip_amount", "tolls_amount", "total_amount", "payment_type",
}  # fmt: skip

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def batch(rows: list[tuple[Any, ...]]) -> Columns:
    types = [np.int64] * 3 + [np.float64] * 5
    return {name: np.array([row[i] for row in rows], types[i]) for i, name in enumerate(NAMES)}


def part(trips: Columns, rows: slice) -> Columns:
    return {name: column[rows] for name, column in trips.items()}


class Watched(dict[str, NDArray[Any]]):
    """Columns that remember which of them were asked for."""

    def __init__(self, trips: Columns) -> None:
        super().__init__(trips)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> NDArray[Any]:
        self.asked.add(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a model names the columns that it reads")


@shared
@given(rows=HOSTILE)
@example(rows=[(0, 999, -5, float("nan"), float("nan"), float("nan"), float("inf"), float("-inf"))])
def test_whatever_comes_in_a_prediction_is_finite(any_model: Model, rows: list[tuple[Any, ...]]) -> None:
    predicted = any_model.predict(batch(rows))
    assert predicted.dtype == np.float64
    assert predicted.shape == (len(rows),)
    assert np.isfinite(predicted).all()


@shared
@given(rows=HOSTILE)
def test_whatever_comes_in_features_stay_in_their_tables(rows: list[tuple[Any, ...]]) -> None:
    for feature, size in zip(features(batch(rows)), (SLOTS, PAIRS, HUNDREDTHS, METERS), strict=True):
        assert feature.dtype == np.int64
        assert feature.min() >= 0
        assert feature.max() < size


@shared
@given(cuts=st.lists(st.integers(0, 4_000), max_size=12))
@example(cuts=list(range(1, 100)))
def test_a_prediction_does_not_depend_on_how_rows_are_batched(
    any_model: Model, trips: pa.Table, cuts: list[int]
) -> None:
    whole = columns(valid(trips, TRIPS), TRIPS)
    edges = [0, *sorted(cuts), len(whole["pickup_at"])]
    parts = [any_model.predict(part(whole, slice(*pair))) for pair in pairwise(edges)]
    assert np.concatenate(parts).tobytes() == any_model.predict(whole).tobytes()


def test_the_default_model_reads_nothing_that_is_known_after_the_trip_only(model: Model, trips: pa.Table) -> None:
    watched = Watched(columns(valid(trips, TRIPS), TRIPS))
    model.predict(watched)
    assert watched.asked == set(INPUTS) == set(model.inputs) == set(model.card.inputs)
    assert not watched.asked & AFTER_THE_TRIP


def test_the_tutorials_model_says_that_it_leaks(tutorial: Model) -> None:
    assert "fare_amount" in tutorial.inputs
    assert "LEAK" in tutorial.card.about


def test_missing_values_may_be_none_or_nan(any_model: Model) -> None:
    whole = batch([(0, 10, 20, 2.5, float("nan"), float("nan"), 9.0, 10.0)])
    objects = {name: column.astype(object) for name, column in whole.items()}
    objects["passenger_count"][0] = objects["VendorID"][0] = None
    assert any_model.predict(objects).tobytes() == any_model.predict(whole).tobytes()


def test_a_missing_distance_counts_as_one_that_the_meter_did_not_take(model: Model) -> None:
    missing, zero = (batch([(0, 10, 20, miles, 1.0, 2.0, 9.0, 10.0)]) for miles in (float("nan"), 0.0))
    assert model.predict(missing) == model.predict(zero)


def test_narrower_integers_are_the_same_trip(any_model: Model) -> None:
    whole = batch([(1_641_000_000_000, 10, 20, 2.5, 1.0, 2.0, 9.0, 10.0)])
    narrow = {**whole, "PULocationID": whole["PULocationID"].astype(np.int32)}
    assert any_model.predict(narrow) == any_model.predict(whole)


def test_an_empty_batch_has_no_predictions(any_model: Model) -> None:
    assert any_model.predict(batch([])).shape == (0,)


def test_a_missing_column_is_named(any_model: Model) -> None:
    whole = batch([(0, 10, 20, 2.5, 1.0, 2.0, 9.0, 10.0)])
    del whole["PULocationID"]  # type: ignore[attr-defined]
    with pytest.raises(KeyError, match="PULocationID"):
        any_model.predict(whole)


def test_slots_are_half_hours_of_the_week_from_monday() -> None:
    saturday, monday = 1_640_995_200_000, 1_641_168_000_000  # 2022-01-01 and 2022-01-03, 00:00
    pickups = [saturday, monday, monday + SLOT_MS - 1, monday + SLOT_MS, monday - 1]
    trips = batch([(at, 1, 1, 1.0, 1.0, 1.0, 0.0, 0.0) for at in pickups])
    assert features(trips).slot.tolist() == [5 * 48, 0, 0, 1, SLOTS - 1]


def test_distance_is_rounded_to_the_hundredth_that_the_meter_shows() -> None:
    miles = [0.0, 0.29, 0.57, 1.15, 8.2, 59.99, 60.0, 90_420.0]  # 0.29 · 100 is 28.999… in floating point
    trips = batch([(0, 1, 1, m, 1.0, 1.0, 0.0, 0.0) for m in miles])
    assert features(trips).distance.tolist() == [0, 29, 57, 115, 820, 5_999, 6_000, 6_000]


def test_zones_that_do_not_exist_share_two_numbers_that_no_zone_has() -> None:
    trips = batch([(0, zone, 1, 1.0, 1.0, 1.0, 0.0, 0.0) for zone in (-7, 0, 1, 265, 266, 9_999)])
    assert (features(trips).pair // ZONES).tolist() == [0, 0, 1, 265, 266, 266]
