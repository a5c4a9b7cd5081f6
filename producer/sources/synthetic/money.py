"""Amounts: the tariff of 2022, tolls, tips and totals. All in USD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from producer.sources.synthetic.places import ends_of, starts_of
from producer.sources.synthetic.rides import Rides
from producer.sources.synthetic.tables import Bools, Choice, Floats, Ints, Quantiles, happens

SURCHARGE = 2.75
"""For congestion, south of 96th Street."""

JFK, NEWARK, NASSAU, NEGOTIATED = 2, 3, 4, 5
"""Rate codes with a tariff of their own."""


@dataclass(frozen=True)
class Meter:
    """The metered fare: a drop, then half dollars by distance and time.

    residual: of the fare about the line through miles and minutes, one table.
    """

    start: float
    per_mile: float
    per_minute: float
    residual: Quantiles

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Meter:
        """Make it from the parameters in `params.json`."""
        meter = params["meter"]
        residual = Quantiles.from_tables(params["probabilities"], [meter["residual"]])
        return cls(meter["start"], meter["per_mile"], meter["per_minute"], residual)

    def fares(self, rng: np.random.Generator, miles: Floats, minutes: Floats, ratecode: Ints) -> Floats:
        """Compute fares: at least 2.50; 52 flat to JFK, 17.50 more to Newark, nearly half more beyond the city."""
        line = self.start + self.per_mile * miles + self.per_minute * np.minimum(minutes, 120)
        line += self.residual.draw(rng, 0, len(line))
        line[ratecode == NASSAU] *= 1.44
        fares = 2.5 + 0.5 * np.maximum(np.round((line - 2.5) * 2), 0)
        fares[ratecode == NEWARK] += 17.5
        fares[ratecode == JFK] = 52.0
        return np.asarray(fares)


def rush_and_night(weekday: int, hours: Ints) -> Floats:
    """Return the extra by the hour: 1.00 on weekdays from 16 to 20 h, 0.50 from 20 to 6 h."""
    by_hour = np.zeros(24)
    by_hour[20:] = by_hour[:6] = 0.5
    if weekday < 5:
        by_hour[16:20] = 1.0
    return np.asarray(by_hour[hours])


@dataclass(frozen=True)
class Tolls:
    """share: of rides that pay some, by bin of distance. values: what they pay."""

    share: Floats
    values: Choice

    @classmethod
    def from_params(cls, params: Mapping[str, Any], kind: str) -> Tolls:
        """Make it from the parameters in `params.json`."""
        return cls(np.array(params["kinds"][kind]["tolls"]), Choice.from_weights(params["toll_values"]))

    def draw(self, rng: np.random.Generator, distance_bins: Ints) -> Floats:
        """Draw the tolls of rides, USD. distance_bins: the bin of each, shape (rides,)."""
        paid = happens(rng, self.share[distance_bins], len(distance_bins))
        tolls = np.zeros(len(distance_bins))
        tolls[paid] = self.values.draw(rng, int(paid.sum()))
        return tolls


@dataclass(frozen=True)
class Tips:
    """Tips of those who can tip by card: nothing, a button of the terminal, whole dollars, or something else.

    buttons: draws a position in `ratios` (of the sum before the tip) and `dollars`; of each pair one is 0.
    otherwise: a ratio too, one table, for the last position.
    """

    buttons: Choice
    ratios: Floats
    dollars: Floats
    otherwise: Quantiles

    @classmethod
    def from_params(cls, params: Mapping[str, Any], kind: str) -> Tips:
        """Make it from the parameters in `params.json`."""
        tips = params["kinds"][kind]["tips"]
        ratios, dollars = tips["shares"], tips["dollars"]
        weights = [*ratios.values(), *dollars.values(), tips["otherwise_share"]]
        given = (1 - tips["none"]) / sum(weights)
        table = {"0": tips["none"], **{str(n): weight * given for n, weight in enumerate(weights, 1)}}
        return cls(
            Choice.from_weights(table),
            np.array([0.0, *map(float, ratios), *(0.0 for _ in dollars), 0.0]),
            np.array([0.0, *(0.0 for _ in ratios), *map(float, dollars), 0.0]),
            Quantiles.from_tables(params["probabilities"], [tips["otherwise"]]),
        )

    def draw(self, rng: np.random.Generator, before_tip: Floats, may_tip: Bools) -> Floats:
        """Draw tips, rounded to cents.

        Args:
            rng: The random generator.
            before_tip: Amounts, USD, shape (rides,).
            may_tip: Whether a tip is recorded for the ride, shape (rides,); if not, it is 0.
        """
        size = len(before_tip)
        button = self.buttons.draw(rng, size).astype(np.int64)
        ratio = self.ratios[button]
        freely = button == len(self.ratios) - 1
        ratio[freely] = self.otherwise.draw(rng, 0, int(freely.sum()))
        tips = np.round(ratio * before_tip + self.dollars[button], 2)
        return np.where(may_tip & (before_tip > 0), tips, 0.0)


Columns = dict[str, Any]
"""Columns of records by name: arrays of one length, or a number that they all share."""

PARTS = ("fare_amount", "extra", "mta_tax", "improvement_surcharge", "congestion_surcharge", "tolls_amount")
"""What adds up to the total, before the tip."""


def settle(
    rng: np.random.Generator, columns: Columns, rides: Rides, tips: Tips | None = None, may_tip: Bools | None = None
) -> Columns:
    """Complete the columns of records: zones, and every part of the total. Missing parts are 0.

    Args:
        rng: The random generator.
        columns: As the kind of ride fills them; `hidden` is a part of the total that has no column of its own.
        rides: The rides.
        tips: None if `tip_amount` is given, or nobody tips.
        may_tip: Whether a tip is recorded for each ride.
    """
    size = len(rides)
    filled = {name: _full(columns.get(name, 0.0), size) for name in (*PARTS, "hidden", "tip_amount")}
    before_tip = sum(filled[part] for part in (*PARTS, "hidden"))
    if tips is not None and may_tip is not None:
        filled["tip_amount"] = tips.draw(rng, before_tip, may_tip)
    filled["total_amount"] = np.round(before_tip + filled["tip_amount"], 2)
    others = {name: _full(value, size) for name, value in columns.items() if name not in filled}
    return filled | others | {"PULocationID": starts_of(rides.pairs), "DOLocationID": ends_of(rides.pairs)}


def _full(value: Any, size: int) -> Any:
    return np.full(size, value) if np.ndim(value) == 0 else value


def rounded_fares(rng: np.random.Generator, fares: Floats, shares: Mapping[str, float]) -> Floats:
    """Agreed fares, as people agree them. shares: by the multiple that they are rounded to."""
    step = Choice.from_weights(shares).draw(rng, len(fares))
    return np.asarray(np.round(np.maximum(np.round(fares / step), 1) * step, 2))
