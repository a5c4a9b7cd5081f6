"""Trials see what a monitor would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.verdict.calibration import CalmSeason, calibrate
from monitor.verdict.season import DAY, HOUR, WEEK
from producer.drift import Duration
from schemas.definition import EVENTS
from tests.tuning.made import UNTIL, history, plan, scale, scenario
from tuning.evidence import Crossing, evidence, first_crossing
from tuning.plan import WITHIN
from tuning.trials import Detection, Trials

STRONG = scenario(scale(2.0))
WEAK = scenario(scale(1.02))


def by_hand(number: int, onset: int, sizes: tuple[int, ...], calm: list[CalmSeason]) -> Crossing | None:
    """Where the evidence of a week crosses the line, calibrated by the monitor's own function."""
    found, made = history(), calibrate(history().layout, history().season, calm, sizes=sizes, promise=1.0)
    week = found.bent(STRONG, onset, (UNTIL + number * WEEK, UNTIL + (number + 1) * WEEK))
    crossings = []
    for role, size in made.watched:
        levels = evidence(made, week[role], role, size)
        ends = week[role].start + size * (1 + np.arange(len(levels)))
        names = [signal.name for signal in made.signals(role)]
        crossings += first_crossing(levels, ends, (role, size), names, after=onset)
    return min(crossings, key=lambda one: (one.at, -one.value), default=None)


def test_a_drift_is_found_where_the_monitors_own_functions_find_it() -> None:
    trials = Trials(history(), plan())
    found = trials.injected(STRONG)
    weeks = [*history().known, *history().weeks]
    for at, (number, onset) in enumerate(trials.onsets()):
        for reference, calm in (("training", weeks[:4]), ("rolling", weeks[number : number + 4])):
            for sizes, of_set in zip(plan().sets, found[reference], strict=True):
                one, hand = of_set[at], by_hand(number, onset, sizes, calm)
                if not one.counts or hand is None:
                    continue
                assert one.hours is not None
                assert (hand.at - onset) / HOUR == one.hours
                assert (one.signal, one.size) == (hand.signal, hand.size)


def test_a_strong_drift_is_found_soon_and_named_and_a_weak_one_later_or_never() -> None:
    trials = Trials(history(), plan())
    for reference in ("training", "rolling"):
        strong = [one for one in trials.injected(STRONG)[reference][0] if one.counts]
        weak = [one for one in trials.injected(WEAK)[reference][0] if one.counts]
        assert strong
        assert max(one.hours or np.inf for one in strong) <= 24
        assert {one.signal for one in strong} == {"amount"}
        assert sum(one.hours is None for one in weak) > len(weak) / 2


def test_a_drift_that_is_missed_is_looked_for_in_the_next_week_for_a_week_in_all() -> None:
    growing = scenario(scale(2.0, ramp=Duration(6 * DAY)))
    found = Trials(history(), plan(onsets=12)).injected(growing)
    hours = [one.hours for sets in found.values() for each in sets for one in each if one.hours is not None]
    assert max(hours) <= WITHIN / HOUR
    assert any(
        one.onset + (one.hours or 0) * HOUR > UNTIL + WEEK
        for one in found["rolling"][0]
        if one.onset < UNTIL + WEEK
    )


def test_an_onset_during_an_alarm_says_nothing() -> None:
    found = history()
    loud = replace(found, live={EVENTS: found.bent(STRONG, UNTIL, found.period)[EVENTS]})
    trials = Trials(loud, plan((6 * HOUR,), references=("training",)))
    late = [
        one for (_, at), one in zip(trials.onsets(), trials.injected(WEAK)["training"][0], strict=True) if at % WEEK
    ]
    assert Detection(late[-1].onset, counts=False) in late
    assert all(week.alarm for number in range(3) for week in trials.calm(number)["training"])


def test_calm_weeks_are_mostly_calm_and_say_what_is_promised() -> None:
    trials = Trials(history(), plan())
    weeks = [week for number in range(3) for sets in trials.calm(number).values() for week in sets]
    assert sum(week.alarm for week in weeks) <= len(weeks) / 2
    assert {week.chance for week in weeks} == {0.2}
    assert {week.watched for week in weeks} == {(6 * HOUR,), (DAY,), (6 * HOUR, DAY)}


def test_the_same_seed_gives_the_same_trials_and_another_one_other_onsets() -> None:
    assert Trials(history(), plan()).injected(STRONG) == Trials(history(), plan()).injected(STRONG)
    assert Trials(history(), plan()).onsets() != Trials(history(), plan(seed=8)).onsets()
    assert len(Trials(history(), plan(onsets=31)).onsets()) == 31


@pytest.mark.parametrize("steps", [HOUR // 4, HOUR // 2])
def test_windows_shorter_than_an_hour_are_tried_too(steps: int) -> None:
    trials = Trials(history(step=steps), plan((steps,), (steps, DAY), onsets=2, references=("rolling",)))
    watched = [week.watched for week in trials.calm(0)["rolling"]]
    assert watched == ([(), (DAY,)] if steps < HOUR // 2 else [(steps,), (steps, DAY)])
