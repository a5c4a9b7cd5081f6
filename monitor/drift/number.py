"""A number of the reference, prepared: figures of a window's column, and its Wasserstein distance. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from monitor.drift.columns import ColumnSummary, Floats, Ints, numbers
from schemas.figures import MEAN, MISSING, OUTSIDE, QUANTILES


@dataclass(frozen=True)
class NumberReference:
    """Numbers of the reference, ascending. low, high: what counts as out of range, in every window.

    outside: what becomes of those for the drift score: clipped to the bounds, left out, or kept as they are.
    """

    method: ClassVar[str] = "wasserstein"  # the test of Evidently's that `distance` computes

    values: Floats
    low: float
    high: float
    outside: Literal["clip", "drop", "keep"] = "clip"

    @classmethod
    def from_column(
        cls, column: pa.ChunkedArray, clip: tuple[float, float], label_range: tuple[float, float] | None = None
    ) -> NumberReference:
        """Prepare a column of the reference.

        Args:
            column: Of the reference.
            clip: Quantiles of the column to whose range it is clipped.
            label_range: Of a label: values outside are left out instead.

        Raises:
            TypeError: The column does not hold numbers.
        """
        values = numbers(column)
        if label_range is not None:
            low, high = label_range
            return cls(values[(values >= low) & (values <= high)], low, high, "drop")
        if not len(values):
            return cls(values, -np.inf, np.inf)
        low, high = (float(q) for q in np.quantile(values, clip))
        if low == high:  # it hardly ever varies: clipping would hide that it now does
            return cls(values, float(values[0]), float(values[-1]), "keep")
        return cls(np.clip(values, low, high), low, high)

    @property
    def count(self) -> int:
        return len(self.values)

    @cached_property
    def norm(self) -> float:
        """Standard deviation, as Evidently norms the Wasserstein distance: never below 0.001."""
        return max(float(np.std(self.values)), 0.001)

    @cached_property
    def steps(self) -> tuple[Floats, Floats, Floats]:
        """Distinct values; the distribution function from each on; its integral up to each.

        The first entry of each stands for all that lies before the smallest value.
        """
        support, counts = np.unique(self.values, return_counts=True)
        share = np.concatenate([[0.0], np.cumsum(counts) / self.count])
        area = np.concatenate([[0.0, 0.0], np.cumsum(np.diff(support) * share[1:-1])])
        return np.concatenate([support[:1], support]), share, area

    @cached_property
    def area(self) -> Floats:
        """Integral of the distribution function up to each of `values`."""
        support, _, area = self.steps
        found: Floats = area[1:][np.searchsorted(support[1:], self.values)]
        return found

    def summarize(self, column: pa.ChunkedArray) -> ColumnSummary:
        """Compute the figures of a window's column.

        Raises:
            TypeError: It does not hold numbers.
        """
        values = numbers(column)
        rows, count = len(column), len(values)
        if not count:
            return ColumnSummary(0, {MISSING: 1.0 if rows else None, **dict.fromkeys((OUTSIDE, *QUANTILES, MEAN))})
        below = int(values.searchsorted(self.low, "left"))
        inside = int(values.searchsorted(self.high, "right"))
        figures: dict[str, float | None] = {
            MISSING: (rows - count) / rows,
            OUTSIDE: (count - (inside - below)) / count,
            **{name: quantile(values, q) for name, q in QUANTILES.items()},
            MEAN: float(np.add.reduce(values)) / count,
        }
        if self.outside == "drop":
            return ColumnSummary(inside - below, figures, values[below:inside])
        if self.outside == "clip":
            values[:below], values[inside:] = self.low, self.high
        return ColumnSummary(count, figures, values)

    def distance(self, summary: ColumnSummary) -> float:
        """Compute the first Wasserstein distance, in standard deviations of the reference: 0 when identical.

        Args:
            summary: Of a column with at least one usable value.
        """
        return wasserstein(summary.numbers, self) / self.norm

    def sides(self, summary: ColumnSummary) -> tuple[pd.Series[Any], pd.Series[Any]]:
        """(reference, window) as Evidently's statistical tests take them."""
        return pd.Series(self.values), pd.Series(summary.numbers)


def quantile(values: Floats, q: float) -> float:
    """Compute a quantile, linear between neighbours: numpy's default, bit for bit.

    Args:
        values: Ascending, at least one, shape (rows,).
        q: 0 to 1.
    """
    at = q * (len(values) - 1)
    left = int(at)
    a, b = float(values[left]), float(values[min(left + 1, len(values) - 1)])
    t = at - left
    return b - (b - a) * (1 - t) if t >= 0.5 else a + (b - a) * t


def wasserstein(values: Floats, reference: NumberReference) -> float:
    """Compute the area between two distribution functions, in the column's unit.

    Between two neighbours a, b in the window its distribution function is level; the reference's, which climbs,
    crosses that level at most once, at q. So every stretch is two differences of an integral known beforehand:
    O(n log m) for a window of n rows, where sorting both together is O((n + m) log (n + m)). Where a = b there is
    no area, so only different neighbours are computed; the zeros between them keep the order of the sum.

    Args:
        values: Of the window, ascending, at least one, shape (rows,).
        reference: Prepared.
    """
    support, share, area = reference.steps
    last = np.flatnonzero(values[1:] != values[:-1])  # of each distinct value, but for the largest
    distinct = np.append(values.take(last), values[-1])
    at = support[1:].searchsorted(distinct, "right")
    integral = area.take(at) + (distinct - support.take(at)) * share.take(at)
    a, b, to_a, to_b = distinct[:-1], distinct[1:], integral[:-1], integral[1:]
    levels, places = _levels(len(values), reference.count)
    level, place = levels.take(last), places.take(last)
    q = reference.values.take(place).clip(a, b)
    to_q = reference.area.take(place).clip(to_a, to_b)
    between = np.zeros(len(values) - 1)
    between[last] = level * ((q - a) - (b - q)) - ((to_q - to_a) - (to_b - to_q))
    after = max(reference.values[-1] - values[-1], 0.0) - max(area[-1] - integral[-1], 0.0)
    return max(float(integral[0] + np.add.reduce(between) + after), 0.0)


@lru_cache(maxsize=16)
def _levels(count: int, reference: int) -> tuple[Floats, Ints]:
    """k / count for k = 1 … count - 1, and the place in `reference` sorted values where that share is reached."""
    k = np.arange(1, count)
    return k / count, -(-k * reference // count) - 1
