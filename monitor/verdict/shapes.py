"""Shapes: what a column holds in two or more stretches of time, laid beside one another for a chart. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.drift.columns import Floats
from monitor.verdict.layout import CategoryLayout, ColumnLayout, NumberLayout

BINS = 30
INTEGERS = 40
"""A range of whole numbers that is no wider has a bin for each."""

TOP = 8
"""Values of a category that are shown one by one."""

Counts = Mapping[str, Floats]
"""By side, rows in each bin of a column."""


def shape(column: ColumnLayout, counts: Counts) -> dict[str, Any]:
    """Return the sides of a column as shares of the rows that have a value; None for a side that has none.

    Args:
        column: Its bins.
        counts: Rows in each of them, shape (bins,).
    """
    made = _category(column, counts) if isinstance(column, CategoryLayout) else _number(column, counts)
    rows = {side: float(each.sum()) for side, each in counts.items()}
    missing = {side: float(each[-1]) / rows[side] if rows[side] else None for side, each in counts.items()}
    return made | {"rows": rows, "missing": missing}


def quantile(column: NumberLayout, counts: Floats, share: float) -> float | None:
    """Estimate a quantile of a number from its bins; None without values.

    Args:
        column: Its bins.
        counts: Rows in each of them, shape (bins,).
        share: Of the values that lie below it, 0 to 1.
    """
    total = counts[:-1].sum()
    if not total:
        return None
    return float(np.interp(share, np.cumsum(counts[:-1])[:-1] / total, column.bounds))


def _number(column: NumberLayout, counts: Counts) -> dict[str, Any]:
    """What lies beyond the outermost edges is drawn in the first bin and in the last one."""
    bounds = column.bounds
    low, high = float(bounds[0]), float(bounds[-1])
    if high - low <= INTEGERS and np.allclose(bounds, np.round(bounds)):
        edges = np.arange(np.round(low) - 0.5, np.round(high) + 1.0)
    else:
        edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    sides: dict[str, Any] = dict.fromkeys(counts)
    for side, each in counts.items():
        if total := each[:-1].sum():
            at = np.interp(edges, bounds, np.cumsum(each[:-1])[:-1] / total)
            at[0], at[-1] = 0.0, 1.0
            sides[side] = np.diff(at).tolist()
    medians = {side: quantile(column, each, 0.5) for side, each in counts.items()}
    return {"kind": "number", "edges": edges.tolist(), "median": medians, **sides}


def _category(column: CategoryLayout, counts: Counts) -> dict[str, Any]:
    totals = {side: float(each[:-1].sum()) for side, each in counts.items()}
    shares = {side: each[:-1] / totals[side] if totals[side] else None for side, each in counts.items()}
    most = np.max([np.zeros(column.bins - 1), *(each for each in shares.values() if each is not None)], axis=0)
    top = sorted(range(len(column.values)), key=lambda place: (-most[place], column.values[place]))[:TOP]
    sides: dict[str, Any] = dict.fromkeys(counts)
    for side, each in shares.items():
        if each is not None:
            shown, new = [float(each[place]) for place in top], float(each[-1])
            sides[side] = [*shown, max(0.0, 1.0 - sum(shown) - new), new]
    return {"kind": "category", "labels": [*(column.values[place] for place in top), "others", "new"], **sides}
