"""Which windows are folded next."""

from __future__ import annotations

from monitor.verdict.order import Extent, complete_until, next_windows
from monitor.verdict.season import DAY, HOUR, Season

MONDAY = 1_643_587_200_000  # 2022-01-31
WEEK = Season()
LATE = HOUR // 6


def extents(closed: int, missing: int | None = None) -> list[Extent]:
    """Of hours and days of events; missing: start of an hour without a result."""
    return [
        Extent(role="events", size=HOUR, lateness=LATE, until=complete_until(closed, missing)),
        Extent(role="events", size=DAY, lateness=LATE, until=complete_until(closed, None)),
    ]


def names(closed: int, missing: int | None = None) -> list[tuple[int, int]]:
    """(size, start) in hours of what is folded in the first week."""
    places, _ = next_windows(MONDAY, extents(closed, missing), None, WEEK, 1_000)
    return [(place.size // HOUR, (place.start - MONDAY) // HOUR) for place in places]


def test_hours_do_not_wait_for_the_end_of_their_day() -> None:
    assert names(MONDAY + 15 * HOUR + 1) == [(1, hour) for hour in range(15)]


def test_a_day_comes_after_its_hours_and_before_those_of_the_next() -> None:
    assert names(MONDAY + 26 * HOUR) == [*((1, hour) for hour in range(24)), (24, 0), (1, 24), (1, 25)]


def test_a_window_waits_for_all_before_it() -> None:
    assert names(MONDAY + 26 * HOUR, MONDAY + 3 * HOUR) == [(1, 0), (1, 1), (1, 2)]


def test_nothing_waits_for_records_that_are_over() -> None:
    events = Extent(role="events", size=HOUR, lateness=LATE, until=MONDAY + 5 * HOUR, is_over=True)
    labels = Extent(role="labels", size=HOUR, lateness=LATE, until=MONDAY + 20 * HOUR)
    places, more = next_windows(MONDAY, [events, labels], None, WEEK, 1_000)
    assert ([place.role for place in places].count("events"), len(places), more) == (5, 25, False)
