"""Estimates the absolute error of rows whose labels have not come, from the bins of their summaries. Pure.

The error that is expected of a row is a sum: one term for the bin of each column that the model reads, and of its
prediction, and one for the hour of the week. What a window, or any stretch, is expected to have is then its counts
times the terms; no row is read. All of it is whole numbers, so that sums are exact.

It is learnt where labels are known. It sees that inputs have moved to where the model errs more, or less. It cannot
see that the same inputs now have other labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import expm1, log, sqrt
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from monitor.drift.columns import Floats, Ints
from monitor.verdict.harm import LABELS_NEEDED, Errors
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.season import DAY, Season
from monitor.verdict.signals import Reference
from monitor.verdict.summary import Summary, error_unit
from schemas.definition import EVENTS, Role

RELIABLE = 0.15
"""Relative error of an estimate, beyond chance, up to which it is used."""

STRANGE = 0.05
"""Values of a row that were rare in the training, beyond the usual number, up to which an estimate is used."""

DAYS_COMPARED = 7
"""Days of a stream whose estimates are compared with the labels that have come since."""

DAYS_NEEDED = 3
"""Fewer days do not say how good estimates are on the whole."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How estimates agreed with the errors of stretches that they were not learnt from.

    Attributes:
        size: Of the stretches, ms.
        stretches: How many there were.
        correlation: Of estimated with found mean absolute errors; None where one of them never varies.
        off: Root of the mean squared relative difference.
        chance: What of it is there if estimates are right, since the found error is of a sample.
    """

    size: int
    stretches: int
    correlation: float | None
    off: float
    chance: float

    @property
    def beyond_chance(self) -> float:
        """What of the difference chance does not explain."""
        return sqrt(max(self.off**2 - self.chance**2, 0.0))


class Terms(msgspec.Struct, frozen=True):
    """What each bin of a column adds. strange: bins of few rows in the training, or whose values have no end."""

    column: str
    terms: tuple[int, ...]
    strange: tuple[int, ...]


class Estimator(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Estimates absolute errors from summaries.

    Attributes:
        layout: Hash of the layout of the summaries.
        season: Of the hours.
        base: Of each row, in the unit of errors in summaries, as are all terms.
        hours: What the first of `Season.slots` adds.
        columns: What bins add.
        usual_strange: Strange values of a row, in the training.
        agreement: On weeks of the training that it was not learnt from: of hours and days, where there were any.
    """

    layout: str
    season: Season
    base: int
    hours: tuple[int, ...]
    columns: tuple[Terms, ...]
    usual_strange: float
    agreement: Annotated[tuple[Agreement, ...], Meta(max_length=8)]

    def encode(self) -> bytes:
        """Encode it as JSON; `decode` reads it."""
        return msgspec.json.encode(self)

    @property
    def refused(self) -> str | None:
        """Why its estimates are not used at all; None where they are."""
        if not self.agreement:
            return "the training was too short to try estimates of the error"
        if (off := self.agreement[-1].beyond_chance) > RELIABLE:
            return f"estimates of the error were {off:.0%} off where they were tried in the training"
        return None

    def weights(self, layout: SummaryLayout) -> tuple[Ints, Ints]:
        """Return what each bin of the events adds, and whether it is strange, both of shape (bins,).

        Args:
            layout: The one that it was made for.
        """
        added, strange = (np.zeros(layout.bins(EVENTS), np.int64) for _ in range(2))
        places = {column.name: place for column, place in layout.slices(EVENTS)}
        for one in self.columns:
            place = places[one.column]
            added[place] = one.terms
            strange[place.start + np.array(one.strange, np.int64)] = 1
        return added, strange


def decode(estimator: bytes) -> Estimator:
    """Decode what `Estimator.encode` returned.

    Raises:
        msgspec.ValidationError: It is something else.
    """
    return msgspec.json.decode(estimator, type=Estimator)


