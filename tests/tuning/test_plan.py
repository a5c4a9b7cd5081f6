"""What is tried is what was named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monitor.verdict.season import DAY, HOUR
from schemas.durations import duration_ms
from schemas.errors import UsageError
from tests.tuning.made import plan
from tuning.plan import Candidate, calm_weeks, references_of, sets_of, strengths_of


def test_sets_are_each_size_alone_and_those_that_are_named() -> None:
    assert sets_of((HOUR, DAY), "1d+1h") == ((HOUR,), (DAY,), (HOUR, DAY))
    assert sets_of((HOUR, DAY), "6h+1d,1h+1d") == ((HOUR,), (DAY,), (6 * HOUR, DAY), (HOUR, DAY))


def test_auto_tries_the_default_the_smallest_with_the_largest_and_all_each_once() -> None:
    default = (HOUR, 6 * HOUR, DAY)
    assert sets_of(default, "auto") == (*((size,) for size in default), default, (HOUR, DAY))
    assert sets_of((HOUR,), "auto") == ((HOUR,),)
    assert sets_of((HOUR, 3 * HOUR, 12 * HOUR), "auto")[3:] == ((HOUR, 12 * HOUR), (HOUR, 3 * HOUR, 12 * HOUR))


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (lambda text: sets_of((HOUR,), text), "1h"),
        (lambda text: sets_of((HOUR,), text), "1h+x"),
        (lambda text: sets_of((HOUR,), text), "1h+5h"),
        (lambda text: sets_of((duration_ms(text),), "auto"), "5h"),
        (lambda text: sets_of((duration_ms(text),), "auto"), "14d"),
        (references_of, "lately"),
        (references_of, ""),
        (strengths_of, "1,0"),
        (strengths_of, "strong"),
        (strengths_of, "nan"),
    ],
)
def test_what_names_nothing_is_refused(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_references_and_strengths_come_in_their_own_order() -> None:
    assert references_of("rolling, training") == ("training", "rolling")
    assert strengths_of("2,0.5,2") == (0.5, 2.0)


def test_a_plan_knows_its_sizes_and_by_which_steps_they_can_be_summarised() -> None:
    made = plan((HOUR // 4,), (HOUR // 4, 3 * HOUR // 2))
    assert (made.sizes, made.step) == ((HOUR // 4, 3 * HOUR // 2), HOUR // 4)
    assert plan((6 * HOUR,)).step == HOUR
    assert made.candidates[-1] == Candidate((HOUR // 4, 3 * HOUR // 2), "rolling")
    assert str(made.candidates[-1]) == "15m + 90m, rolling reference"
    assert made.candidates[0].windows_a_day == 96


def test_a_stricter_promise_needs_more_calm_weeks() -> None:
    assert [calm_weeks(promise) for promise in (4.0, 1.0, 0.5)] == [4, 4, 8]
