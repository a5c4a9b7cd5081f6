"""Whether calm seasons move away from one another: the next one is not like them then. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

import numpy as np

from monitor.drift.columns import Floats, Ints
from monitor.verdict.layout import NumberLayout, SummaryLayout
from monitor.verdict.signals import jensen_shannon, wasserstein
from schemas.definition import Role

CHANCE, CHANCE_OF_ONE = 0.1, 0.05
"""A correlation that this share of all orders of the seasons reaches is none; of four seasons, 2 of 24 orders are
perfect. CHANCE_OF_ONE: of the column with the highest one."""

GROWTH, GROWTH_OF_ONE = 1.5, 4.0
"""By how much, as a share, distances have to grow from neighbours to the ends, else a trend does no harm: calm
months of real data, on which the promise was kept, show up to 1.1, and up to 4 in one column."""

_ORDERS = 2_000
"""That are tried, where there are more."""


def trend(layout: SummaryLayout, seasons: Sequence[Mapping[Role, Ints]]) -> bool:
    """Test whether seasons are the further apart in content, the further they are apart in time.

    Distances of all columns are averaged; so are those of the column that shows it most. Volume is left out: its
    level is taken from the season before anyway.

    Args:
        layout: Of the summaries.
        seasons: In order; what each held, by role, shape (bins,).
    """
    if len(seasons) < 4:
        return False
    distances = np.stack([*_distances(layout, seasons)])
    level = distances.mean((1, 2), keepdims=True)
    distances = distances[level.ravel() > 0] / level[level.ravel() > 0]
    if not len(distances):
        return False
    every = np.concatenate([distances.mean(0, keepdims=True), distances])
    lags = _lags(len(seasons))
    orders = _orders(len(seasons))
    found = _correlations(every, orders)
    if (found[:, 0] >= found[0, 0] - 1e-9).mean() <= CHANCE and _growth(every[0], lags) >= GROWTH:
        return True
    steepest = every[int(found[0].argmax())]
    chance = (found.max(1) >= found[0].max() - 1e-9).mean()
    return bool(chance <= CHANCE_OF_ONE and _growth(steepest, lags) >= GROWTH_OF_ONE)


def _distances(layout: SummaryLayout, seasons: Sequence[Mapping[Role, Ints]]) -> Iterable[Floats]:
    """Distances between all seasons, of each column, shape (seasons, seasons)."""
    for role in seasons[0]:
        counts = np.stack([season[role] for season in seasons])
        for column, place in layout.slices(role):
            held = counts[:, place]
            if isinstance(column, NumberLayout):
                yield np.stack([wasserstein(column, held, one[None].astype(np.float64)) for one in held])
            else:
                yield np.stack([jensen_shannon(held, one[None].astype(np.float64)) for one in held])


def _lags(seasons: int) -> Floats:
    at = np.arange(seasons, dtype=np.float64)
    return np.abs(at[:, None] - at)


def _orders(seasons: int) -> Ints:
    """Orders of the seasons, the true one first."""
    if seasons <= 6:
        return np.array([*permutations(range(seasons))])
    random = np.random.default_rng(0)
    return np.stack([np.arange(seasons), *(random.permutation(seasons) for _ in range(_ORDERS - 1))])


def _correlations(distances: Floats, orders: Ints) -> Floats:
    """Of distances with lags, over all pairs, if the seasons had come in other orders; shape (orders, columns)."""
    one, other = np.triu_indices(orders.shape[1], 1)
    places = orders.argsort(axis=1)
    x, y = np.abs(places[:, one] - places[:, other]).astype(np.float64), distances[:, one, other]
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    found: Floats = (x @ y.T) / np.sqrt((x * x).sum(1)[:, None] * (y * y).sum(1) + 1e-12)
    return found


def _growth(distances: Floats, lags: Floats) -> float:
    """By how much distances grow from neighbours to the ends on a straight line, as a share of the neighbours'."""
    pairs = np.triu_indices(len(lags), 1)
    slope, level = np.polyfit(lags[pairs], distances[pairs], 1)
    return float(slope * (len(lags) - 2) / max(level + slope, 1e-9))
