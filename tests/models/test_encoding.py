from __future__ import annotations

import numpy as np

from models.taxi.encoding import cross_fit, encode
from models.taxi.features import PAIRS, ZONES, Features


def trips_of(pickup: list[int], dropoff: list[int], hundredths: list[int]) -> Features:
    pair = np.array(pickup) * ZONES + np.array(dropoff)
    zeros = np.zeros(len(pickup), np.int64)
    return Features(slot=zeros, pair=pair, distance=np.array(hundredths), meter=zeros)


def random_trips(rows: int, seed: int = 3) -> tuple[Features]:
    rng = np.random.default_rng(seed)
    zones = rng.integers(1, 30, (2, rows))
    trips = trips_of(*zones.tolist(), rng.integers(0, 900, rows).tolist())
    return trips, rng.uniform(1, 60, rows)


def test_no_trip_sees_its_own_duration_through_its_pair() -> None:
    trips, minutes = random_trips(300)
    before = cross_fit(trips, minutes, seed=7)
    minutes[17] = 59.0 if minutes[17] < 30 else 1.5
    after = cross_fit(trips, minutes, seed=7)
    assert after.duration[17] == before.duration[17]
    assert after.pace[17] == before.pace[17]
    assert not np.array_equal(after.duration, before.duration)


def test_a_pair_never_seen_is_what_its_two_zones_say() -> None:
    pickup, dropoff = [10] * 500 + [20] * 500 + [10] * 500, [1] * 500 + [1] * 500 + [2] * 500
    trips = trips_of(pickup, dropoff, [100] * 1500)
    minutes = np.array([10.0] * 500 + [20.0] * 500 + [10.0] * 500)  # from 20 it takes twice as long as from 10
    duration = np.exp(encode(trips, minutes).duration)
    assert 17 < duration[20 * ZONES + 2] < 21
    assert duration[10 * ZONES + 2] < 11


def test_pairs_of_unknown_zones_get_the_mean_of_all() -> None:
    trips, minutes = random_trips(300)
    known = encode(trips, minutes)
    assert np.isclose(known.duration[0], np.log(minutes).mean())
    assert np.isfinite(known.pace).all()
    assert np.isfinite(known.duration).all()
    assert known.pace.shape == known.duration.shape == (PAIRS,)


def test_distances_that_the_meter_did_not_take_say_nothing_about_the_streets() -> None:
    trips, minutes = random_trips(300)
    off = np.arange(300) < 30
    trips = trips._replace(distance=np.where(off, 0, trips.distance + 10))
    before = encode(trips, minutes).pace
    minutes[:30] = 60.0
    assert np.array_equal(encode(trips, minutes).pace, before)


def test_trips_all_of_one_length_and_pair_are_no_trouble() -> None:
    trips = trips_of([5] * 10, [6] * 10, [0] * 10)
    known = encode(trips, np.full(10, 12.0))
    assert np.isfinite(known.pace).all()
    assert np.isclose(np.exp(known.duration[5 * ZONES + 6]), 12.0)
