"""How many rides begin in each hour, and of which kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from producer.sources.synthetic.tables import Floats, Ints

KINDS = ("street", "aborted", "prebooked", "negotiated", "token", "dispatched")
"""The populations that the trips are a mixture of; README.md says what each is."""

HOUR = 3_600_000
DAY = 24 * HOUR


def weekday_of(day: int) -> int:
    """Return the weekday, 0 for Monday. day: days since the epoch, which was a Thursday."""
    return (day + 3) % 7


@dataclass(frozen=True)
class Demand:
    """Rides that begin in an hour, on average and how they scatter.

    per_hour: mean, shape (kinds, 7 days from Monday, 24). day_shape, hour_shape: of the gamma distribution (mean 1)
    of what a day and an hour have to do with it (weather, events), for all kinds at once: the mixture of Poisson
    and gamma is the negative binomial distribution.
    """

    per_hour: Floats
    day_shape: float
    hour_shape: float

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Demand:
        """Make it from the parameters in `params.json`."""
        per_hour = np.array([params["kinds"][kind]["per_hour"] for kind in KINDS])
        return cls(per_hour, params["demand"]["day_shape"], params["demand"]["hour_shape"])

    def counts(self, rng: np.random.Generator, weekday: int, volume: float) -> Ints:
        """Draw the number of rides of a day, shape (kinds, 24)."""
        busy = rng.gamma(self.day_shape, 1 / self.day_shape) * rng.gamma(self.hour_shape, 1 / self.hour_shape, 24)
        return np.asarray(rng.poisson(volume * busy * self.per_hour[:, weekday]))


def pickups(rng: np.random.Generator, counts: Ints, *, every_s: int) -> Ints:
    """ms since midnight: ascending by hour, not within it. counts: shape (24,). every_s: what the clock shows."""
    hours = np.repeat(np.arange(24), counts)
    ticks = rng.integers(0, 3_600 // every_s, len(hours))
    return np.asarray(hours * HOUR + ticks * (every_s * 1_000))
