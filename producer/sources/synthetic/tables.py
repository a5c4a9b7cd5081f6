"""Draws from tables: quantiles are an inverse distribution function, a choice is a list of values and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_STEPS = 2048


@dataclass(frozen=True)
class Quantiles:
    """Several distributions by their quantiles, on an even grid, so that a draw is one look-up and no search.

    grid: shape (tables, _STEPS + 2); the last column repeats the one before it.
    """

    grid: Floats

    @classmethod
    def from_tables(cls, at: Sequence[float], tables: Sequence[Sequence[float]]) -> Quantiles:
        """Make distributions from quantiles.

        Args:
            at: Probabilities, ascending from 0 to 1.
            tables: Quantiles at these probabilities, one row for each distribution.

        Raises:
            ValueError: The quantiles of a row descend.
        """
        if any(np.any(np.diff(table) < 0) for table in tables):
            raise ValueError("the quantiles of a table must not descend")
        even = np.minimum(np.arange(_STEPS + 2) / _STEPS, 1.0)
        return cls(np.array([np.interp(even, at, table) for table in tables]))

    def draw(self, rng: np.random.Generator, tables: Ints | int, size: int) -> Floats:
        """Draw values, shape (size,).

        Args:
            rng: The random generator.
            tables: Row number of the distribution of each value, shape (size,), or one for all.
            size: How many.
        """
        place = rng.random(size) * _STEPS
        step = place.astype(np.int64)
        flat = self.grid.ravel()
        at = step + np.asarray(tables) * self.grid.shape[1]
        low = flat[at]
        drawn: Floats = low + (flat[at + 1] - low) * (place - step)
        return drawn


@dataclass(frozen=True)
class Choice:
    """A distribution over a few values. cumulative: ascending to 1, shape (values,)."""

    values: Floats
    cumulative: Floats

    @classmethod
    def from_weights(cls, weights: Mapping[str, float]) -> Choice:
        """Make a distribution. weights: by value, as JSON writes it. Raises ValueError if none is above 0."""
        shares = np.array(list(weights.values()), dtype=float)
        if shares.sum() <= 0:
            raise ValueError("a choice needs a weight above 0")
        return cls(np.array([float(value) for value in weights]), np.cumsum(shares) / shares.sum())

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Draw values, shape (size,)."""
        at = np.searchsorted(self.cumulative, rng.random(size), side="right")
        drawn: Floats = self.values[np.minimum(at, len(self.values) - 1)]
        return drawn


def happens(rng: np.random.Generator, probability: Floats | float, size: int) -> Bools:
    """True with the given probability (one for all, or one each), shape (size,)."""
    return rng.random(size) < probability
