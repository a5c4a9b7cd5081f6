"""Where rides go: how likely each pair of zones is, how far it is, and what it adds to a ride's time.

A pair of zones is one number: `(65 - 1) * 265 + (23 - 1)` from zone 65 to zone 23. Arrays by pair have the shape
(265 * 265,), matrices (265, 265): from a row's zone to a column's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from producer.sources.synthetic.tables import Floats, Ints, Quantiles

ZONES = 265
SAME, UNPLACED = 0, 1
_EDGES = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0])
BINS = len(_EDGES) + 3
_SHORTEST, _LONGEST = np.log(0.01), np.log(60.0)


def starts_of(pairs: Ints) -> Ints:
    """Return the start zone of each pair, 1 to 265."""
    return pairs // ZONES + 1


def ends_of(pairs: Ints) -> Ints:
    """Return the end zone of each pair, 1 to 265."""
    return pairs % ZONES + 1


def between(x: Floats, y: Floats) -> Floats:
    """Compute miles between zones, shape (265, 265). x, y: their fitted places, shape (265,), NaN if unplaced."""
    gap: Floats = np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])
    return gap


def distance_bins(miles: Floats) -> Ints:
    """Return the bin of each pair, shape (265, 265): SAME zone, UNPLACED, then by distance."""
    bins = np.searchsorted(_EDGES, miles) + 2
    bins[np.isnan(miles)] = UNPLACED
    np.fill_diagonal(bins, SAME)
    return np.asarray(bins, dtype=np.int64)


def rake(base: Floats, starts: Floats, ends: Floats, *, rounds: int = 30) -> Floats:
    """Fit a matrix to row and column shares by iterative proportional fitting.

    Args:
        base: Shape (265, 265), > 0 wherever both shares are.
        starts: Weights of the rows, shape (265,).
        ends: Weights of the columns, shape (265,).
        rounds: Iterations.

    Returns:
        The matrix nearest to `base`. It adds up to 1; its columns are exactly in proportion to `ends`, its rows
        nearly so to `starts`.
    """
    starts, ends = starts / starts.sum(), ends / ends.sum()
    fitted = base.copy()
    for _ in range(rounds):
        fitted *= _ratio(starts, fitted.sum(axis=1))[:, None]
        fitted *= _ratio(ends, fitted.sum(axis=0))[None, :]
    return np.asarray(fitted / fitted.sum())


def _ratio(wanted: Floats, found: Floats) -> Floats:
    return np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0)


@dataclass(frozen=True)
class Network:
    """What is known of each pair of zones.

    bins: of distance, matrix. trips: of metered street rides seen, by pair, 0 where too few to be listed.
    log_miles, log_miles_sd: middle and spread of a ride's distance, by pair. The spread of SAME and UNPLACED is 1:
        theirs is in the residuals.
    log_minutes: what the pair adds to the logarithm of a ride's minutes, by pair.
    surcharged: probability of the congestion surcharge, by pair.
    """

    bins: Ints
    trips: Floats
    log_miles: Floats
    log_miles_sd: Floats
    log_minutes: Floats
    surcharged: Floats

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Network:
        """Make it from the parameters in `params.json`."""
        x, y = (np.array(params["zones"][axis], dtype=float) for axis in "xy")
        miles = between(x, y)
        bins = distance_bins(miles)
        pairs = {name: np.array(values) for name, values in params["pairs"].items()}
        listed = (pairs["start"] - 1) * ZONES + pairs["end"] - 1
        middle, spread = _unlisted(miles, bins, params["unlisted_pairs"])
        middle[listed] = pairs["log_miles"]
        spread[listed] = np.where(bins.ravel()[listed] > UNPLACED, pairs["log_miles_sd"], 1.0)
        zones = [np.array(params["minutes"][name]) for name in ("start_zone", "end_zone")]
        slower = np.add.outer(*zones).ravel()
        slower[listed] += pairs["log_minutes"]
        spared = [1 - np.array(params["surcharged"][name]) for name in ("start_zone", "end_zone")]
        trips = np.zeros(ZONES * ZONES)
        trips[listed] = pairs["trips"]
        return cls(bins, trips, middle, spread, slower, 1 - np.outer(*spared).ravel())

    def miles(self, rng: np.random.Generator, pairs: Ints, residual: Quantiles) -> Floats:
        """Draw the miles driven, 0.01 to 60.

        Args:
            rng: The generator.
            pairs: Of each ride, shape (rides,).
            residual: In spreads of the pair; tables for SAME, UNPLACED and all others.
        """
        table = np.minimum(self.bins.ravel()[pairs], 2)
        deviation = residual.draw(rng, table, len(pairs))
        log_miles = self.log_miles[pairs] + self.log_miles_sd[pairs] * deviation
        return np.asarray(np.exp(np.clip(log_miles, _SHORTEST, _LONGEST)))


def _unlisted(miles: Floats, bins: Ints, params: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Middle and spread of the logarithm of miles where only the zones' places are known, by pair."""
    middle = np.log(np.maximum(np.nan_to_num(miles), 0.3))
    spread = np.where(bins > UNPLACED, params["log_miles_sd_other"], 1.0)
    middle[bins == SAME] = params["log_miles_same"]
    middle[bins == UNPLACED] = params["log_miles_unplaced"]
    return middle.ravel(), spread.ravel()


@dataclass(frozen=True)
class Routes:
    """Cumulative shares of the pairs of zones, ascending to 1: one array a part of the week, shape (265 * 265,)."""

    cumulative: tuple[Floats, ...]

    @classmethod
    def from_network(cls, network: Network, kind: Mapping[str, Any], *, seen: bool) -> Routes:
        """Compute the shares of the pairs.

        Args:
            network: The pairs of zones.
            kind: Parameters of the kind: its trips by start and by end zone, and its preference for distances.
            seen: Whether to use the observed street trips of each pair, where there are any.
        """
        parts = [
            (np.array(starts, dtype=float), np.array(ends, dtype=float))
            for starts, ends in zip(kind["starts"], kind["ends"], strict=True)
        ]
        likely = np.array(kind["kernel"])[network.bins]
        if seen:
            likely = _with_seen(likely, network.trips.reshape(ZONES, ZONES), parts)
        return cls(tuple(_cumulated(rake(likely, *part)) for part in parts))

    def draw(self, rng: np.random.Generator, part: Ints) -> Ints:
        """Draw pairs of zones. part: of the week, for each ride; any number if there is only one part."""
        part = np.minimum(part, len(self.cumulative) - 1)
        pairs = np.empty(len(part), dtype=np.int64)
        for number in np.flatnonzero(np.bincount(part)):
            rides = part == number
            chance = rng.random(np.count_nonzero(rides))
            pairs[rides] = np.searchsorted(self.cumulative[number], chance, side="right")
        return pairs


def _with_seen(likely: Floats, trips: Floats, parts: list[tuple[Floats, Floats]]) -> Floats:
    """Replace the gravity model's trips where a pair's own trips are known; the other pairs share the rest."""
    starts, ends = (sum(zone) for zone in zip(*parts, strict=True))
    modelled = rake(likely, np.asarray(starts), np.asarray(ends)) * np.sum(starts)
    rest = np.where(trips > 0, 0.0, modelled)
    rest *= (np.sum(starts) - trips.sum()) / rest.sum()
    return np.where(trips > 0, trips, np.where(likely > 0, rest, 0.0))


def _cumulated(shares: Floats) -> Floats:
    cumulative = np.cumsum(shares.ravel())
    cumulative /= cumulative[-1]
    cumulative[np.flatnonzero(shares)[-1] :] = 1.0
    return np.asarray(cumulative)