class Expected(msgspec.Struct, frozen=True, array_like=True):
    """The absolute errors that are expected of the events of a stretch.

    Attributes:
        start, end: Of the stretch, ms.
        rows: Events.
        strange: Their values that were rare in the training.
        found: What their errors are expected to add up to.
        usual: The same for events of the same hours in calm weeks.
    """

    start: int
    end: int
    rows: int
    strange: int
    found: float
    usual: float

    @classmethod
    def from_sums(cls, start: int, size: int, sums: Sequence[float]) -> Expected:
        """Take what `sums` returned of a window."""
        rows, strange, found, usual = sums
        return cls(start, start + size, int(rows), int(strange), found, usual)

    @property
    def sums(self) -> tuple[float, float, float, float]:
        """Rows, strange values, found, usual: as they are stored."""
        return float(self.rows), float(self.strange), self.found, self.usual

    @property
    def excess(self) -> float | None:
        """Growth of the mean absolute error that is expected, as a share; None where there are too few rows."""
        if self.rows < LABELS_NEEDED or self.usual <= 0:
            return None
        return self.found / self.usual - 1


def errors_of(role: Role, start: int, size: int, sums: Sequence[float]) -> Errors | Expected:
    """Take what is stored of a window: its errors, or those that are expected of its events."""
    if role == EVENTS:
        return Expected.from_sums(start, size, sums)
    labels, found, usual = sums
    return Errors.from_sums(start, size, (labels, found, usual))


def together(parts: Sequence[Expected]) -> Expected | None:
    """Add up stretches that follow one another; None without any."""
    if not parts:
        return None
    return Expected(
        parts[0].start,
        parts[-1].end,
        sum(part.rows for part in parts),
        sum(part.strange for part in parts),
        sum(part.found for part in parts),
        sum(part.usual for part in parts),
    )


class Trust(msgspec.Struct, frozen=True):
    """When estimates are used.

    Attributes:
        refused: Why they never are.
        strange: Strange values of a row up to which they are.
    """

    refused: str | None
    strange: float

    def doubt(self, rows: int, strange: int) -> str | None:
        """Why an estimate is not used; None where it is.

        Args:
            rows: That it is of.
            strange: Their values that were rare in the training.
        """
        if self.refused is not None or rows == 0 or strange / rows <= self.strange:
            return self.refused
        return f"{strange / rows - self.strange + STRANGE:.0%} more values than usual are unlike the training"

    def excess(
        self, parts: Sequence[Expected], days: Sequence[ComparedDay], until: int
    ) -> tuple[float | None, str | None]:
        """How far the error is expected to be above the usual, as a share, and why that is not known.

        Args:
            parts: Windows of events that follow one another.
            days: Of the stream, that were compared with labels.
            until: When labels have come, ms.
        """
        found = together(parts)
        if self.refused is not None:
            return None, self.refused
        if found is None or found.excess is None:
            return None, None
        off = off_by(days, until)
        if off is not None and off > RELIABLE:
            return None, f"estimates of the error were {expm1(off):.0%} off on the newest days that have labels"
        doubt = self.doubt(found.rows, found.strange)
        return (None, doubt) if doubt else (found.excess, None)


NO_ESTIMATOR = Trust("the model has nothing to estimate its errors with", 0.0)


