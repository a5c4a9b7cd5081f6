"""Rides of a dispatcher: the records without a payment type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from producer.sources.synthetic.fares_metered import surcharges
from producer.sources.synthetic.money import Columns, Tips, Tolls, settle
from producer.sources.synthetic.places import Network
from producer.sources.synthetic.rides import Driving, Hailed, Rides, Traffic
from producer.sources.synthetic.tables import Bools, Choice, Floats, Quantiles

EVERY_S = 60
"""Their clocks show whole minutes."""


@dataclass(frozen=True)
class Dispatched:
    """Six columns null together, whole minutes, fares of their own, the congestion surcharge hidden in the total.

    ratio: of the fare to a line through miles and minutes, one table for each bin of distance.
    least: the fares of short rides, where the line would be below them.
    lost: share of distances not recorded. gps: share of distances in the ten thousands of miles, by `gps_miles`.
    """

    driving: Driving
    line: tuple[float, float, float]
    ratio: Quantiles
    least: Choice
    tolls: Tolls
    tips: Tips
    vendor: Choice
    lost: float
    gps: float
    gps_miles: Quantiles

    @classmethod
    def from_params(cls, params: Mapping[str, Any], network: Network, traffic: Traffic) -> Dispatched:
        """Make it from the parameters in `params.json`."""
        kind, at, odd = params["kinds"]["dispatched"], params["probabilities"], params["anomalies"]
        fare = kind["fare"]
        return cls(
            driving=Driving.from_params(params, "dispatched", network, traffic),
            line=(fare["start"], fare["per_mile"], fare["per_minute"]),
            ratio=Quantiles.from_tables(at, fare["ratio"]),
            least=Choice.from_weights(kind["least_fares"]),
            tolls=Tolls.from_params(params, "dispatched"),
            tips=Tips.from_params(params, "dispatched"),
            vendor=Choice.from_weights(kind["vendor"]),
            lost=kind["zero_miles"],
            gps=odd["gps"],
            gps_miles=Quantiles.from_tables(at, [odd["gps_miles"]]),
        )

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Columns:
        """Draw the records of rides that are about to begin: columns by name, shape (rides,)."""
        rides = self.driving.draw(rng, hailed)
        size = len(rides)
        columns: Columns = {
            "VendorID": self.vendor.draw(rng, size),
            "trip_distance": self._shown_miles(rng, rides),
            "minutes": np.round(rides.minutes),
            "fare_amount": self._fares(rng, rides),
            "improvement_surcharge": 0.3,
            "tolls_amount": self.tolls.draw(rng, self.driving.traffic.bins(rides.miles)),
            "hidden": surcharges(rng, self.driving.network, rides),
            "dispatched": True,
        }
        return settle(rng, columns, rides, self.tips, np.ones(size, dtype=bool))

    def _fares(self, rng: np.random.Generator, rides: Rides) -> Floats:
        start, per_mile, per_minute = self.line
        line = start + per_mile * rides.miles + per_minute * np.minimum(rides.minutes, 120)
        fares = np.round(line * self.ratio.draw(rng, self.driving.traffic.bins(rides.miles), len(rides)), 2)
        short = fares < self.least.values.max()
        fares[short] = self.least.draw(rng, int(short.sum()))
        return np.asarray(fares)

    def _shown_miles(self, rng: np.random.Generator, rides: Rides) -> Floats:
        chance = rng.random(len(rides))
        gps: Bools = chance < self.gps
        lost = (chance >= self.gps) & (chance < self.gps + self.lost)
        miles = np.where(lost, 0.0, rides.miles)
        miles[gps] = self.gps_miles.draw(rng, 0, int(gps.sum()))
        return np.asarray(np.round(miles, 2))
