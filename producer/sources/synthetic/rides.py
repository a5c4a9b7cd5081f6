"""Rides before their fares: from where to where, how far, how long.

The logarithm of a ride's minutes is a sum of what distance, hour, zones and chance add to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from producer.sources.synthetic.demand import HOUR
from producer.sources.synthetic.places import Network, Routes
from producer.sources.synthetic.tables import Floats, Ints, Quantiles, happens


@dataclass(frozen=True)
class Hailed:
    """Rides of one kind of one day that are about to begin. Arrays have the shape (rides,).

    weekday: 0 is Monday. since_midnight: ms. parts: of the week, as `Routes` numbers them.
    """

    weekday: int
    since_midnight: Ints
    parts: Ints

    @property
    def hours(self) -> Ints:
        """Hour of the day of each ride."""
        return self.since_midnight // HOUR


@dataclass(frozen=True)
class Rides:
    """Rides that have ended. Arrays have the shape (rides,).

    pairs: of zones. miles: driven, whatever the meter says. minutes: from pickup to drop-off.
    """

    hailed: Hailed
    pairs: Ints
    miles: Floats
    minutes: Floats

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True)
class Traffic:
    """log_miles, log_minutes: knots of the effect of distance, ascending. hourly: (weekday or weekend, 24).

    edges: miles between the bins of distance that residuals and tolls are given by.
    """

    log_miles: Floats
    log_minutes: Floats
    hourly: Floats
    edges: Floats

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Traffic:
        """Make it from the parameters in `params.json`."""
        minutes = params["minutes"]
        knots = np.log(minutes["knots_miles"])
        at_knots, hourly = np.array(minutes["log_minutes_at_knots"]), np.array(minutes["hour"])
        return cls(knots, at_knots, hourly, np.array(params["miles_edges"]))

    def bins(self, miles: Floats) -> Ints:
        """Return the bin of distance of each ride, 0 to the number of edges."""
        return np.asarray(np.searchsorted(self.edges, miles))

    def expected(self, hailed: Hailed, miles: Floats) -> Floats:
        """Return the expected logarithm of the minutes, by distance and hour."""
        by_distance = np.interp(np.log(miles), self.log_miles, self.log_minutes)
        return np.asarray(by_distance + self.hourly[int(hailed.weekday >= 5)][hailed.hours])


@dataclass(frozen=True)
class Driving:
    """How a kind of ride is drawn: pair, then miles given the pair, then minutes given all of it.

    hourly: what the hour adds for this kind, shape (24,). miles: residuals, see `Network.miles`.
    minutes: residuals of the logarithm, one table for each bin of distance.
    """

    network: Network
    traffic: Traffic
    routes: Routes
    hourly: Floats
    miles: Quantiles
    minutes: Quantiles

    @classmethod
    def from_params(
        cls, params: Mapping[str, Any], name: str, network: Network, traffic: Traffic, *, seen: bool = False
    ) -> Driving:
        """Make it from the parameters in `params.json`."""
        kind, at = params["kinds"][name], params["probabilities"]
        minutes = kind["log_minutes"]
        return cls(
            network,
            traffic,
            Routes.from_network(network, kind, seen=seen),
            np.array(minutes.get("hour", [0.0] * 24)),
            Quantiles.from_tables(at, kind["log_miles"]["residual"]),
            Quantiles.from_tables(at, minutes["residual"]),
        )

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Rides:
        """Draw where, how far and how long rides go that are about to begin."""
        pairs = self.routes.draw(rng, hailed.parts)
        miles = self.network.miles(rng, pairs, self.miles)
        expected = (
            self.traffic.expected(hailed, miles) + self.network.log_minutes[pairs] + self.hourly[hailed.hours]
        )
        chance = self.minutes.draw(rng, self.traffic.bins(miles), len(pairs))
        return Rides(hailed, pairs, miles, np.exp(expected + chance))


@dataclass(frozen=True)
class Standing:
    """Rides that ended before they began: the meter was started and stopped again, mostly in the same place."""

    routes: Routes
    zero: float
    miles: Quantiles
    minutes: Quantiles

    @classmethod
    def from_params(cls, params: Mapping[str, Any], name: str, network: Network) -> Standing:
        """Make it from the parameters in `params.json`."""
        kind, at = params["kinds"][name], params["probabilities"]
        tables = [Quantiles.from_tables(at, [kind[column]]) for column in ("miles", "minutes")]
        return cls(Routes.from_network(network, kind, seen=False), kind["zero_miles"], *tables)

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Rides:
        """Draw where, how far and how long rides go that are about to begin."""
        size = len(hailed.parts)
        miles = np.where(happens(rng, self.zero, size), 0.0, self.miles.draw(rng, 0, size))
        return Rides(hailed, self.routes.draw(rng, hailed.parts), miles, self.minutes.draw(rng, 0, size))
