from __future__ import annotations

import math

import pytest

from producer.pace import Pace, parse_speed
from schemas.errors import UsageError


@pytest.mark.parametrize(
    ("text", "speed"), [("600x", 600.0), ("600", 600.0), (" 0.5X ", 0.5), ("max", None), ("MAX", None)]
)
def test_speeds_are_read(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "0", "0x", "-3x", "fast", "1e3", "nan", "inf", "9" * 400])
def test_what_is_no_speed_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="600x"):
        parse_speed(text)


def test_at_600x_a_second_is_ten_minutes() -> None:
    pace = Pace(600.0, event_start=1_000_000, wall_start=50.0)
    assert pace.event_time_at(51.0) == 1_000_000 + 600_000
    assert pace.due_at(1_000_000 + 600_000) == 51.0


def test_due_and_reached_are_inverse() -> None:
    pace = Pace(37.5, event_start=1_643_673_600_000, wall_start=12.25)
    for event in range(1_643_673_600_000, 1_643_673_700_000, 9_973):
        assert pace.event_time_at(pace.due_at(event)) == pytest.approx(event, abs=0.5)


def test_what_is_left_is_by_the_schedule_wherever_the_replay_is() -> None:
    pace = Pace(600.0, event_start=0, wall_start=50.0)
    assert [pace.seconds_left(clock, 66_000_000, 60.0) for clock in (0, 30_000_000)] == [100.0, 100.0]
    assert pace.seconds_left(66_000_000, 66_000_000, 500.0) == 0.0


def test_what_is_left_at_full_speed_is_by_the_rate_so_far() -> None:
    pace = Pace(None, event_start=0, wall_start=50.0)
    assert [pace.seconds_left(clock, 60_000_000, 60.0) for clock in (0, 15_000_000, 90_000_000)] == [
        None,
        30.0,
        0.0,
    ]


def test_at_full_speed_everything_is_due_at_once() -> None:
    pace = Pace(None, event_start=0, wall_start=0.0)
    assert pace.event_time_at(-1e9) == math.inf
    assert pace.due_at(10**15) == -math.inf
