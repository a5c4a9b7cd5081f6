"""How the values of a window lie beside those of the reference, column by column. Pure.

Bins are the reference's and both sides share them; numbers are clipped as for the drift score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.drift.category import CategoryReference
from monitor.drift.columns import Floats, numbers
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from schemas.definition import Stream
from schemas.figures import MISSING, NEW, OUTSIDE
from storage.chunk import PREDICTION

BINS = 30
WHOLE = 40
"""Whole numbers in a range up to so wide have a bin each."""
TOP = 12
NEWEST = 20


@dataclass(frozen=True)
class NumberBins:
    """edges: ascending, shape (bins + 1,). low, high: outside is counted apart. reference: as `shares` gives it."""

    edges: Floats
    low: float
    high: float
    reference: tuple[list[float], float, float]
    median: float | None
    usual: Mapping[str, float | None]

    @classmethod
    def from_column(
        cls, column: pa.ChunkedArray, label_range: tuple[float, float] | None = None
    ) -> NumberBins | None:
        """Make the bins of a reference's column; None for one without values.

        Args:
            column: Numbers, with nulls.
            label_range: Inclusive; of a label, what lies outside is left out.

        Raises:
            TypeError: The values are no numbers.
        """
        prepared = NumberReference.from_column(column, Config().clip, label_range)
        if not prepared.count:
            return None
        low, high = prepared.low, prepared.high
        values = numbers(column)
        if np.array_equal(values, np.floor(values)) and high - low <= WHOLE:
            low, high = np.floor(low), np.ceil(high)
            edges = np.arange(low - 0.5, high + 1.0)
        else:
            edges = np.linspace(low, high, BINS + 1)
        found = shares(values, edges, low, high), median(values, low, high)
        return cls(edges, low, high, *found, usual(prepared, column))

    def compare(self, column: pa.ChunkedArray) -> dict[str, Any]:
        """Return a window's column beside the reference, as JSON takes it."""
        values = numbers(column)
        current = shares(values, self.edges, self.low, self.high)
        sides = {"reference": self.reference, "current": current}
        return {
            "kind": "number",
            "edges": self.edges.tolist(),
            "median": {"reference": self.median, "current": median(values, self.low, self.high)},
            **{side: found[0] for side, found in sides.items()},
            "below": {side: found[1] for side, found in sides.items()},
            "above": {side: found[2] for side, found in sides.items()},
            "usual": self.usual,
        }


def shares(values: Floats, edges: Floats, low: float, high: float) -> tuple[list[float], float, float]:
    """Return the share of the values in each bin, below and above, adding up to 1; all 0 where there are none."""
    rows = max(len(values), 1)
    below, above = int((values < low).sum()), int((values > high).sum())
    inside = values[(values >= low) & (values <= high)]
    counts = np.histogram(inside, edges)[0]
    return (counts / rows).tolist(), below / rows, above / rows


def median(values: Floats, low: float, high: float) -> float | None:
    """Return the median of the values clipped to [low, high]; None where there are none."""
    return float(np.median(np.clip(values, low, high))) if len(values) else None


@dataclass(frozen=True)
class CategoryBins:
    prepared: CategoryReference
    usual: Mapping[str, float | None] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def compare(self, column: pa.ChunkedArray) -> dict[str, Any]:
        """Return a window's column beside the reference, as JSON takes it.

        labels: those with the largest share on either side. new: those that the reference does not have.
        """
        summary, ours = self.prepared.summarize(column), max(self.prepared.count, 1)
        rows = max(summary.count, 1)
        both = {
            name: (float(before) / ours, float(now) / rows)
            for name, before, now in zip(self.prepared.labels, self.prepared.counts, summary.known, strict=True)
        } | {name: (0.0, count / rows) for name, count in summary.new.items()}
        top = sorted(both, key=lambda name: (-max(both[name]), name))[:TOP]
        new = sorted(summary.new, key=lambda name: (-summary.new[name], name))[:NEWEST]
        rest = [both[name] for name in both.keys() - {*top}]
        return {
            "kind": "category",
            "labels": top,
            "reference": [both[name][0] for name in top],
            "current": [both[name][1] for name in top],
            "other": {"reference": sum(r for r, _ in rest), "current": sum(c for _, c in rest)},
            "new": [{"label": name, "share": summary.new[name] / rows} for name in new],
            "names": {name: self.names[name] for name in (*top, *new) if name in self.names},
            "usual": self.usual,
        }


Bins = Mapping[str, NumberBins | CategoryBins]


def reference_bins(reference: pa.Table, stream: Stream) -> Bins:
    """Make the bins of every column that can be shown. reference: a model's, of that stream."""
    found: dict[str, NumberBins | CategoryBins] = {}
    label_range = stream.labels.label_range if stream.labels is not None else None
    for name in (*stream.events.numbers, PREDICTION, stream.label or ""):
        if name in reference.column_names:
            bins = NumberBins.from_column(reference[name], label_range if name == stream.label else None)
            if bins is not None:
                found[name] = bins
    for name in stream.events.categories:
        if name in reference.column_names:
            category = CategoryReference.from_column(reference[name])
            found[name] = CategoryBins(category, usual(category, reference[name]), stream.value_names(name))
    return found


def usual(prepared: NumberReference | CategoryReference, column: pa.ChunkedArray) -> dict[str, float | None]:
    """Return what the reference itself is missing and has out of range, 0 to 1, as the monitor counts it."""
    figures = prepared.summarize(column).figures
    return {
        "missing": figures.get(MISSING),
        "new_categories": figures.get(NEW),
        "out_of_range": figures.get(OUTSIDE),
    }


def compare(bins: Bins, events: pa.Table, labels: pa.Table | None) -> dict[str, Any]:
    """Return the columns of a window beside the reference; one that is in neither table is left out."""
    found = {}
    for name, of_reference in bins.items():
        for table in (events, labels):
            if table is not None and name in table.column_names:
                found[name] = of_reference.compare(table[name])
    return found
