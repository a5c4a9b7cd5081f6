"""Signals (distances first)."""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

from monitor.drift.columns import Floats, Ints
from monitor.verdict.layout import NumberLayout


def wasserstein(column: NumberLayout, current: Ints | Floats, reference: Floats) -> Floats:
    """Estimate first Wasserstein distances from bins, in standard deviations of the layout's reference.

    Values beyond the outermost edges count as if they lay on them, as in `monitor.drift.number`.

    Args:
        column: The bins.
        current: Counts of windows, shape (windows, bins).
        reference: Counts that they are compared with, the same shape, or (1, bins) for all.

    Returns:
        Shape (windows,); 0 where a side has no values.
    """
    gap = np.cumsum(_shares(current[:, :-1]) - _shares(reference[:, :-1]), axis=1)[:, :-1]
    left, right = gap[:, :-1], gap[:, 1:]
    total = np.abs(left) + np.abs(right)
    # Between two edges both distribution functions are taken as straight; where they cross, two triangles remain.
    crossing = left * right < 0
    area = np.where(crossing, (left**2 + right**2) / np.where(crossing, total, 1), total) / 2
    distance: Floats = area @ np.diff(column.bounds) / column.scale
    return distance


def jensen_shannon(current: Ints | Floats, reference: Floats) -> Floats:
    """Compute Jensen-Shannon distances, base e: 0 when identical, 0.83 when nothing is shared.

    Args:
        current: Counts of windows, shape (windows, bins).
        reference: Counts that they are compared with, the same shape, or (1, bins) for all.

    Returns:
        Shape (windows,); 0 where a side has no values.
    """
    p, q = _shares(current), _shares(reference)
    middle = (p + q) / 2
    total = rel_entr(p, middle).sum(1) + rel_entr(q, middle).sum(1)
    usable = (current.sum(1) > 0) & (reference.sum(1) > 0)
    return np.where(usable, np.sqrt(np.maximum(total, 0.0) / 2), 0.0)


def _shares(counts: Ints | Floats) -> Floats:
    total = counts.sum(axis=1, keepdims=True)
    shares: Floats = counts / np.where(total > 0, total, 1)
    return shares
