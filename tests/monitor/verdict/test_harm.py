"""Whether the error is above the usual, by more than is tolerated: for a day, and since an alarm's onset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.verdict import harm
from monitor.verdict.calibration import CalmSeason, calibrate, decode
from monitor.verdict.fold import Folded, Series, State, Watch, WindowScore, decode_state, encode_state, fold
from monitor.verdict.harm import LABELS_NEEDED, TOLERATED, Errors, added
from monitor.verdict.lifecycle import Alarm
from monitor.verdict.members import Harm, Signal
from monitor.verdict.season import DAY, HOUR, WEEK, Season
from monitor.verdict.signals import Reference, SlotSums
from monitor.verdict.summary import SUMS
from schemas.definition import EVENTS, LABELS, Role
from tests.monitor.verdict.weeks import LAYOUT, MONDAY, apart, hours

SEASON = Season(WEEK)
PER_HOUR = 60
USUAL = 3.0
LINE = 0.2


def with_errors(week: CalmSeason, factor: Callable[[int], float]) -> CalmSeason:
    """Errors of a week: 1,000 for each label at night, 3,000 in the day, and so many times that in each hour."""
    labels = week.summaries[LABELS]
    usual = np.where(np.arange(len(labels.rows)) % 24 < 6, 1_000, 3_000)
    sums = labels.sums.copy()
    sums[:, SUMS.index("absolute_error")] = [
        round(rows * error * factor(hour))
        for hour, (rows, error) in enumerate(zip(labels.rows, usual, strict=True))
    ]
    return CalmSeason(week.start, week.summaries | {LABELS: replace(labels, sums=sums)})


WEEKS = apart(hours(5, seed=1))
CALM = [with_errors(week, lambda _: 1.0) for week in WEEKS[:4]]


def test_the_usual_error_is_that_of_the_hour_of_the_week() -> None:
    known = Reference(
        SEASON,
        SlotSums.from_summary(CALM[0].summaries[LABELS], SEASON),
        SlotSums.from_summary(CALM[0].summaries[LABELS], SEASON),
    )
    week = CALM[1].summaries[LABELS]
    for start, end in ((0, 6), (6, 24), (0, 24)):
        found = harm.errors(known, week.between(week.start + start * HOUR, week.start + end * HOUR))
        assert found.labels == week.rows[start:end].sum()
        assert found.usual == pytest.approx(found.found)


def test_a_slot_with_few_labels_has_the_usual_error_of_its_hour_or_of_all() -> None:
    labels = CALM[0].summaries[LABELS]
    rows, sums = labels.rows.copy(), labels.sums.copy()
    rows[30], sums[30] = 0, 0  # Tuesday 06:00: no label is known
    sums[30, SUMS.index("errors")], sums[30, SUMS.index("absolute_error")] = 1, 90_000  # or one, and far off
    known = SlotSums.from_summary(replace(labels, rows=rows, sums=sums), SEASON)
    usual = Reference(SEASON, known, known).absolute_error
    slot = int(SEASON.slots(np.array([MONDAY + 30 * HOUR]))[0][0])
    assert usual[slot] == pytest.approx(3_000, rel=0.15)
    nothing = SlotSums.from_summary(replace(labels, rows=0 * rows, sums=0 * sums), SEASON)
    assert not Reference(SEASON, nothing, nothing).absolute_error.any()


@pytest.mark.parametrize(("labels", "excess"), [(LABELS_NEEDED, 0.5), (LABELS_NEEDED - 1, None)])
def test_few_labels_say_nothing(labels: int, excess: float | None) -> None:
    assert Errors(0, HOUR, labels, 1.5 * labels, 1.0 * labels).excess == excess
    assert Errors(0, HOUR, labels, 1.5, 0.0).excess is None
    assert added([]) is None


def test_the_line_is_what_is_tolerated_or_the_worst_day_of_a_calm_week() -> None:
    assert calibrate(LAYOUT, SEASON, CALM).harm == TOLERATED
    storm = [*CALM[:3], with_errors(WEEKS[3], lambda hour: 1.5 if 60 <= hour < 84 else 1.0)]
    made = calibrate(LAYOUT, SEASON, storm)
    assert made.harm == pytest.approx(0.5, abs=0.01)
    assert decode(made.encode(), LAYOUT).harm == made.harm
    assert made.watch(MONDAY).harm == made.harm


def test_the_worst_day_lasts_a_day_whatever_the_steps_are() -> None:
    def finer(week: CalmSeason) -> CalmSeason:
        """The same by half hours, the first of which holds all of the hour."""
        labels = week.summaries[LABELS]
        halves = [
            np.stack([a, 0 * a], axis=1).reshape(-1, *a.shape[1:])
            for a in (labels.rows, labels.counts, labels.sums)
        ]
        return CalmSeason(
            week.start, {LABELS: replace(labels, step=HOUR // 2, rows=halves[0], counts=halves[1], sums=halves[2])}
        )

    storm = [*CALM[:3], with_errors(WEEKS[3], lambda hour: 2.0 if 60 <= hour < 72 else 1.0)]
    made = calibrate(LAYOUT, SEASON, storm, sizes=[6 * HOUR])
    assert calibrate(LAYOUT, SEASON, [*map(finer, storm)], sizes=[6 * HOUR]).harm == made.harm


def test_two_calm_weeks_are_compared_day_by_day_and_one_day_with_nothing() -> None:
    assert calibrate(LAYOUT, SEASON, CALM[:2]).harm == pytest.approx(TOLERATED)
    day = {role: one.between(one.start, one.start + DAY) for role, one in CALM[0].summaries.items()}
    assert calibrate(LAYOUT, SEASON, [CalmSeason(MONDAY, day)]).harm is None
    unlabelled = [CalmSeason(week.start, {EVENTS: week.summaries[EVENTS]}) for week in CALM]
    assert calibrate(LAYOUT, SEASON, unlabelled).harm is None


def test_a_window_of_labels_knows_its_errors_and_one_of_events_has_none() -> None:
    made = calibrate(LAYOUT, SEASON, CALM)
    worse = with_errors(WEEKS[4], lambda _: 1.3).summaries
    found = made.errors(worse[LABELS].between(WEEKS[4].start, WEEKS[4].start + 6 * HOUR))
    assert found is not None
    assert found.excess == pytest.approx(0.3, abs=0.01)
    assert (found.start, found.end) == (WEEKS[4].start, WEEKS[4].start + 6 * HOUR)
    assert made.errors(worse[EVENTS]) is None


SIGNALS = {EVENTS: (Signal("distance", "column", "distance"),), LABELS: (Signal("error", "error"),)}


def watch(line: float | None = LINE) -> Watch:
    series = {
        (role, size): Series(signals=signals, drift=(0.7,), line=(10.0,), rates=(1.0,))
        for role, signals in SIGNALS.items()
        for size in (HOUR, DAY)
    }
    return Watch(season=0, calibration_id="c", promise=0.9, series=series, harm=line)


Hours = Callable[[int], float]
"""A figure of each hour."""


def scores(
    last: int,
    factor: Hours,
    *,
    drift: Hours = lambda _: 0.0,
    error: Hours = lambda _: 0.0,
    coverage: float = 1.0,
    per_hour: int = PER_HOUR,
) -> list[WindowScore]:
    """Hourly windows, each of labels due two hours after that of the events; windows of a day say nothing."""
    found = []
    for hour in range(last):
        start, usual = hour * HOUR, per_hour * USUAL
        found += [
            score(EVENTS, start, HOUR, z=drift(hour)),
            score(
                LABELS,
                start,
                HOUR,
                z=error(hour),
                shares={"coverage": coverage},
                errors=Errors(start, start + HOUR, per_hour, factor(hour) * usual, usual),
            ),
        ]
        if hour % 24 == 23:
            far_off = Errors(start - 23 * HOUR, start + HOUR, 24 * per_hour, 100 * usual, usual)
            found.append(score(LABELS, start - 23 * HOUR, DAY, z=0.0, errors=far_off))
    return sorted(found, key=lambda one: one.order)


def score(role: Role, start: int, size: int, *, z: float, **more: Any) -> WindowScore:
    due = start + size + (2 * HOUR if role == LABELS else 0)
    return WindowScore(role=role, size=size, start=start, due=due, season=0, z=(z,), **more)


def of_track(found: Folded, track: str) -> list[Alarm]:
    return [alarm for alarm in found.alarms.values() if alarm.track == track]


def hour(at: int | None) -> float | None:
    return None if at is None else at / HOUR


def test_a_day_of_larger_errors_is_harm_until_a_day_is_as_before() -> None:
    found = fold(State(), scores(120, lambda hour: 1.5 if 40 <= hour < 70 else 1.0), watch())
    (alarm,) = of_track(found, "harm")
    assert (alarm.state, alarm.kind, alarm.harm, alarm.columns) == ("recovered", "error", "concept", ("mae",))
    assert hour(alarm.fired_at) == 50  # 10 of 24 hours by half: 21 % more
    assert hour(alarm.first_evidence) == 26
    assert hour(alarm.recovered_at) == 90  # 4 of 24 hours: 8 %, less than half of the line
    assert alarm.excess == pytest.approx(0.5)
    assert alarm.value == pytest.approx(2.5)
    assert alarm.usual_error == pytest.approx(USUAL)
    assert [(change.track, change.state) for change in found.changes] == [("harm", "firing"), ("harm", "recovered")]


@pytest.mark.parametrize(
    "calm",
    [
        scores(80, lambda _: 1.19),
        scores(80, lambda _: 0.4),
        scores(23, lambda _: 9.0),
        scores(80, lambda _: 9.0, per_hour=LABELS_NEEDED // 24),
        scores(80, lambda _: 9.0, coverage=0.4),
    ],
    ids=["tolerated", "better", "less than a day", "few labels", "labels missing"],
)
def test_what_is_tolerated_or_not_known_is_no_harm(calm: Sequence[WindowScore]) -> None:
    assert not of_track(fold(State(), calm, watch()), "harm")


def test_a_day_that_adds_no_evidence_is_harmed_all_the_same() -> None:
    holiday = [msgspec.structs.replace(one, z=()) for one in scores(60, lambda hour: 2.0 if hour >= 24 else 1.0)]
    (alarm,) = of_track(fold(State(), holiday, watch()), "harm")
    assert hour(alarm.fired_at) == 29


def test_days_that_do_not_count_draw_no_line() -> None:
    storm = with_errors(WEEKS[3], lambda hour: 1.5 if 48 <= hour < 72 else 1.0)
    made = calibrate(LAYOUT, SEASON, [*CALM[:3], storm.without({storm.start + 2 * DAY: "a holiday"})])
    assert made.harm == TOLERATED


def test_without_a_line_nothing_is_said() -> None:
    assert not fold(State(), scores(80, lambda _: 9.0), watch(None)).alarms


def test_windows_without_known_errors_make_the_day_unknown() -> None:
    found = [
        msgspec.structs.replace(one, errors=None) if one.start == 30 * HOUR else one
        for one in scores(60, lambda _: 2.0)
    ]
    assert of_track(fold(State(), found, watch()), "harm")
    assert not of_track(fold(State(), [one for one in found if one.start >= 30 * HOUR][:40], watch()), "harm")


@pytest.mark.parametrize(
    ("drift", "error", "factor", "harmed"),
    [
        (3.0, 0.0, 1.1, "harmless"),
        (3.0, 3.0, 1.1, "harmless"),  # errors of another shape, but not larger
        (3.0, 3.0, 0.5, "harmless"),
        (3.0, 3.0, 1.6, "both"),
        (3.0, 0.0, 1.6, "both"),
        (0.0, 3.0, 1.6, "concept"),
        (0.0, 3.0, 1.1, "concept"),
    ],
)
def test_an_alarm_says_whether_the_error_is_above_the_usual_since_its_onset(
    drift: float, error: float, factor: float, harmed: Harm
) -> None:
    def since(by: float, usual: float = 0.0) -> Hours:
        return lambda hour: by if hour >= 40 else usual

    found = fold(State(), scores(60, since(factor, 1.0), drift=since(drift), error=since(error)), watch())
    (alarm,) = of_track(found, "change")
    assert alarm.harm == harmed
    assert alarm.excess == pytest.approx(factor - 1, abs=0.01)
    assert alarm.usual_error == pytest.approx(USUAL, rel=0.01)


def test_what_an_alarm_says_of_the_error_is_no_second_alarm() -> None:
    def later(by: float, usual: float) -> Hours:
        return lambda hour: by if hour >= 40 else usual

    found = fold(State(), scores(90, later(1.8, 1.0), drift=later(3.0, 0.0)), watch())
    assert [alarm.harm for alarm in of_track(found, "change")] == ["both"]
    assert not of_track(found, "harm")
    harmed_first = fold(
        State(), scores(120, later(1.8, 1.0), drift=lambda hour: 3.0 if hour >= 70 else 0.0), watch()
    )
    assert [alarm.track for alarm in harmed_first.alarms.values()] == ["harm", "change"]


@pytest.mark.parametrize(
    ("slope", "tracks"), [(1.2, ["change"]), (0.5, ["harm", "change"])], ids=["soon", "slowly"]
)
def test_a_suspected_change_has_six_hours_to_fire_first(slope: float, tracks: list[str]) -> None:
    """The line at 10: half of it is reached after 5 hours and the line after 9, or after 11 and 21."""
    found = fold(
        State(),
        scores(90, lambda hour: 2.5 if hour >= 40 else 1.0, drift=lambda hour: slope + 0.7 if hour >= 40 else 0.0),
        watch(),
    )
    fired = sorted((alarm for alarm in found.alarms.values()), key=lambda alarm: alarm.fired_at or 0)
    assert [alarm.track for alarm in fired] == tracks


def test_harm_goes_on_from_season_to_season_and_from_fold_to_fold() -> None:
    every = scores(120, lambda hour: 1.5 if 40 <= hour < 70 else 1.0)
    whole = fold(State(), every, watch())
    state, alarms = State(), dict(whole.alarms)
    alarms.clear()
    for start in range(0, len(every), 7):
        part = fold(decode_state(encode_state(state)), every[start : start + 7], watch())
        state, alarms = part.state, alarms | part.alarms
    assert alarms == whole.alarms
    assert encode_state(state) == encode_state(whole.state)
    half = next(n for n, one in enumerate(every) if one.start == 60 * HOUR)
    before = fold(State(), every[:half], watch())
    then = [msgspec.structs.replace(one, season=WEEK) for one in every[half:]]
    after = fold(before.state, then, msgspec.structs.replace(watch(), season=WEEK))
    assert of_track(after, "harm") == of_track(whole, "harm")
