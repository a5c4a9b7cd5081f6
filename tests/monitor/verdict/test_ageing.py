"""What has moved since the training is told in units of the operator's, and only where it is sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.verdict.ageing import Tolerance, ageing
from monitor.verdict.calibration import CalmSeason
from monitor.verdict.season import DAY, WEEK, Season
from monitor.verdict.summary import error_unit, merge
from schemas.definition import LABELS
from tests.monitor.verdict.weeks import LAYOUT, MONDAY, Floats, apart, hours

TRAINING = apart(hours(4, seed=1))
LATER = apart(hours(4, seed=2))


def with_errors(week: CalmSeason, error: float, spread: float) -> CalmSeason:
    """Every label is off by error ± spread, half of them each way."""
    labels, unit = week.summaries[LABELS], error_unit(LAYOUT)
    sums = labels.sums.copy()
    sums[:, 3] = np.round(error / unit) * sums[:, 2]
    sums[:, 4] = np.round(max(abs(error), spread) / unit) * sums[:, 2]
    return CalmSeason(week.start, {**week.summaries, LABELS: replace(labels, sums=sums)})


def beyond(training: list[CalmSeason], newest: list[CalmSeason]) -> list[str]:
    return [one.name for one in ageing(LAYOUT, Season(WEEK), training, newest) if one.is_beyond]


def test_weeks_like_those_of_the_training_are_within_all_tolerances() -> None:
    assert not beyond(TRAINING, LATER)


def test_a_column_that_moved_for_good_is_named() -> None:
    def swap(name: str, shares: Floats) -> Floats:
        return shares[::-1] if name == "word" else shares

    assert beyond(TRAINING, apart(hours(4, seed=2, bend=swap))) == ["word"]


def test_volume_counts_in_both_directions_and_by_its_tolerance() -> None:
    assert beyond(TRAINING, apart(hours(4, seed=2, rate=90.0))) == ["volume"]
    assert beyond(TRAINING, apart(hours(4, seed=2, rate=40.0))) == ["volume"]
    assert not beyond(TRAINING, apart(hours(4, seed=2, rate=70.0)))


def test_days_that_are_left_out_have_not_moved() -> None:
    def swap(name: str, shares: Floats) -> Floats:
        return shares[::-1] if name == "word" else shares

    def with_holiday(week: CalmSeason) -> CalmSeason:
        parts = {
            role: merge(
                [
                    replace(strange[role].between(MONDAY, MONDAY + DAY), start=s.start),
                    s.between(s.start + DAY, s.end),
                ]
            )
            for role, s in week.summaries.items()
        }
        return CalmSeason(week.start, parts)

    strange = hours(1, seed=3, rate=400.0, bend=swap).summaries
    training, newest = ([with_holiday(week) for week in weeks] for weeks in (TRAINING, LATER))
    days = {week.start: "a holiday" for week in training}
    assert "volume" in beyond(TRAINING, newest)
    assert beyond(training, LATER)
    assert not beyond(TRAINING, [week.without(days) for week in newest])
    assert not beyond([week.without(days) for week in training], LATER)


@pytest.mark.parametrize(
    ("error", "spread", "named"), [(0.0, 5.0, []), (0.0, 3.0, []), (0.0, 8.0, ["mae"]), (2.0, 5.0, ["bias"])]
)
def test_more_error_is_harm_and_less_is_not(error: float, spread: float, named: list[str]) -> None:
    known, newest = (
        [with_errors(w, e, s) for w in weeks] for weeks, e, s in ((TRAINING, 0.0, 5.0), (LATER, error, spread))
    )
    assert beyond(known, newest) == named


def test_one_week_alone_is_never_sure() -> None:
    found = ageing(LAYOUT, Season(WEEK), TRAINING, LATER[:1], Tolerance(number=0.0001))
    assert not any(one.is_beyond for one in found)
    assert all(np.isfinite(one.value) for one in found)
