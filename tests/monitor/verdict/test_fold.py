"""Folding evidence into alarms: what it may not depend on, and how an alarm lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.verdict.fold import Folded, Series, State, Watch, WindowScore, decode_state, encode_state, fold
from monitor.verdict.lifecycle import THRESHOLDS, Alarm, Evidence, advance
from monitor.verdict.members import Aged, Ageing, Signal
from monitor.verdict.order import Extent, Place, first_start, next_windows
from monitor.verdict.season import DAY, HOUR, WEEK, Season
from schemas.definition import EVENTS, LABELS, Role

SEASON = Season()
MONDAY_2022 = SEASON.start(1_644_192_000_000)  # 2022-02-07
LATENESS: dict[Role, int] = {EVENTS: 600_000, LABELS: 2 * HOUR}
SIZES = (HOUR, 6 * HOUR)

SIGNALS: dict[Role, tuple[Signal, ...]] = {
    EVENTS: (
        Signal("distance", "column", "distance"),
        Signal("prediction", "prediction", "prediction"),
        Signal("volume", "volume"),
    ),
    LABELS: (Signal("error", "error", "error"), Signal("coverage", "coverage")),
}

Scoring = Callable[[Place], tuple[float, ...]]


def watch_of(season: int, line: float = 10.0, ageing: Ageing | None = None) -> Watch:
    series = {
        (role, size): Series(
            signals=SIGNALS[role],
            drift=(0.7,) * len(SIGNALS[role]),
            line=(line,) * len(SIGNALS[role]),
            rates=(1.4,) * len(SIGNALS[role]),
        )
        for role in LATENESS
        for size in SIZES
    }
    return Watch(season=season, calibration_id="c", promise=0.87, series=series, ageing=ageing)


def places(hours: int, first: int = MONDAY_2022) -> list[Place]:
    """All windows of a run of so many hours that is over, in canonical order."""
    extents = [
        Extent(role=role, size=size, lateness=late, until=first + hours * HOUR // size * size, is_over=True)
        for role, late in LATENESS.items()
        for size in SIZES
    ]
    found: list[Place] = []
    while True:
        some, more = next_windows(first, extents, found[-1].order if found else None, SEASON, 10_000)
        found += some
        if not more:
            return found


def calm(place: Place) -> tuple[float, ...]:
    return (0.0,) * len(SIGNALS[place.role])


def moved(signal: str, since: int, until: int, by: float = 4.0) -> Scoring:
    """Scores of a stream in which one signal moves for a while (hours since the beginning)."""

    def score(place: Place) -> tuple[float, ...]:
        inside = since <= (place.start - MONDAY_2022) / HOUR < until
        return tuple(by if inside and s.name == signal else 0.0 for s in SIGNALS[place.role])

    return score


def scored(found: Iterable[Place], scoring: Scoring, rows: float = 1.0) -> list[WindowScore]:
    return [
        WindowScore(
            role=p.role,
            size=p.size,
            start=p.start,
            due=p.due,
            season=p.season,
            z=scoring(p),
            shares={"volume": rows} if p.role == EVENTS else {},
        )
        for p in found
    ]


def folded(scores: Sequence[WindowScore], state: State | None = None) -> Folded:
    """Season by season, as the monitor does."""
    done = Folded(state=state or State(), points=[], alarms={}, dropped=[], changes=[])
    for season in sorted({score.season for score in scores}):
        part = fold(done.state, [s for s in scores if s.season == season], watch_of(season))
        done = joined(done, part)
    return done


def joined(one: Folded, other: Folded) -> Folded:
    alarms = {key: alarm for key, alarm in one.alarms.items() if key not in other.dropped} | other.alarms
    return Folded(
        state=other.state,
        points=one.points + other.points,
        alarms=alarms,
        dropped=[*one.dropped, *other.dropped],
        changes=one.changes + other.changes,
    )


def the_alarm(found: Folded) -> Alarm:
    (alarm,) = found.alarms.values()
    return alarm


def hour(time: int | None) -> float | None:
    return None if time is None else (time - MONDAY_2022) / HOUR


def test_nothing_moves_and_no_alarm() -> None:
    found = folded(scored(places(200), calm))
    assert not found.alarms
    assert not found.changes
    assert {point.level for point in found.points} == {0.0}


def test_an_alarm_is_pending_then_fires_then_recovers() -> None:
    """k = .7, the line at 10: an hour adds 3.3, so half the line takes two windows, the line four."""
    found = folded(scored(places(160), moved("distance", 30, 54)))
    alarm = the_alarm(found)
    assert (alarm.state, alarm.kind, alarm.columns) == ("recovered", "drift", ("distance",))
    assert [hour(t) for t in (alarm.first_evidence, alarm.pending_at, alarm.fired_at)] == [30, 32, 34]
    assert [change.state for change in found.changes] == ["firing", "recovered"]
    assert 54 + 24 <= (hour(alarm.recovered_at) or 0) <= 54 + 36


def test_a_suspicion_that_comes_to_nothing_leaves_no_alarm() -> None:
    found = folded(scored(places(100), moved("distance", 30, 32)))
    assert max(point.level for point in found.points) > 0.5
    assert not found.alarms
    assert not found.changes
    assert found.state.alarm is None


def test_two_stretches_a_day_apart_are_one_episode() -> None:
    first, second = moved("distance", 10, 20), moved("prediction", 30, 40)
    found = folded(scored(places(160), lambda p: tuple(a + b for a, b in zip(first(p), second(p), strict=True))))
    assert len(found.alarms) == 1
    assert {"distance", "prediction"} <= {*the_alarm(found).columns}


def test_a_stretch_long_after_the_first_is_another_alarm() -> None:
    first, second = moved("distance", 10, 20), moved("distance", 400, 420)
    found = folded(scored(places(700), lambda p: tuple(a + b for a, b in zip(first(p), second(p), strict=True))))
    assert [alarm.state for alarm in found.alarms.values()] == ["recovered", "recovered"]


def test_a_prediction_that_moves_with_its_input_is_a_consequence() -> None:
    one, other = moved("distance", 30, 60, by=3.0), moved("prediction", 30, 60, by=5.0)
    found = folded(scored(places(62), lambda p: tuple(a + b for a, b in zip(one(p), other(p), strict=True))))
    members = the_alarm(found).members
    assert [(m.name, m.consequence) for m in members] == [("distance", False), ("prediction", True)]


def test_a_gap_inhibits_what_else_has_moved() -> None:
    one, other = moved("distance", 30, 60), moved("volume", 30, 60, by=5.0)
    both = scored(places(62), lambda p: tuple(a + b for a, b in zip(one(p), other(p), strict=True)), rows=0.0)
    assert (the_alarm(folded(both)).kind, the_alarm(folded(both)).columns) == ("gap", ("volume",))


def test_more_rows_than_usual_inhibit_nothing() -> None:
    one, other = moved("distance", 30, 60), moved("volume", 30, 60)
    both = scored(places(62), lambda p: tuple(a + b for a, b in zip(one(p), other(p), strict=True)), rows=1.8)
    assert {*the_alarm(folded(both)).columns} == {"distance", "volume"}


def test_harm_is_known_once_labels_of_the_stretch_have_come() -> None:
    found = folded(scored(places(160), moved("distance", 30, 60, by=6.0)))
    assert [change.harm for change in found.changes] == ["unlabelled", "harmless"]
    assert the_alarm(folded(scored(places(62), moved("error", 30, 60)))).harm == "concept"


def test_evidence_begins_anew_in_each_season() -> None:
    found = folded(scored(places(200), moved("distance", 100, 400, by=1.0)))
    at_border = [p.level for p in found.points if p.score.start == MONDAY_2022 + WEEK and p.score.role == EVENTS]
    assert at_border == pytest.approx([0.03, 0.03])


def test_an_alarm_outlives_the_border_of_a_season() -> None:
    found = folded(scored(places(200), moved("distance", 150, 400)))
    alarm = the_alarm(found)
    assert (alarm.state, hour(alarm.recovered_at)) == ("firing", None)


def test_an_alarm_does_not_recover_because_its_evidence_begins_anew() -> None:
    """An hour adds 1.3 of 10, so that little stands against the stream in the first hours of the second season."""
    going_on = the_alarm(folded(scored(places(200), moved("distance", 100, 400, by=2.0))))
    assert (going_on.state, hour(going_on.recovered_at)) == ("firing", None)
    over = the_alarm(folded(scored(places(240), moved("distance", 100, 167, by=2.0))))
    assert (over.state, hour(over.recovered_at)) == ("recovered", 168 + 25)


ANY_Z = st.sampled_from([-1.0, 0.0, 0.5, 1.5, 3.0, 6.0])


def aged(*moved: tuple[str, float, float]) -> Ageing:
    """moved: name, mean and lower bound of each signal that has moved, its tolerance being 0.1."""
    found = [
        Aged(role=LABELS if name == "mae" else EVENTS, name=name, value=value, low=low, tolerance=0.1)
        for name, value, low in moved
    ]
    return Ageing(MONDAY_2022 - 4 * WEEK, WEEK, tuple(found), labelled=True)


def aged_by(seasons: Sequence[Ageing | None]) -> list[Folded]:
    """One day in each of these seasons, in which nothing else moves."""
    found: list[Folded] = []
    for number, ageing in enumerate(seasons):
        season = MONDAY_2022 + number * WEEK
        scores = [s for s in scored(places(24, season), calm) if s.season == season]
        found.append(fold(found[-1].state if found else State(), scores, watch_of(season, ageing=ageing)))
    return found


def test_a_stream_that_is_surely_not_as_trained_on_is_an_alarm_of_its_own() -> None:
    near, far = (
        aged(("distance", 0.15, 0.08)),
        aged(("distance", 0.3, 0.2), ("mae", 0.2, 0.15), ("volume", 0.2, 0.05)),
    )
    parts = aged_by([None, near, far, far, near, aged()])
    assert [[(a.track, a.state) for a in part.changes] for part in parts] == [
        *([], [], [("ageing", "firing")], [], [], [("ageing", "recovered")])
    ]
    ((key, alarm),) = parts[2].alarms.items()
    assert key == ("ageing", EVENTS, WEEK, MONDAY_2022 + 2 * WEEK)
    assert (alarm.kind, alarm.harm, alarm.value, alarm.columns) == ("ageing", "both", 2.0, ("distance", "mae"))
    assert (alarm.first_evidence, alarm.fired_at) == (MONDAY_2022 - 4 * WEEK, MONDAY_2022 + 2 * WEEK)
    assert alarm.name("r") == "ageing:r:events:7d:2022-02-21T00:00:00"
    assert parts[5].alarms[key].recovered_at == MONDAY_2022 + 5 * WEEK


def test_ageing_is_harmless_where_the_error_is_as_it_was() -> None:
    (part,) = aged_by([aged(("distance", 0.3, 0.2))])
    assert [alarm.harm for alarm in part.alarms.values()] == ["harmless"]


def test_ageing_and_change_are_open_beside_one_another() -> None:
    scores = scored(places(60), moved("distance", 20, 60))
    found = fold(State(), scores, watch_of(MONDAY_2022, ageing=aged(("distance", 0.3, 0.2))))
    assert [(a.track, a.state) for a in found.changes if a.state == "firing"] == [
        *(("ageing", "firing"), ("change", "firing"))
    ]
    assert decode_state(encode_state(found.state)) == found.state


@st.composite
def streams(draw: st.DrawFn) -> list[WindowScore]:
    hours = draw(st.integers(24, 90))
    first = MONDAY_2022 + draw(st.integers(90, 160)) * HOUR
    rows = draw(st.sampled_from([0.0, 0.3, 1.0]))
    found = places_from(hours, first)
    z = draw(st.lists(ANY_Z, min_size=40, max_size=40))
    return scored(found, lambda p: tuple(z[(p.start // HOUR + i) % 40] for i in range(len(SIGNALS[p.role]))), rows)


def places_from(hours: int, first: int) -> list[Place]:
    extents = [
        Extent(role=role, size=size, lateness=late, until=(first + hours * HOUR) // size * size, is_over=True)
        for role, late in LATENESS.items()
        for size in SIZES
    ]
    found: list[Place] = []
    more = True
    while more:
        some, more = next_windows(first, extents, found[-1].order if found else None, SEASON, 10_000)
        found += some
    return found


@given(streams(), st.lists(st.integers(0, 600), max_size=6))
@settings(max_examples=25, deadline=None)
def test_folding_part_by_part_is_folding_at_once(scores: list[WindowScore], cuts: list[int]) -> None:
    whole = folded(scores)
    parts = Folded(state=State(), points=[], alarms={}, dropped=[], changes=[])
    edges = sorted({0, *(min(cut, len(scores)) for cut in cuts), len(scores)})
    for begin, end in pairwise(edges):
        stored = decode_state(encode_state(parts.state))
        parts = joined(parts, folded(scores[begin:end], stored)) if begin < end else parts
    assert parts.points == whole.points
    assert parts.alarms == whole.alarms
    assert parts.changes == whole.changes
    assert encode_state(parts.state) == encode_state(whole.state)


@given(streams())
@settings(max_examples=15, deadline=None)
def test_alarms_of_one_run_never_overlap(scores: list[WindowScore]) -> None:
    alarms = [*folded(scores).alarms.values()]
    assert all(alarm.recovered_at is not None for alarm in alarms[:-1])
    for before, after in pairwise(alarms):
        assert (before.recovered_at or 0) <= after.pending_at
    assert len({alarm.name("r") for alarm in alarms}) == len(alarms)


def test_folding_leaves_the_state_before_as_it_was() -> None:
    state = folded(scored(places(40), moved("distance", 30, 40))).state
    before = encode_state(state)
    folded(scored([p for p in places(60) if state.last and p.order > state.last], calm), state)
    assert encode_state(state) == before


def test_a_window_out_of_order_is_refused() -> None:
    first, second, *_ = scored(places(10), calm)
    with pytest.raises(ValueError, match="out of order"):
        folded([second, first])


# Which windows are next, and in what order.


@given(
    st.lists(st.integers(0, 12), min_size=4, max_size=4),
    st.integers(3, 40),
    st.integers(100, 200),
)
@settings(max_examples=25, deadline=None)
def test_windows_come_in_one_order_whenever_they_become_complete(steps: list[int], most: int, begin: int) -> None:
    """Series advance by fits and starts: what is handed out is always the beginning of the same sequence."""
    first = MONDAY_2022 + begin * HOUR
    whole = places_from(90, first)
    keys = [(role, size) for role in LATENESS for size in SIZES]
    until = dict.fromkeys(keys, first)
    found: list[Place] = []
    for turn in range(4 * 90):
        key = keys[turn % 4]
        until[key] = min(until[key] + (1 + steps[turn % 4]) * HOUR, first + 90 * HOUR)
        over = all(end == first + 90 * HOUR for end in until.values())
        extents = [
            Extent(role=r, size=s, lateness=LATENESS[r], until=end // s * s, is_over=over)
            for (r, s), end in until.items()
        ]
        more = True
        while more:
            some, more = next_windows(first, extents, found[-1].order if found else None, SEASON, most)
            found += some
        assert found == whole[: len(found)]
    assert found == whole


def test_every_window_of_the_run_comes_once_and_season_by_season() -> None:
    first = MONDAY_2022 + 100 * HOUR
    found = places_from(90, first)
    starts = {
        (role, size, start)
        for role in LATENESS
        for size in SIZES
        for start in range(-(-first // size) * size, first + 90 * HOUR - size + 1, size)
    }
    assert {(p.role, p.size, p.start) for p in found} == starts
    assert len(found) == len(starts)
    assert found == sorted(found, key=lambda p: (p.start >= MONDAY_2022 + WEEK, p.due, p.size, p.role))


def test_a_season_begins_only_when_the_one_before_is_complete() -> None:
    """Labels of Sunday's last hour come two hours later: Monday's events wait for them."""
    until = MONDAY_2022 + WEEK + HOUR
    extents = [
        Extent(role=EVENTS, size=HOUR, lateness=LATENESS[EVENTS], until=until),
        Extent(role=LABELS, size=HOUR, lateness=LATENESS[LABELS], until=MONDAY_2022 + WEEK - HOUR),
    ]
    last = (MONDAY_2022, MONDAY_2022 + WEEK + HOUR, HOUR, LABELS)
    assert next_windows(MONDAY_2022, extents, last, SEASON, 10) == ([], False)
    extents[1] = Extent(role=LABELS, size=HOUR, lateness=LATENESS[LABELS], until=MONDAY_2022 + WEEK)
    (label, *_), more = next_windows(MONDAY_2022, extents, last, SEASON, 10)
    assert (label.role, label.start, more) == (LABELS, MONDAY_2022 + WEEK - HOUR, True)
    (event,), _ = next_windows(MONDAY_2022, extents, label.order, SEASON, 10)
    assert (event.role, event.start) == (EVENTS, MONDAY_2022 + WEEK)


def test_windows_that_the_first_record_cuts_are_left_out() -> None:
    """A day whose first half nobody has seen would be half empty; the hour of the first record is whole enough."""
    first = first_start(MONDAY_2022 + 14 * HOUR + 35 * 60_000, (HOUR, DAY))
    extents = [
        Extent(role=EVENTS, size=size, lateness=0, until=MONDAY_2022 + 2 * DAY, is_over=True)
        for size in (HOUR, DAY)
    ]
    found, _ = next_windows(first, extents, None, SEASON, 1_000)
    assert min(p.start for p in found if p.size == HOUR) == MONDAY_2022 + 14 * HOUR
    assert [p.start for p in found if p.size == DAY] == [MONDAY_2022 + DAY]


def silenced(scores: Iterable[WindowScore], first: int, last: int) -> list[WindowScore]:
    """Windows that touch some hours, since the beginning, do not count."""
    since, until = (MONDAY_2022 + at * HOUR for at in (first, last))
    return [replace(s, z=(), shares={}) if s.start < until and s.end > since else s for s in scores]


def test_over_windows_that_do_not_count_evidence_and_alarms_stay_as_they_were() -> None:
    """The stream moves from hour 20 on; hours 24 to 48 do not count."""
    scores = scored(places(96), moved("distance", 20, 96, by=2.0))
    found = folded(silenced(scores, 24, 48))
    levels: dict[tuple[str, int], list[float]] = {}
    for point in found.points:
        levels.setdefault((point.score.role, point.score.size), []).append(point.level)
    hourly = levels[EVENTS, HOUR]
    assert hourly[23] > 0
    assert {*hourly[24:48]} == {hourly[23]}
    assert hourly[48] > hourly[47]
    assert {*levels[EVENTS, 6 * HOUR][4:8]} == {levels[EVENTS, 6 * HOUR][3]}
    alarm = the_alarm(found)
    assert hour(alarm.first_evidence) == 20
    assert alarm.fired_at is not None
    assert 48 < (hour(alarm.fired_at) or 0) < 60


def test_a_season_that_begins_with_windows_that_do_not_count_begins_after_them() -> None:
    scores = scored(places(96), moved("distance", 0, 96))
    found = folded(silenced(scores, 0, 24))
    assert {point.level for point in found.points if point.score.end <= MONDAY_2022 + 24 * HOUR} == {0.0}
    assert hour(the_alarm(found).first_evidence) == 24


def test_an_alarm_goes_on_over_windows_that_do_not_count() -> None:
    """It stops moving as they begin, and has not recovered before calm windows say so."""
    scores = scored(places(168), moved("distance", 12, 24))
    plain, held = folded(scores), folded(silenced(scores, 24, 72))
    assert hour(the_alarm(plain).recovered_at) is not None
    assert hour(the_alarm(held).fired_at) == hour(the_alarm(plain).fired_at)
    assert (hour(the_alarm(held).recovered_at) or 0) > 72


def test_windows_that_do_not_count_are_folded_one_by_one_as_all_at_once() -> None:
    scores = silenced(scored(places(96), moved("distance", 20, 96, by=2.0)), 24, 48)
    state, points = State(), []
    for score in scores:
        part = fold(state, [score], watch_of(MONDAY_2022))
        state, points = part.state, [*points, *part.points]
    assert points == folded(scores).points
    assert encode_state(state) == encode_state(folded(scores).state)


def test_an_alarm_fires_for_a_day_however_soon_it_is_calm() -> None:
    def at(hours: int, level: float) -> Evidence:
        start = MONDAY_2022 + hours * HOUR
        return Evidence(
            role=EVENTS,
            size=HOUR,
            start=start,
            level=level,
            is_calm=level < THRESHOLDS.calm,
            moved=(),
            shares={},
            labelled_until=None,
            calibration_id="c",
            promise=1.0,
        )

    alarm = advance(None, at(0, 1.5))
    for hours in (1, 23):
        alarm = advance(alarm, at(hours, 0.1))
        assert alarm is not None
        assert alarm.state == "firing"
    after = advance(alarm, at(24, 0.1))
    assert after is not None
    assert (after.state, after.recovered_at) == ("recovered", MONDAY_2022 + 25 * HOUR)
