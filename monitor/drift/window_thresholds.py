"""Thresholds that know when a window is, how long it is and how many rows it has. Pure.

Distances of calm windows from the whole reference follow a pattern: small at noon on weekdays, large on Sunday
nights, whatever the number of rows. Thresholds drawn from anywhere in the reference are too low for one hour and
too high for another. So the reference itself is cut into windows of the same size, and each is scored as if the
rest were the reference.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa

from monitor.drift.columns import ColumnSummary, Floats, Ints, ReferenceColumn

HOUR = 3_600_000
DAY = 24 * HOUR
WEEK = 7 * DAY
_MONDAY = 4 * DAY
"""The first Monday after the epoch."""

SEASONS = 2
FEWEST, MOST = 20, 1_000
"""Windows of a size to learn from."""

LEVEL = 3.0
"""Standard deviations, in the logarithm of the distance, above what is usual for a window."""

_OFFSET, _LEAST = 0.5, 1e-6
"""Of the median distance, and at least: what is added to a distance before its logarithm is taken."""

_SAMPLING = -0.5
"""Slope of a distance that is nothing but sampling error: quiet hours that are different as well are no steeper."""

_PRIOR = 3.0
"""Windows without an effect that each slot is taken to have besides its own."""

_SPREAD = 0.05
_GOLDEN = (5**0.5 - 1) / 2


class WindowThresholds(msgspec.Struct, frozen=True):
    """What is usual for the windows of one size.

    log (distance + offset) = level + slope · (log rows − rows) + effect of the slot, give or take the spread.

    season: in ms; 0 without one. rows: mean of log rows. spread: standard deviation. effects: by slot.
    """

    season: int
    offset: float
    level: float
    slope: float
    rows: float
    spread: float
    effects: dict[int, float]

    def threshold(self, start: int, rows: int, floor: float) -> float:
        """Return the threshold of a window.

        Args:
            start: Of the window, ms since the epoch.
            rows: Usable values of the window, at least 1.
            floor: The least threshold.
        """
        slot = int(slots(np.array([start]), self.season)[0])
        usual = self.level + self.slope * (np.log(rows) - self.rows) + self.effects.get(slot, 0.0)
        return max(floor, float(np.exp(usual + LEVEL * self.spread)) - self.offset)


def slots(starts: Ints, season: int) -> Ints:
    """Return the slots of windows in the season of their stream, shape (windows,).

    In a week, weekdays are alike: a slot is the hour of a weekday, of a Saturday or of a Sunday. In another season
    it is the hour since the season began. All windows of a stream without a season are in one slot.

    Args:
        starts: ms since the epoch, shape (windows,).
        season: In ms; 0 without one.
    """
    if not season:
        return np.zeros(len(starts), np.int64)
    hours = (starts - _MONDAY) % season // HOUR
    if season != WEEK:
        return hours
    day, hour = np.divmod(hours, 24)
    slot: Ints = np.maximum(day - 4, 0) * 24 + hour
    return slot


def fit(
    column: pa.ChunkedArray,
    times: Ints,
    prepared: ReferenceColumn,
    score: Callable[[ColumnSummary], float],
    *,
    min_rows: int,
    size: int,
    season: int,
) -> WindowThresholds | None:
    """Learn what is usual from the windows of the reference.

    A window is part of what it is compared with, which shrinks its distance by its share; that is undone.

    Args:
        column: Of the reference, by event time, ascending.
        times: Event times of its rows, ms.
        prepared: The same column.
        score: A distance of a window.
        min_rows: Usable values that a window needs.
        size: Of the windows, ms.
        season: In ms; 0 without one.

    Returns:
        None where the reference is shorter than two seasons, or has too few windows of this size.
    """
    if not len(times) or not is_long_enough(times[0], times[-1], size, season):
        return None
    starts = np.arange(times[0] // size * size, times[-1] + 1, size)
    edges = np.searchsorted(times, [*starts, starts[-1] + size])
    enough = np.flatnonzero(np.diff(edges) >= min_rows)
    chosen = enough if len(enough) <= MOST else enough[spread_evenly(len(enough))]
    summaries = [prepared.summarize(column.slice(edges[i], edges[i + 1] - edges[i])) for i in chosen]
    counts = np.array([summary.count for summary in summaries])
    if (counts >= min_rows).sum() < FEWEST:
        return None
    scored = [score(summary) if summary.count >= min_rows else 0.0 for summary in summaries]
    return fit_distances(np.array(scored), counts, prepared.count, starts[chosen], min_rows=min_rows, season=season)


def is_long_enough(first: int, last: int, size: int, season: int) -> bool:
    """Tell whether a reference holds two seasons. first, last: event times of its rows; all in ms."""
    return last - first >= SEASONS * season - size


def fit_distances(
    distances: Floats, counts: Ints, total: int, starts: Ints, *, min_rows: int, season: int
) -> WindowThresholds | None:
    """Learn what is usual from the distances of the reference's windows from all of it.

    Args:
        distances: Shape (windows,).
        counts: Usable values of each window, shape (windows,).
        total: Those of the whole reference.
        starts: Of the windows, ms since the epoch, shape (windows,).
        min_rows: Usable values that a window needs.
        season: In ms; 0 without one.

    Returns:
        None where too few windows have enough values.
    """
    usable = counts >= min_rows
    if usable.sum() < FEWEST:
        return None
    own = counts[usable]
    return _fit(distances[usable] / (1 - own / total), np.log(own), slots(starts[usable], season), season)


def _effects(rest: Floats, groups: Ints) -> dict[int, float]:
    """Mean of each group, drawn towards 0 where it has few windows."""
    found = np.unique(groups)
    return {int(g): float(rest[groups == g].sum() / ((groups == g).sum() + _PRIOR)) for g in found}


def spread_evenly(windows: int) -> Ints:
    """Choose MOST of very many windows, never in step with the hours of a day."""
    return np.unique((np.arange(1, MOST + 1) * _GOLDEN % 1 * windows).astype(np.int64))


def _fit(distances: Floats, rows: Floats, slot: Ints, season: int) -> WindowThresholds:
    """Fit level and slope, then what is left by the hour, then by the day.

    The offset keeps the logarithms of very small distances from making up most of the spread.

    Args:
        distances: Shape (windows,).
        rows: Their logarithms, shape (windows,).
        slot: Of each window, shape (windows,).
        season: In ms; 0 without one.
    """
    offset = _OFFSET * float(np.median(distances)) + _LEAST
    scores = np.log(distances + offset)
    mean, level = float(rows.mean()), float(scores.mean())
    centred = rows - mean
    squares = float(centred @ centred)
    slope = min(max(float(centred @ scores) / squares, _SAMPLING), 0.0) if squares > 0 else 0.0
    rest = scores - level - slope * centred
    hours = _effects(rest, slot % 24)
    rest -= np.array([hours[int(s) % 24] for s in slot])
    days = _effects(rest, slot)
    rest -= np.array([days[int(s)] for s in slot])
    middle = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    return WindowThresholds(
        season=season,
        offset=offset,
        level=level,
        slope=slope,
        rows=mean,
        spread=max(middle, 0.7 * float(rest.std())) + _SPREAD,
        effects={s: hours[s % 24] + effect for s, effect in days.items()},
    )
