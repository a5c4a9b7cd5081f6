"""What K calm weeks allow to promise, and how it is said."""

from __future__ import annotations

import pytest

from monitor.verdict.promise import Promise, parse_rate
from schemas.errors import UsageError


@pytest.mark.parametrize(
    ("weeks", "rate"), [(1, 2.2), (2, 1.45), (3, 1.09), (4, 0.87), (8, 0.48), (13, 0.31), (26, 0.16)]
)
def test_the_largest_of_k_weeks_promises_one_in_k_and_one(weeks: int, rate: float) -> None:
    assert Promise(1.0, weeks, 1).rate == pytest.approx(rate, abs=0.03)


@pytest.mark.parametrize(
    ("wanted", "weeks", "rank"), [(1, 4, 1), (2, 4, 2), (4, 4, 4), (1, 8, 2), (1, 13, 3), (0.1, 4, 1)]
)
def test_the_line_is_as_low_as_the_promise_allows(wanted: float, weeks: int, rank: int) -> None:
    promise = Promise.from_seasons(wanted, weeks)
    assert promise.rank == rank
    assert promise.is_kept == (promise.rate <= wanted)
    assert not promise.is_kept or rank == weeks or Promise(wanted, weeks, rank + 1).rate > wanted


def test_three_more_calm_weeks_are_the_price_of_one_a_month() -> None:
    promise = Promise.from_seasons(1.0, 1)
    assert (promise.is_kept, promise.missing) == (False, 3)
    assert promise.price == (
        "1 calm week: the best that can be promised is 2.2 false alarms a month; 3 more calm weeks for one a month."
    )
    assert Promise.from_seasons(1.0, 4).missing == 0


def test_with_nine_weeks_nine_of_ten_calibrations_keep_one_a_month() -> None:
    assert Promise(1.0, 8, 1).rate_with_confidence > 1 >= Promise(1.0, 9, 1).rate_with_confidence - 0.03


def test_an_operator_reads_what_is_watched_and_what_is_promised() -> None:
    assert Promise.from_seasons(1.0, 4).sentence(13, "1h, 6h, 1d") == (
        "Watching 13 signals at 1h, 6h, 1d. From your last 4 calm weeks: at most 0.9 false alarms a month on"
        " average, if next week is like those; 1.9 with 90 % confidence."
    )
    assert "No calm week" in Promise.from_seasons(1.0, 0).sentence(13, "1h")


@pytest.mark.parametrize(
    ("text", "rate"), [("1/month", 1.0), (" 2 / month", 2.0), ("1/week", 4.348), ("6/year", 0.5)]
)
def test_a_rate_is_read_as_people_write_it(text: str, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate, abs=0.001)


@pytest.mark.parametrize("text", ["", "often", "0/month", "-1/month", "1/fortnight", "1"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no rate of false alarms"):
        parse_rate(text)
