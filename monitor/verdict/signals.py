"""Signals: how far a window is from what its hours usually hold, one number for each thing that may move.

The reference of a window is the sum of what the slots of its hours hold in an average calm week. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import add, sub

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from monitor.drift.columns import Floats, Ints
from monitor.verdict.layout import ERROR, NumberLayout, Places, SummaryLayout
from monitor.verdict.members import Signal, SignalKind
from monitor.verdict.season import HOUR, Season, outside
from monitor.verdict.summary import SUMS, Summary
from schemas.definition import LABELS, Role
from storage.chunk import PREDICTION

_LATE = 0.02
"""Share of labels that may be missing without anybody being told."""

MIN_ROWS = 20
"""Of fewer rows, or fewer expected rows, a window says nothing."""

MIN_SLOT_ROWS = 30
"""A slot of fewer rows falls back to a coarser one."""


def signals(layout: SummaryLayout, role: Role) -> tuple[Signal, ...]:
    """List the signals of the records of a role, in the order of `Scores`.

    Args:
        layout: Of the stream.
        role: Of the records.
    """
    columns = layout.columns(role)
    found = [Signal(c.name, _kind(c.name, role), None if c.name == ERROR else c.name) for c in columns]
    last = Signal("coverage", "coverage") if role == LABELS else Signal("volume", "volume")
    return (*found, last)


def _kind(column: str, role: Role) -> SignalKind:
    if column == ERROR:
        return "error"
    if role == LABELS:
        return "label"
    return "prediction" if column == PREDICTION else "column"


@dataclass(frozen=True)
class SlotSums:
    """What the slots of a season hold, added up. They add up and are taken from one another.

    Attributes:
        hours: Hours that were added up, shape (slots,).
        rows: Their records, shape (slots,).
        counts: Their records by bin, shape (slots, bins).
        sums: As in `Summary`, shape (slots, sums).
    """

    hours: Ints
    rows: Ints
    counts: Ints
    sums: Ints

    @classmethod
    def from_summary(cls, summary: Summary, season: Season, without: Iterable[int] = ()) -> SlotSums:
        """Add up the hours of a summary, which begins at a full hour, slot by slot.

        Args:
            summary: The hours.
            season: Whose slots they belong to.
            without: Starts of days whose hours do not count, ms.
        """
        hourly = summary.by_step(HOUR)
        starts = hourly.start + HOUR * np.arange(len(hourly.rows))
        counted = outside(without, starts, HOUR)
        slots = season.slots(starts[counted])[0]
        of_hours = hourly.rows[counted], hourly.counts[counted], hourly.sums[counted]
        made = [np.zeros((season.numbers[0], *a.shape[1:]), np.int64) for a in of_hours]
        for sums, values in zip(made, of_hours, strict=True):
            np.add.at(sums, slots, values)
        return cls(np.bincount(slots, minlength=season.numbers[0]), *made)

    def __add__(self, other: SlotSums) -> SlotSums:
        return SlotSums(*map(add, self.arrays, other.arrays))

    def __sub__(self, other: SlotSums) -> SlotSums:
        return SlotSums(*map(sub, self.arrays, other.arrays))

    @property
    def arrays(self) -> tuple[Ints, Ints, Ints, Ints]:
        """All that it holds."""
        return self.hours, self.rows, self.counts, self.sums


@dataclass(frozen=True)
class Reference:
    """What windows are compared with.

    Attributes:
        season: Of the stream.
        known: Calm time, added up by slot.
        recent: The newest of it: the level of the volume is taken from there, its shape from all of `known`.
    """

    season: Season
    known: SlotSums
    recent: SlotSums

    @cached_property
    def levels(self) -> Ints:
        """Which of `season.LEVELS` each slot is compared with, shape (slots,)."""
        enough = [rows >= MIN_SLOT_ROWS for rows, _ in self._pooled]
        return np.where(enough[0], 0, np.where(enough[1], 1, 2))

    @cached_property
    def rows(self) -> Floats:
        """Expected rows of an hour of each slot, shape (slots,)."""
        shape = self._by_hour(self.known.rows, self.known.hours)
        expected = float(self.recent.hours @ shape)
        return shape * (float(self.recent.rows.sum()) / expected if expected > 0 else 1.0)

    @cached_property
    def counts(self) -> Floats:
        """Expected rows of an hour of each slot by bin, shape (slots, bins)."""
        slots = np.arange(len(self.levels))
        held = np.stack([counts for _, counts in self._pooled])[self.levels, slots].astype(np.float64)
        rows = np.stack([rows for rows, _ in self._pooled])[self.levels, slots].astype(np.float64)
        return held * (self.rows / np.maximum(rows, 1))[:, None]

    def expected(self, summary: Summary) -> Floats:
        """Return what the hours of a summary usually hold by bin, shape (bins,)."""
        starts = summary.start + summary.step * np.arange(len(summary.rows))
        found: Floats = self.counts[self.season.slots(starts)[0]].sum(0) * (summary.step / HOUR)
        return found

    @cached_property
    def coverage(self) -> float:
        """Expected share of events that have a label; 1 where nothing is known."""
        events, matched = (float(self.known.sums[:, SUMS.index(name)].sum()) for name in ("events", "matched"))
        return matched / events if events else 1.0

    @cached_property
    def absolute_error(self) -> Floats:
        """Usual absolute error of a label of each slot, in the unit of summaries, shape (slots,).

        Of a slot with few labels it is that of its hour, or of all; 0 where no error is known.
        """
        labels, added = (self.known.sums[:, SUMS.index(name)] for name in ("errors", "absolute_error"))
        same = self._same_hour.astype(np.int64)
        found = np.full(len(labels), added.sum() / max(labels.sum(), 1))
        for member in (same, np.eye(len(labels), dtype=np.int64)):
            pooled = member @ labels
            found = np.where(pooled >= MIN_SLOT_ROWS, member @ added / np.maximum(pooled, 1), found)
        return found

    @cached_property
    def _pooled(self) -> tuple[tuple[Ints | Floats, Ints | Floats], ...]:
        """Rows and counts of each slot at each of LEVELS, shapes (slots,) and (slots, bins)."""
        rows, counts = self.known.rows, self.known.counts
        same = self._same_hour.astype(np.float64)  # exact, and many times as fast as whole numbers
        every = np.ones_like(same)
        return (rows, counts), (same @ rows, same @ counts), (every @ rows, every @ counts)

    @cached_property
    def _same_hour(self) -> NDArray[np.bool_]:
        """Which slots are of the same hour of the day, shape (slots, slots)."""
        hour = np.arange(len(self.known.hours)) % self.season.numbers[1]
        same: NDArray[np.bool_] = hour == hour[:, None]
        return same

    def _by_hour(self, rows: Ints, hours: Ints) -> Floats:
        """Rows of an hour of each slot; of a slot that was never seen, those of the same hour, or of all."""
        same = self._same_hour.astype(np.int64)
        found = np.full(len(hours), rows.sum() / max(hours.sum(), 1))
        for member in (same, np.eye(len(hours), dtype=np.int64)):
            seen = member @ hours
            found = np.where(seen > 0, member @ rows / np.maximum(seen, 1), found)
        return found


@dataclass(frozen=True)
class Scores:
    """Raw scores of windows of one size.

    Attributes:
        values: 0 where nothing has moved, shape (windows, signals).
        rows: What each is drawn from: records, labels with an error, or expected records, shape (windows, signals).
        expected: Expected records, or expected labels, shape (windows,).
        found: Records, or labels, shape (windows,).
    """

    values: Floats
    rows: Floats
    expected: Floats
    found: Floats


def scores(layout: SummaryLayout, reference: Reference, summary: Summary, size: int) -> Scores:
    """Compare the windows of a summary with their reference.

    Args:
        layout: Of the summary.
        reference: Of the same role.
        summary: Starts and ends where windows of the size do.
        size: Of the windows, ms.
    """
    steps, parts = len(summary.rows), size // summary.step
    starts = summary.start + summary.step * np.arange(steps)
    slots = reference.season.slots(starts)[0].reshape(-1, parts)
    share = (slots[:, :, None] == np.arange(len(reference.rows))).sum(1) * (summary.step / HOUR)
    window = summary.by_step(size)
    return _compared(layout, reference, summary.role, share, (window.rows, window.counts, window.sums))


def scores_of(layout: SummaryLayout, reference: Reference, role: Role, sums: SlotSums) -> Scores:
    """Compare the hours that were added up with their reference, as one window.

    Args:
        layout: Of the sums.
        reference: Of the same role.
        role: Of the records.
        sums: By slots of the same season.
    """
    held = (sums.rows.sum(0, keepdims=True), sums.counts.sum(0, keepdims=True), sums.sums.sum(0, keepdims=True))
    return _compared(layout, reference, role, sums.hours[None].astype(np.float64), held)


def _compared(
    layout: SummaryLayout, reference: Reference, role: Role, share: Floats, held: tuple[Ints, Ints, Ints]
) -> Scores:
    """Compare windows. share: hours of each slot in them. held: their rows, counts and sums, as in `Summary`."""
    rows, counts, sums = (each.astype(np.float64) for each in held)
    expected = share @ reference.rows
    found = distances(layout.places(role), counts, share @ reference.counts)
    drawn = np.repeat(rows[:, None], found.shape[1], axis=1)
    if role == LABELS:
        events, matched, errors = (sums[:, SUMS.index(name)] for name in ("events", "matched", "errors"))
        drawn[:, [c.name == ERROR for c in layout.labels]] = errors[:, None]
        covered = matched / np.maximum(events, 1)
        last, of_last = _uncovered(covered, reference.coverage, events) + 1 / (events + 1), events
        expected, rows = events * reference.coverage, matched
    else:
        last, of_last = np.abs(np.log((rows + 1) / (expected + 1))), expected
    values, drawn = (np.column_stack(each) for each in ((found, last), (drawn, of_last)))
    return Scores(values, drawn, expected, rows)


def _uncovered(covered: Floats, usual: float, events: Floats) -> Floats:
    """How many more labels are missing than usual, as a share, beyond what is tolerated.

    A stream loses the labels that come after the allowed lateness; the training set has lost none.
    """
    tolerated = _LATE + 2 * np.sqrt(_LATE / (events + 1))
    short: Floats = np.maximum(usual - covered - tolerated, 0.0)
    return short


def distances(places: Places, current: Floats, reference: Floats) -> Floats:
    """Distances of all columns at once, shape (windows, columns).

    Shares of a column add up to 1 on both sides, so that the sum of differences over all bins is 0 again where the
    next column begins. Columns without values on a side are left out for that.
    """
    usable = (places.values(current) > 0) & (places.values(reference) > 0)
    now, before = (places.shares(counts, usable) for counts in (current, reference))
    gap = np.cumsum(now - before, axis=1)
    found = np.zeros(usable.shape)
    areas = area(gap[:, :-1], gap[:, 1:]) * places.widths
    found[:, places.numbers] = places.added(areas)[:, places.numbers] * usable[:, places.numbers]
    found[:, places.numbers] += _outside(places, current, reference)
    found[:, places.categories] = _divergence(now, before, places)
    return found


def _divergence(now: Floats, before: Floats, places: Places) -> Floats:
    """Jensen-Shannon distances of the categories."""
    if not len(places.categories):
        return np.zeros((len(now), 0))
    p, q = now[:, places.of_categories], before[:, places.of_categories]
    middle = (p + q) / 2
    each = rel_entr(p, middle) + rel_entr(q, middle)
    added = np.add.reduceat(each, places.starts_of_categories, axis=1)
    distance: Floats = np.sqrt(np.maximum(added, 0.0) / 2)
    return distance


def _outside(places: Places, current: Floats, reference: Floats) -> Floats:
    """How much more or less is missing or below all edges, as shares: each counts as a value one scale away."""
    rows = np.maximum(places.added(current), 1)[:, places.numbers]
    expected = np.maximum(places.added(reference), 1e-9)[:, places.numbers]
    below, missing = (np.abs(current[:, at] / rows - reference[:, at] / expected) for at in places.ends)
    apart: Floats = below + missing
    return apart


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
    current, reference = current[:, :-1], reference[:, :-1]
    gap = np.cumsum(_shares(current) - _shares(reference), axis=1)[:, :-1]
    distance: Floats = area(gap[:, :-1], gap[:, 1:]) @ np.diff(column.bounds) / column.scale
    return np.where((current.sum(1) > 0) & (reference.sum(1) > 0), distance, 0.0)


def area(left: Floats, right: Floats) -> Floats:
    """Between edges both distribution functions are taken as straight; where they cross, two triangles remain."""
    total = np.abs(left) + np.abs(right)
    area: Floats = total / 2 + np.minimum(left * right, 0.0) / np.maximum(total, 1e-300)
    return area


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


def total(parts: Iterable[SlotSums]) -> SlotSums:
    """Add up one or more."""
    first, *others = parts
    for part in others:
        first += part
    return first


def _shares(counts: Ints | Floats) -> Floats:
    rows = counts.sum(axis=1, keepdims=True)
    shares: Floats = counts / np.where(rows > 0, rows, 1)
    return shares
