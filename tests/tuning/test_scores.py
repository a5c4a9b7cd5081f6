"""Scores say how sure they are, and misses are not hidden."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.verdict.season import DAY, HOUR
from tuning.plan import Candidate
from tuning.scores import calm_score, drift_score
from tuning.trials import CalmWeek, Detection

BOTH = Candidate((HOUR, DAY), "rolling")
ROWS = {HOUR: np.array([10, 40, 50]), DAY: np.array([1_000])}


def weeks(alarms: int, number: int, refused: str | None = None) -> list[CalmWeek]:
    return [CalmWeek(at, at < alarms, 0.2, refused, (HOUR,)) for at in range(number)]


def found(*hours: float | None) -> list[Detection]:
    return [Detection(at, each, "fare" if each else None) for at, each in enumerate(hours)]


def test_two_alarms_in_eight_weeks_are_one_a_month_give_or_take() -> None:
    made = calm_score(BOTH, weeks(2, 8), ROWS, {HOUR: 1.0, DAY: 0.5})
    assert (made.weeks, made.alarms, made.unwatched) == (8, 2, (DAY,))
    assert made.realised == pytest.approx(30.4375 / 7 * 2 / 8)
    assert made.promised == pytest.approx(30.4375 / 7 / 5)
    # Clopper and Pearson: 2 of 8 are 3.19 % to 65.09 %
    assert (made.low, made.high) == pytest.approx((30.4375 / 7 * 0.0319, 30.4375 / 7 * 0.6509), rel=1e-2)
    assert (made.rows, made.insufficient, made.cpu) == (40, 0.25, 1.5)


def test_no_alarm_is_no_proof_and_what_was_not_measured_is_not_claimed() -> None:
    made = calm_score(BOTH, weeks(0, 8, "they drift"), ROWS, {HOUR: 1.0})
    assert made.low == 0
    assert made.high == pytest.approx(30.4375 / 7 * (1 - 0.025 ** (1 / 8)))
    assert (made.refused, made.cpu) == ("they drift", None)


def test_missed_drifts_are_later_than_any_that_was_found() -> None:
    made = drift_score(BOTH, "fares", 1.0, found(1.0, 3.0, 5.0, None), seed=1)
    assert (made.onsets, made.missed, made.p50, made.p90) == (4, 0.25, 5.0, None)
    assert made.hours == (1.0, 3.0, 5.0, None)
    assert made.first == {"fare": 3}
    assert made.low is not None
    assert made.low <= 5.0
    assert made.high is None  # half of the samples of four may hold more misses than that
    assert made == drift_score(BOTH, "fares", 1.0, found(1.0, 3.0, 5.0, None), seed=1)


def test_onsets_during_an_alarm_do_not_count() -> None:
    made = drift_score(BOTH, "fares", 1.0, [*found(2.0, 4.0), Detection(9, counts=False)], seed=1)
    assert (made.onsets, made.missed, made.p50) == (2, 0.0, 4.0)
    nothing = drift_score(BOTH, "fares", 1.0, [Detection(9, counts=False)], seed=1)
    assert (nothing.onsets, nothing.missed, nothing.p50, nothing.low) == (0, None, None, None)
