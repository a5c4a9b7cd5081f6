"""Target encoding of zone pairs: how long their trips take, and how slow they are for their distance.

Pure. There are 70,000 pairs, most of them rare, so each mean is shrunk towards its two zones, and those towards
the mean of all. In training, a trip must not see its own duration through the mean of its pair: `cross_fit`
takes each trip's from the other trips. Plain means cost 0.3 minutes of MAE.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import Floats
from models.taxi.features import MAX_MILES, PAIRS, ZONES, Features, Indices

FOLDS = 5
ZONE_WEIGHT = 20.0
PAIR_WEIGHT = 1.0
"""Number of trips that weigh as much as the prior."""

_SHORTEST = 5
"""Hundredths of a mile. Below, the meter was off, so the distance is meaningless."""


class Encoding(NamedTuple):
    """By pair, each of shape (PAIRS,), or by trip, of shape (rows,).

    pace: mean of log(minutes) beyond what the distance explains. duration: mean of log(minutes).
    """

    pace: Floats
    duration: Floats


def encode(trips: Features, minutes: Floats) -> Encoding:
    """Encode each pair of zones, shape (PAIRS,).

    Args:
        trips: At least one row.
        minutes: Their durations, > 0, shape (rows,).
    """
    log_minutes = np.log(minutes)
    driven = (trips.distance > _SHORTEST).astype(np.float64)
    beyond = log_minutes - _line(_log_miles(trips.distance), log_minutes, driven)
    return Encoding(_shrunk(trips.pair, beyond, driven), _shrunk(trips.pair, log_minutes, np.ones_like(driven)))


def cross_fit(trips: Features, minutes: Floats, seed: int) -> Encoding:
    """Encode each trip's pair by the trips of the other folds, shape (rows,). Arguments as of `encode`."""
    fold = np.random.default_rng(seed).permutation(len(minutes)) % FOLDS
    pace, duration = np.empty_like(minutes), np.empty_like(minutes)
    for number in range(FOLDS):
        held = fold == number
        learnt = encode(Features(*(column[~held] for column in trips)), minutes[~held])
        pace[held] = learnt.pace[trips.pair[held]]
        duration[held] = learnt.duration[trips.pair[held]]
    return Encoding(pace, duration)


def _log_miles(hundredths: Indices) -> Floats:
    # 0.3 miles more: waiting and turning take time even on the shortest trip.
    return np.log(np.clip(hundredths / 100.0, 0.05, MAX_MILES) + 0.3)


def _line(x: Floats, y: Floats, weight: Floats) -> Floats:
    """Least squares of y on x, evaluated at x. By sums, not LAPACK: the last bit must not depend on its threads."""
    total = max(weight.sum(), 1.0)
    dx, dy = x - (x * weight).sum() / total, y - (y * weight).sum() / total
    spread = (dx * dx * weight).sum()
    slope = (dx * dy * weight).sum() / spread if spread > 0 else 0.0
    return np.asarray(y - dy + slope * dx)


def _shrunk(pair: Indices, value: Floats, weight: Floats) -> Floats:
    """Weighted mean of each pair, shrunk to the sum of its zones' effects, these to the mean of all."""
    mean = (value * weight).sum() / max(weight.sum(), 1.0)
    rest = value - mean
    pickup, dropoff = pair // ZONES, pair % ZONES
    by_pickup, by_dropoff = np.zeros(ZONES), np.zeros(ZONES)
    for _ in range(3):  # zones explain one another: by the third round nothing moves
        by_pickup = _means(pickup, rest - by_dropoff[dropoff], weight, np.zeros(ZONES), ZONE_WEIGHT)
        by_dropoff = _means(dropoff, rest - by_pickup[pickup], weight, np.zeros(ZONES), ZONE_WEIGHT)
    prior = (by_pickup[:, None] + by_dropoff[None, :]).reshape(PAIRS)
    return np.asarray(mean + _means(pair, rest, weight, prior, PAIR_WEIGHT))


def _means(key: Indices, value: Floats, weight: Floats, prior: Floats, prior_weight: float) -> Floats:
    sums = np.bincount(key, weights=value * weight, minlength=len(prior))
    weights = np.bincount(key, weights=weight, minlength=len(prior))
    return np.asarray((sums + prior_weight * prior) / (weights + prior_weight))
