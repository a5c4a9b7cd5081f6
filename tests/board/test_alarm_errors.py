"""The error of each last day, around an alarm that it is too large."""

from __future__ import annotations

from board.alarm_errors import day_errors

HOUR = 3_600_000
DAY = 24 * HOUR


def hours(number: int, factor: float, since: int = 0) -> list[tuple[int, int, list[float]]]:
    """50 labels an hour, whose errors are usually 3."""
    return [
        (at * HOUR, (at + 1) * HOUR, [50.0, 150.0 * (factor if at >= since else 1.0), 150.0])
        for at in range(number)
    ]


def test_each_day_is_a_multiple_of_the_usual_and_the_line_follows_from_the_most() -> None:
    alarm = {"fired_at": 58 * HOUR, "recovered_at": None, "value": 2.5}
    found = day_errors(hours(72, 1.5, since=48), alarm)
    assert found["at"] == [at * HOUR for at in range(24, 73)]
    assert (found["times"][0], found["times"][24], found["times"][-1]) == (1.0, 1.0, 1.5)
    assert found["line"] == 1.2


def test_before_a_day_is_known_there_is_nothing() -> None:
    alarm = {"fired_at": 0, "recovered_at": None, "value": 2.5}
    assert day_errors(hours(23, 1.5), alarm) == {"at": [], "times": [], "line": None}
    assert day_errors([], alarm) == {"at": [], "times": [], "line": None}
