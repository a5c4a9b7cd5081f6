"""Scores of all signals, sizes and hours on one scale: z. Pure.

z = (log x - a - b log n - effect of the time of the week) / σ, as in calm weeks. One slope for all row counts, so
that few weeks suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.drift.columns import Floats, Ints
from monitor.verdict.signals import MIN_ROWS, Scores

LOWEST, HIGHEST = -3.0, 6.0
"""Of z: no single window decides alone."""

_SHRINKAGE = 3.0
"""An effect of n windows is taken as n / (n + 3) of their mean."""

_NOISE = 0.3
"""Scores below this / sqrt(rows) differ by chance alone."""

_SLOPE, _TRUST = -0.25, 1.0
"""What the slope is drawn to where rows hardly vary, and how strongly."""


@dataclass(frozen=True)
class Standard:
    """Coefficients of windows of one role and size.

    Attributes:
        intercept, slope, center, sigma: a, b, mean of log n, σ: shape (signals,).
        effects: Of the time of the week, shape (positions, signals).
    """

    intercept: Floats
    slope: Floats
    center: Floats
    effects: Floats
    sigma: Floats

    @classmethod
    def fit(cls, scores: Scores, positions: Ints) -> Standard:
        """Fit the coefficients to the scores of calm windows, each compared with other weeks than its own.

        Args:
            scores: Of the windows.
            positions: When in the season each begins, as `Season.positions` numbers it, shape (windows,).
        """
        known, y, n = _usable(scores)
        weight = known.astype(np.float64)
        rows = np.maximum(weight.sum(0), 1.0)
        center, intercept = (weight * n).sum(0) / rows, (weight * y).sum(0) / rows
        apart = weight * (n - center)
        slope = ((apart * y).sum(0) + _SLOPE * _TRUST) / ((apart * apart).sum(0) + _TRUST)
        rest = weight * (y - intercept - slope * (n - center))
        at = (positions == np.arange(int(positions.max(initial=0)) + 1)[:, None]).astype(np.float64)
        effects = at @ rest / (at @ weight + _SHRINKAGE)
        rest = np.where(known, rest - effects[positions], np.nan)
        return cls(intercept, slope, center, effects, _spread(rest))

    def z(self, scores: Scores, positions: Ints) -> Floats:
        """Standardise scores, shape (windows, signals); 0 where a window has too few rows.

        Args:
            scores: Of windows.
            positions: As for `fit`.
        """
        known, y, n = _usable(scores)
        return np.where(known, np.clip((y - self._usual(n, positions)) / self.sigma, LOWEST, HIGHEST), 0.0)

    def beyond(self, scores: Scores, positions: Ints) -> Floats:
        """Return by how much scores exceed what is usual, shape (windows, signals); 0 where z is.

        Args:
            scores: Of windows.
            positions: As for `fit`.
        """
        known, y, n = _usable(scores)
        return np.where(known, np.maximum(np.exp(y) - np.exp(self._usual(n, positions)), 0.0), 0.0)

    def _usual(self, n: Floats, positions: Ints) -> Floats:
        """What log x is in calm windows. n: log of the rows."""
        effects = np.where(
            (positions < len(self.effects))[:, None],
            self.effects[np.minimum(positions, len(self.effects) - 1)],
            0.0,
        )
        usual: Floats = self.intercept + self.slope * (n - self.center) + effects
        return usual


def _usable(scores: Scores) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Which scores say something, their logarithms, and those of their rows."""
    known = scores.rows >= MIN_ROWS
    rows = np.maximum(scores.rows, 1.0)
    return known, np.log(scores.values + _NOISE / np.sqrt(rows)), np.log(rows)


def _spread(rest: Floats) -> Floats:
    """A standard deviation that single windows do not move, of each column; 1 where nothing is known."""
    known = np.isfinite(rest)
    count = known.sum(0)
    filled = np.where(known, rest, 0.0)
    mean = filled.sum(0) / np.maximum(count, 1)
    deviation = np.sqrt((known * (filled - mean) ** 2).sum(0) / np.maximum(count, 1))
    robust = 1.4826 * _median(np.abs(rest - _median(rest, count)), count) + 0.05
    return np.where(count > 0, np.maximum(robust, 0.7 * deviation), 1.0)


def _median(values: Floats, count: Ints) -> Floats:
    """Of the first `count` of each column in ascending order: NaN comes last."""
    ordered, columns = np.sort(values, axis=0), np.arange(values.shape[1])
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(values) - 1)
    middle: Floats = (ordered[low, columns] + ordered[high, columns]) / 2
    return middle
