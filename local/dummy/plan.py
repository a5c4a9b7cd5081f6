"""The plan of a dummy run: its windows, their rows, and what drifts. Pure: the same plan gives the same figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from local.settings import DummySettings
from schemas.definition import Role
from schemas.durations import duration_text, moment
from schemas.records import Injected
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage.chunk import PREDICTION

PANE, HOUR, DAY = 300_000, 3_600_000, 86_400_000
WALL = 15 * 60_000
"""The wall time into which the days are pressed."""
LATENESS = {TRIPS.role: 10 * 60_000, OUTCOMES.role: 2 * HOUR}
TOPICS = {TRIPS.role: TRIPS.topic, OUTCOMES.role: OUTCOMES.topic}
PARTITIONS = 4

_HOURS = (38, 24, 16, 11, 10, 14, 38, 82, 106, 98, 92, 96, 103, 106, 116, 128, 134, 142, 146, 126, 104, 88, 72, 54)
"""Trips of an hour of a working day in New York's outer boroughs, about."""
_WEEKDAYS = (0.96, 1.0, 1.02, 1.04, 1.06, 0.95, 0.82)
_TRICKLE = 0.04
"""Share of the usual rows in the hours after the gap: too few to say anything."""


@dataclass(frozen=True)
class DummyPlan:
    """now: the end of it, ms. days: whole days before today. sizes: window sizes, ms, ascending.

    live: whether it goes on after `now`, and then drifts once more.
    """

    run: str
    now: int
    days: int = DummySettings.days
    sizes: tuple[int, ...] = DummySettings.sizes
    seed: int = DummySettings.seed
    live: bool = DummySettings.live

    @cached_property
    def start(self) -> int:
        return self.now // DAY * DAY - self.days * DAY

    def wall(self, at: int) -> int:
        """When a moment of event time "happened"."""
        return self.now - WALL + (min(at, self.now) - self.start) * WALL // (self.now - self.start)

    def at(self, share: float) -> int:
        """The full hour at a share of the period."""
        return self.start + round((self.now - self.start) * share) // HOUR * HOUR

    @cached_property
    def gap(self) -> tuple[int, int]:
        """Nothing arrives: some hours of the day."""
        start, tenth = self.at(0.70), round((self.now - self.start) * 0.1) // HOUR * HOUR
        return start, start + max(HOUR, min(9 * HOUR, tenth))

    @cached_property
    def stretches(self) -> tuple[Injected, ...]:
        """What is bent, in ascending order: gradually, suddenly, and in a live run suddenly again."""
        prices, much = TRIPS.numbers[len(TRIPS.numbers) // 2 :], (*TRIPS.numbers, *TRIPS.categories[:2], PREDICTION)
        first = (
            _stretch("gradual", self.at(0.36), self.at(0.56), prices),
            _stretch("sudden", self.at(0.82), self.at(0.92), much),
        )
        start = self.now // self.sizes[0] * self.sizes[0] + 20 * self.sizes[0]
        return (*first, _stretch("sudden", start, start + 15 * self.sizes[0], much)) if self.live else first

    @cached_property
    def unannounced(self) -> Injected:
        """A drift that nobody injected, and which is there still when the run ends; in a live one it passes."""
        size = self.sizes[0]
        newest = self.now // size * size
        return _stretch("unannounced", newest - 12 * size, newest + 5 * size, TRIPS.numbers[:1])


def _stretch(how: str, start: int, end: int, columns: tuple[str, ...]) -> Injected:
    more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
    label = f"{how} drift of {', '.join(columns[:3])}{more}"
    return Injected(starts_at=start, ends_at=end, label=label, columns=columns)


def strength(stretch: Injected, start: int, end: int) -> float:
    """Return how strongly a window shows a drift: 0 to about 3 thresholds.

    Args:
        stretch: The drift.
        start: Of the window, ms.
        end: Of the window, ms, exclusive.
    """
    shared = max(0, min(end, stretch.ends_at) - max(start, stretch.starts_at)) / (end - start)
    middle = (start + end) / 2 - stretch.starts_at
    grown = middle / (stretch.ends_at - stretch.starts_at) if stretch.label.startswith("gradual") else 0.85
    return 3.2 * shared * min(1.0, max(0.0, grown))


class DummyTraffic:
    """Rows of a plan's panes, up to (not including) a moment."""

    def __init__(self, plan: DummyPlan, until: int) -> None:
        days = range(plan.start // DAY, until // DAY + 1)
        panes = np.concatenate([_day(plan.seed, day) for day in days])
        first, last = ((at - plan.start) // PANE for at in plan.gap)
        panes[first:last] = 0
        after = slice(last, last + 2 * HOUR // PANE)
        panes[after] = (panes[after] * _TRICKLE).round()
        panes[-(-(until - plan.start) // PANE) :] = 0
        self._start = plan.start
        self._sums = [0, *np.cumsum(panes).tolist()]
        self._expected = [0.0, *np.cumsum(np.concatenate([_usual(day) for day in days])).tolist()]

    def rows(self, start: int, end: int) -> int:
        """In the panes that [start, end) touches."""
        first, last = self._panes(start, end)
        return int(self._sums[last] - self._sums[first])

    def share(self, start: int, end: int) -> float:
        """Of the rows that are usual then, how many are there."""
        first, last = self._panes(start, end)
        return self.rows(start, end) / float(self._expected[last] - self._expected[first])

    def _panes(self, start: int, end: int) -> tuple[int, int]:
        first, last = (start - self._start) // PANE, -(-(end - self._start) // PANE)
        return min(first, len(self._sums) - 1), min(last, len(self._sums) - 1)


@cache
def _day(seed: int, day: int) -> NDArray[np.int64]:
    """Rows of each pane of a day since the epoch."""
    return np.random.default_rng((seed, day)).poisson(_usual(day))


def _usual(day: int) -> NDArray[np.float64]:
    hours: NDArray[np.float64] = np.repeat(np.array(_HOURS, np.float64), HOUR // PANE)
    return hours * (PANE / HOUR) * _WEEKDAYS[moment(day * DAY).weekday()]


@dataclass(frozen=True)
class DummyWindow:
    """A window of events or labels. closed: whether the watermark has passed its end. rows: so far."""

    stream: Role
    size: int
    start: int
    rows: int
    closed: bool

    @property
    def end(self) -> int:
        return self.start + self.size

    @property
    def name(self) -> str:
        """Seed of its figures."""
        return f"{TOPICS[self.stream]} {duration_text(self.size)} {self.start}"


def windows(plan: DummyPlan, traffic: DummyTraffic, since: int, until: int) -> Iterator[DummyWindow]:
    """Yield the windows that close while event time goes from `since` to `until` (ms), and those then open."""
    for stream, lateness in LATENESS.items():
        for size in plan.sizes:
            first = max(-(-plan.start // size), (since - lateness) // size) * size
            for start in range(first, until, size):
                rows, end = traffic.rows(start, start + size), start + size + lateness
                if rows and end > since:
                    yield DummyWindow(stream, size, start, rows, closed=end <= until)
