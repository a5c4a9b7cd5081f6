"""Trains the default model: gradient boosting restricted to three groups of features, then tabulated.

A tree's path may only use features of one group (`interaction_cst`), so the ensemble is a sum of one function per
group, and each group has few enough combinations to be tabulated. A prediction is then three look-ups: equal to
that of the trees, and about forty times faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from models.columns import Floats
from models.taxi.encoding import cross_fit, encode
from models.taxi.features import HUNDREDTHS, METERS, SLOTS, Features, Indices
from models.taxi.tables import DURATIONS, PACES, PLACES, STEPS, Tables

TREES = 100
LEAVES = 31
RATE = 0.12

_HOURS = 48
"""Half hours of a day. Half hour and weekday are separate features, so that the trees can split either."""

_HALF_HOUR, _WEEKDAY, _PACE, _DURATION, _STEP, _METER = range(6)
"""Columns of the trees' matrix."""

GROUPS = (
    {_HALF_HOUR, _WEEKDAY, _STEP},
    {_HALF_HOUR, _WEEKDAY, _PACE, _DURATION},
    {_PACE, _DURATION, _STEP, _METER},
)
"""when × how far, when × where, meter × where × how far."""


@dataclass(frozen=True)
class FittedTrees:
    """The trees and the codes that they were fitted on; only `tables()` is stored."""

    trees: Any
    step: Indices
    place: Indices
    bounds: tuple[float, float]

    def predict(self, trips: Features) -> Floats:
        """Predict by the trees themselves: minutes, within bounds, shape (rows,)."""
        matrix = _matrix(trips.slot, self.place[trips.pair], self.step[trips.distance], trips.meter)
        return np.asarray(np.clip(self.trees.predict(matrix), *self.bounds))

    def tables(self) -> Tables:
        """Tabulate the sum of the trees, from their predictions alone.

        The predictions of the first slot are a table as they are. What another slot adds is a function of slot and
        step plus one of slot and place, which the first place and the first step separate.
        """
        slots, places, steps = np.arange(SLOTS), np.arange(PLACES), np.arange(STEPS)
        where_far = self._over(slots[:1], places, steps, np.arange(METERS))[0]
        when_far = self._over(slots, places[:1], steps, [0])[:, 0, 0] - where_far[0, 0]
        when_where = self._over(slots, places, steps[:1], [0])[:, 0, :, 0] - where_far[0, :, 0] - when_far[:, :1]
        return Tables(
            step=self.step,
            place=self.place,
            when_far=when_far.astype(np.float32),
            when_where=when_where.astype(np.float32),
            where_far=where_far.astype(np.float32),
            bounds=np.array(self.bounds, dtype=np.float32),
        )

    def _over(self, slots: Any, places: Any, steps: Any, meters: Any) -> NDArray[np.float64]:
        """Predict every combination, shape (slots, meters, places, steps)."""
        grid = np.meshgrid(slots, meters, places, steps, indexing="ij")
        slot, meter, place, step = (axis.ravel() for axis in grid)
        return np.asarray(self.trees.predict(_matrix(slot, place, step, meter))).reshape(grid[0].shape)


def fit(
    trips: Features,
    minutes: Floats,
    bounds: tuple[float, float],
    seed: int,
    *,
    trees: int = TREES,
    rate: float = RATE,
    groups: Sequence[set[int]] | None = GROUPS,
) -> FittedTrees:
    """Fit trees to trips of known duration.

    Args:
        trips: At least FOLDS rows.
        minutes: Their durations, within bounds, shape (rows,).
        bounds: Lowest and highest prediction, minutes.
        seed: Of the folds and the trees.
        trees: How many.
        rate: Learning rate.
        groups: Columns of the matrix that a tree's path may use together; None for all, which no table can hold.
    """
    known, others = encode(trips, minutes), cross_fit(trips, minutes, seed)
    paces, durations = _cuts(others.pace, PACES), _cuts(others.duration, DURATIONS)
    step = _codes(np.arange(HUNDREDTHS), _cuts(trips.distance, STEPS))
    seen = _codes(others.pace, paces) * DURATIONS + _codes(others.duration, durations)
    forest = HistGradientBoostingRegressor(
        max_iter=trees,
        max_leaf_nodes=LEAVES,
        learning_rate=rate,
        interaction_cst=groups,
        early_stopping=False,
        random_state=seed,
    ).fit(_matrix(trips.slot, seen, step[trips.distance], trips.meter), minutes)
    place = _codes(known.pace, paces) * DURATIONS + _codes(known.duration, durations)
    return FittedTrees(trees=forest, step=step, place=place, bounds=bounds)


def _cuts(values: NDArray[Any], parts: int) -> NDArray[Any]:
    """Return the values that cut these into at most `parts` parts of about equal size."""
    return np.unique(np.quantile(values, np.arange(1, parts) / parts, method="inverted_cdf"))


def _codes(values: NDArray[Any], cuts: NDArray[Any]) -> Indices:
    return np.searchsorted(cuts, values, side="right").astype(np.int64)


def _matrix(slot: Indices, place: Indices, step: Indices, meter: Indices) -> NDArray[np.float64]:
    columns = (slot % _HOURS, slot // _HOURS, place // DURATIONS, place % DURATIONS, step, meter)
    return np.column_stack(columns).astype(np.float64)
