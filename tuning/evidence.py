"""The evidence of a stretch of summaries, all windows at once, and where it first crosses the line. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Ints
from monitor.verdict.calibration import Calibration, Key
from monitor.verdict.evidence import allowances, cusum
from monitor.verdict.summary import Summary, merge
from schemas.definition import Role


@dataclass(frozen=True)
class Crossing:
    """Where evidence first crosses the line. at: end of the window, ms."""

    at: int
    role: Role
    size: int
    signal: str
    value: float


def accumulated(calibration: Calibration, summary: Summary, role: Role, size: int) -> Floats:
    """Evidence after each window of a week, in units of z, shape (windows, signals)."""
    k = allowances(calibration.signals(role), size)
    counts = calibration.counts(summary.start + size * np.arange(summary.size // size), size)
    return cusum(calibration.z(summary, size), k, counts)


def evidence(calibration: Calibration, summary: Summary, role: Role, size: int) -> Floats:
    """The same in units of the line."""
    found: Floats = accumulated(calibration, summary, role, size) / calibration.lines[role, size]
    return found


def first_crossing(found: Floats, ends: Ints, key: Key, names: Sequence[str], *, after: int = 0) -> list[Crossing]:
    """The first window that ends after a moment and whose evidence is above the line; [] if there is none."""
    above = np.flatnonzero((found.max(1) > 1) & (ends > after))
    if not len(above):
        return []
    at = above[0]
    return [Crossing(int(ends[at]), *key, names[int(found[at].argmax())], float(found[at].max()))]


def aligned(summary: Summary, size: int) -> Summary:
    """The part of a summary that whole windows of a size cover."""
    return summary.between(-(-summary.start // size) * size, summary.end // size * size)


def spliced(calm: Summary, bent: Summary, onset: int) -> Summary:
    """One summary until the onset, the other from there on; both of the same stretch."""
    return merge([calm.between(calm.start, onset), bent.between(onset, bent.end)])
