"""Seasons begin on Mondays, and hours are compared with those that resemble them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.verdict.season import DAY, HOUR, WEEK, Season, holidays_of, outside, short_seasons
from schemas.durations import moment_ms
from schemas.errors import UsageError
from schemas.streams.taxi import TAXI
from tests.streams import payments

MONDAY = moment_ms("2022-02-07")


@pytest.mark.parametrize("time", ["2022-02-07", "2022-02-09T12:00", "2022-02-13T23:59"])
def test_a_week_begins_on_monday_at_midnight(time: str) -> None:
    assert Season.from_stream(TAXI).start(moment_ms(time)) == MONDAY
    assert Season.from_stream(payments.STREAM).start(moment_ms(time)) == MONDAY


def test_an_hour_is_compared_with_the_same_hour_of_the_same_kind_of_day() -> None:
    slots, hours, all_ = Season(WEEK).slots(np.array([MONDAY + 9 * HOUR + day * DAY for day in range(7)]))
    assert slots.tolist() == [9, 9, 9, 9, 9, 33, 57]
    assert hours.tolist() == [9] * 7
    assert all_.tolist() == [0] * 7


@pytest.mark.parametrize("season", [Season(None), Season(DAY), Season(WEEK), Season(4 * WEEK)])
def test_slots_are_within_their_numbers_and_stay_so_a_season_later(season: Season) -> None:
    starts = MONDAY + np.arange(0, season.length, HOUR)
    slots = season.slots(starts)
    assert [level.max() + 1 for level in slots] == [*season.numbers]
    assert np.array_equal(slots, season.slots(starts + season.length))
    assert season.start(MONDAY) % DAY == 0


def test_windows_resemble_those_of_the_same_time_on_the_same_kind_of_day() -> None:
    starts = MONDAY + np.arange(0, WEEK, 6 * HOUR)
    assert Season(WEEK).positions(starts, 6 * HOUR).tolist() == [*[0, 1, 2, 3] * 5, 4, 5, 6, 7, 8, 9, 10, 11]
    assert Season(WEEK).positions(MONDAY + np.arange(0, WEEK, DAY), DAY).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert Season(None).positions(starts, 6 * HOUR).tolist() == [0] * 28


def test_holidays_are_found_by_their_day() -> None:
    period = moment_ms("2022-01-03"), moment_ms("2022-03-31")
    found = holidays_of("US", *period)
    assert [*found] == [moment_ms("2022-01-17"), moment_ms("2022-02-21")]
    assert "Martin Luther King" in found[moment_ms("2022-01-17")]
    assert "Lincoln" in holidays_of("US-NY", *period)[moment_ms("2022-02-12")]
    assert [*holidays_of("US", moment_ms("2022-01-17"), moment_ms("2022-02-21"))] == [moment_ms("2022-01-17")]


def test_without_a_calendar_there_are_no_holidays() -> None:
    assert not holidays_of(None, 0, WEEK)
    assert not holidays_of("US", WEEK, WEEK)


def test_seasons_are_short_of_which_less_than_half_is_left() -> None:
    three, four = ([start + n * DAY for n in range(days)] for start, days in ((MONDAY, 3), (MONDAY + WEEK, 4)))
    assert short_seasons(Season(WEEK), [*three, *four]) == {MONDAY + WEEK}
    month = Season(4 * WEEK)
    for days in (14, 15):
        found = short_seasons(month, [month.start(MONDAY) + n * DAY for n in range(days)])
        assert found == ({month.start(MONDAY)} if days == 15 else set())


def test_stretches_that_share_time_with_a_day_are_not_outside_of_it() -> None:
    day, starts = MONDAY + DAY, MONDAY + HOUR * np.array([0, 17, 18, 19, 47, 48])
    assert outside([day], starts, 6 * HOUR).tolist() == [True, True, True, False, False, True]
    assert outside([MONDAY, day], starts, HOUR).tolist() == [False, False, False, False, False, True]
    assert outside([], starts, HOUR).all()


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(UsageError, match="no calendar of holidays for 'XX-Y'"):
        holidays_of("XX-Y", 0, WEEK)