class Estimation:
    """An estimator with the layout of the summaries that it is applied to."""

    def __init__(self, estimator: Estimator, layout: SummaryLayout) -> None:
        """layout: The one that it was made for."""
        self.estimator = estimator
        self._unit = error_unit(layout)
        self._added, self._strange = estimator.weights(layout)
        self._hours = np.array(estimator.hours, np.int64)

    @property
    def trust(self) -> Trust:
        """When its estimates are used."""
        return Trust(self.estimator.refused, self.estimator.usual_strange + STRANGE)

    def mean(self, summary: Summary) -> float | None:
        """The mean absolute error that is expected of events, in the unit of the label; None without any."""
        rows = int(summary.rows.sum())
        return None if rows == 0 else float(self._total(summary)) / rows * self._unit

    def remark(self, summary: Summary) -> str | None:
        """Why the estimate for these events is not used; None where it is."""
        return self.trust.doubt(int(summary.rows.sum()), self._strange_of(summary))

    def expected(self, reference: Reference, summary: Summary) -> Expected:
        """Add up what is expected of a window, and what is of the same hours in calm weeks.

        Args:
            reference: Of the events.
            summary: Of the window.
        """
        starts = summary.start + summary.step * np.arange(len(summary.rows))
        usual = self.usual(reference)[reference.season.slots(starts)[0]] + self._by_hour(starts)
        return Expected(
            summary.start,
            summary.end,
            int(summary.rows.sum()),
            self._strange_of(summary),
            float(self._total(summary)),
            float(summary.rows @ usual),
        )

    def usual(self, reference: Reference) -> Floats:
        """What columns add to the error of an event in calm weeks, shape (slots,)."""
        rows: Floats = np.maximum(reference.rows, 1e-9)
        found: Floats = reference.counts @ self._added.astype(np.float64) / rows
        return found

    def _total(self, summary: Summary) -> int:
        starts = summary.start + summary.step * np.arange(len(summary.rows))
        return int(summary.counts.sum(0) @ self._added + summary.rows @ self._by_hour(starts))

    def _by_hour(self, starts: Ints) -> Ints:
        found: Ints = self.estimator.base + self._hours[self.estimator.season.slots(starts)[0]]
        return found

    def _strange_of(self, summary: Summary) -> int:
        return int(summary.counts.sum(0) @ self._strange)


class ComparedDay(msgspec.Struct, array_like=True):
    """What was estimated for a day of a stream, and what its labels say. Times the usual, both of the day's hours.

    Attributes:
        start: ms.
        labels, found, usual: Of `Errors`, added up.
        rows, estimated, expected: Of `Expected`: rows, found and usual.
    """

    start: int
    labels: int = 0
    found: float = 0.0
    usual: float = 0.0
    rows: int = 0
    estimated: float = 0.0
    expected: float = 0.0

    def add(self, part: Errors | Expected) -> None:
        """Take in a window."""
        if isinstance(part, Errors):
            self.labels += part.labels
            self.found += part.found
            self.usual += part.usual
        else:
            self.rows += part.rows
            self.estimated += part.found
            self.expected += part.usual

    @property
    def off(self) -> float | None:
        """Logarithm of how many times the estimate the error was; None where that cannot be said."""
        values = (self.found, self.usual, self.estimated, self.expected)
        if min(self.labels, self.rows) < LABELS_NEEDED or min(values) <= 0:
            return None
        return log(self.found / self.usual) - log(self.estimated / self.expected)


def kept_days(days: Iterable[ComparedDay], part: Errors | Expected) -> list[ComparedDay]:
    """Take a window into the newest days, oldest first."""
    found = {day.start: day for day in days}
    start = part.start // DAY * DAY
    found.setdefault(start, ComparedDay(start)).add(part)
    return [found[at] for at in sorted(found) if at > max(found) - (DAYS_COMPARED + 1) * DAY]


def off_by(days: Sequence[ComparedDay], until: int) -> float | None:
    """How far estimates are off, beyond chance, as a share: on the newest days together, or the last two alone.

    Absolute errors are spread about as widely as they are large, so that chance is one by the root of the labels. A
    day alone counts beyond twice of it.

    Args:
        days: Of the stream, oldest first.
        until: When labels have come, ms: together with others, only a day that is over counts.

    Returns:
        None where no labels say anything.
    """
    over = [(day.off, day.labels) for day in days if day.start + DAY <= until]
    squares = [off**2 - 1 / labels for off, labels in over if off is not None]
    alone = [abs(day.off) - 2 / sqrt(day.labels) for day in days[-2:] if day.off is not None]
    together = [sqrt(max(sum(squares) / len(squares), 0.0))] if len(squares) >= DAYS_NEEDED else []
    return max([*together, *(max(off, 0.0) for off in alone)], default=None)
