"""The season of a stream: when its usual pattern repeats, and which hours are compared with which. Pure.

The promise counts seasons. A season is a week that begins on Monday at 00:00 of event time, or the stream's own
period where that is longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.drift.columns import Ints
from schemas.definition import Stream
from schemas.durations import moment
from schemas.errors import UsageError

HOUR, DAY, WEEK = 3_600_000, 86_400_000, 604_800_000

_MONDAY = 4 * DAY
"""1970-01-05, the first Monday since the epoch."""

_CLASSES = np.array([0, 0, 0, 0, 0, 1, 2])
"""Of Monday to Sunday: weekday, Saturday, Sunday."""

LEVELS = ("slot", "hour", "all")
"""What a stretch of time is compared with, the first that has enough rows: the same hour of the same kind of day,
the same hour of any day, everything."""


class Season(msgspec.Struct, frozen=True):
    """When the usual pattern of a stream repeats.

    Attributes:
        period: In ms; None if there is no pattern.
    """

    period: int | None = WEEK

    @classmethod
    def from_stream(cls, stream: Stream) -> Season:
        """Return the season of a stream."""
        return cls(stream.season_ms)

    @property
    def length(self) -> int:
        """Length of the season that the promise counts, ms."""
        return max(self.period or WEEK, WEEK)

    def start(self, time: int) -> int:
        """Return when the season began that holds this moment, ms since the epoch."""
        return time - (time - _MONDAY) % self.length

    def holds(self, size: int) -> bool:
        """Whether no window of a size, which begin at whole multiples of it, crosses the border of a season."""
        return _MONDAY % size == 0 and self.length % size == 0

    def slots(self, starts: Ints) -> Ints:
        """Return the slots of stretches of time, for each of LEVELS.

        Args:
            starts: When they begin, ms since the epoch, shape (n,).

        Returns:
            Numbers from 0 on, shape (3, n); of the last level they are all 0.
        """
        all_ = np.zeros(len(starts), np.int64)
        if self.period is None:
            return np.stack([all_, all_, all_])
        within = (starts - _MONDAY) % self.period
        hour = within % DAY // HOUR
        if self.period == WEEK:
            return np.stack([_CLASSES[within // DAY] * 24 + hour, hour, all_])
        return np.stack([within // HOUR, hour, all_])

    @property
    def numbers(self) -> tuple[int, int, int]:
        """How many slots each of LEVELS has."""
        if self.period is None:
            return 1, 1, 1
        return (72 if self.period == WEEK else -(-self.period // HOUR)), 24, 1

    def positions(self, starts: Ints, size: int) -> Ints:
        """Return which windows of a size usually resemble one another: numbers from 0 on, shape (n,).

        Windows of a day or more by the day on which they begin, shorter ones by kind of day and time of day.

        Args:
            starts: When they begin, ms since the epoch, shape (n,).
            size: Of the windows, ms.
        """
        if self.period is None:
            return np.zeros(len(starts), np.int64)
        within = (starts - _MONDAY) % self.period
        if size >= DAY:
            return within // DAY
        parts = -(-DAY // size)
        day = _CLASSES[within // DAY] if self.period == WEEK else within // DAY
        return day * parts + within % DAY // size


def holidays_of(region: str | None, start: int, end: int) -> Mapping[int, str]:
    """Find the public holidays of a period.

    Args:
        region: A country, or a country and its subdivision, such as `US` or `US-NY`; None for no calendar.
        start: Event time, ms since the epoch.
        end: The same, exclusive.

    Returns:
        Their names by the start of the day, ms, in order.

    Raises:
        UsageError: There is no calendar of this region.
    """
    return dict(_holidays(region, start, end)) if region and start < end else {}


def short_seasons(season: Season, days: Iterable[int]) -> set[int]:
    """Find the seasons of which less than half is left without some days: they are no measure.

    Args:
        season: Of the stream.
        days: When they begin, ms.

    Returns:
        Starts of the seasons, ms.
    """
    lost = Counter(season.start(day) for day in days)
    return {start for start, number in lost.items() if 2 * number * DAY > season.length}


def outside(days: Iterable[int], starts: Ints, size: int) -> NDArray[np.bool_]:
    """Which stretches of time share nothing with some days, shape (n,).

    Args:
        days: When they begin, ms.
        starts: When the stretches begin, ms, shape (n,).
        size: Of the stretches, ms.
    """
    left = np.ones(len(starts), np.bool_)
    for day in days:
        left &= (starts + size <= day) | (starts >= day + DAY)
    return left


def _holidays(region: str, start: int, end: int) -> Iterable[tuple[int, str]]:
    """Days, ms since the epoch, and names of the holidays in a period, in order."""
    import holidays  # noqa: PLC0415 - only where a calendar is wanted: it has one of every country

    country, _, subdivision = region.partition("-")
    first, last = moment(start), moment(end - 1)
    try:
        years = range(first.year, last.year + 1)
        calendar = holidays.country_holidays(country, subdiv=subdivision or None, years=years)
    except NotImplementedError as error:
        raise UsageError(f"no calendar of holidays for {region!r} ({error})", "write it as US or US-NY") from None
    for day, name in sorted(calendar.items()):
        if first.date() <= day <= last.date():
            yield round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000, name
