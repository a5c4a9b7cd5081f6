"""Harm: whether the model's error is above what it usually is, by more than is tolerated. Pure.

Evidence says that something has changed, however little. This says what it costs: the mean absolute error of a
day, as a multiple of what labels of the same hours have in calm weeks. Less error is never too much. That only a
shift that raises the error is harmful is the view of Podkopaev and Ramdas (arXiv 2110.06177).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from monitor.drift.columns import Floats, Ints
from monitor.verdict.season import DAY, outside
from monitor.verdict.signals import Reference
from monitor.verdict.summary import SUMS, Summary

TOLERATED = 0.2
"""Growth of the mean absolute error that is not harm, as a share."""

LABELS_NEEDED = 200
"""The error of fewer labels says nothing."""


class Errors(msgspec.Struct, frozen=True, array_like=True):
    """Absolute errors of the labels of a stretch, added up.

    Attributes:
        start, end: Of the stretch, ms.
        labels: That have an error.
        found: Their absolute errors.
        usual: What labels of the same hours have in calm weeks, in the same unit.
    """

    start: int
    end: int
    labels: int
    found: float
    usual: float

    @classmethod
    def from_sums(cls, start: int, size: int, sums: tuple[float, float, float]) -> Errors:
        """Take what `sums` returned of a window."""
        labels, found, usual = sums
        return cls(start, start + size, int(labels), found, usual)

    @property
    def sums(self) -> tuple[float, float, float]:
        """Labels, found, usual: as they are stored."""
        return float(self.labels), self.found, self.usual

    @property
    def excess(self) -> float | None:
        """Growth of the mean absolute error, as a share; None where there are too few labels to say."""
        if self.labels < LABELS_NEEDED or self.usual <= 0:
            return None
        return self.found / self.usual - 1


def added(parts: Sequence[Errors]) -> Errors | None:
    """Add up stretches that follow one another; None without any."""
    if not parts:
        return None
    return Errors(
        parts[0].start,
        parts[-1].end,
        sum(part.labels for part in parts),
        sum(part.found for part in parts),
        sum(part.usual for part in parts),
    )


def errors(reference: Reference, summary: Summary) -> Errors:
    """Add up the absolute errors of a window of labels.

    Args:
        reference: Of the labels.
        summary: Of the window.
    """
    labels, found, usual = _by_step(reference, summary)
    return Errors(summary.start, summary.end, int(labels.sum()), float(found.sum()), float(usual.sum()))


def line_of_harm(calm: Iterable[tuple[Reference, Summary, Iterable[int]]]) -> float:
    """Return the excess from which on a day is harmed: what is tolerated, or the most of any day of calm weeks.

    Args:
        calm: Each calm season, or day: the reference that the others make, its labels, and days that do not count.
    """
    return max([TOLERATED, *(_largest(reference, summary, days) for reference, summary, days in calm)])


def _by_step(reference: Reference, summary: Summary) -> tuple[Ints, Floats, Floats]:
    """Labels, their absolute errors, and what those usually are, of each hour or shorter step."""
    slots = reference.season.slots(_starts(summary))[0]
    labels, found = (summary.sums[:, SUMS.index(name)] for name in ("errors", "absolute_error"))
    return labels, found.astype(np.float64), labels * reference.absolute_error[slots]


def _starts(summary: Summary) -> Ints:
    return summary.start + summary.step * np.arange(len(summary.rows))


def _largest(reference: Reference, summary: Summary, days: Iterable[int]) -> float:
    """The largest excess of any 24 hours."""
    counts, steps = outside(days, _starts(summary), summary.step), min(DAY // summary.step, len(summary.rows))
    labels, found, usual = (
        np.convolve(each * counts, np.ones(steps), "valid") for each in _by_step(reference, summary)
    )
    enough = (labels >= LABELS_NEEDED) & (usual > 0)
    return float((found[enough] / usual[enough] - 1).max(initial=0.0))
