"""The segments of a stream beside the whole: alarms of their own, and nothing changes for the stream."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from monitor.calibrating import Measure
from monitor.summaries import Summarizer
from monitor.verdict.family import Family, decode, sizes_of
from monitor.verdict.fold import Folded, State, WindowScore, fold
from monitor.verdict.lifecycle import Alarm
from monitor.verdict.members import Moved, Signal, explaining, named
from monitor.verdict.record import record
from monitor.verdict.summary import Summary
from schemas.definition import EVENTS, Stream
from storage.alarms import WatchTerms
from storage.windows import WindowKey
from tests.monitor.feed import HOUR
from tests.monitor.watched import DIVIDED, MONDAY, SIZES, STREAM, calibrator, hours

replace = msgspec.structs.replace

LENGTH = 120
"""Hours of a run."""


@cache
def measure(stream: Stream = DIVIDED) -> Measure:
    known = calibrator(stream)
    segments = "" if known.segments is None else known.segments.hash
    terms = WatchTerms(layout=known.layout.hash, sizes=SIZES, promise=1.0, segments=segments)
    return known.calibrate(MONDAY, (), lambda _: {}, terms=terms, excluded=())


def run(first: int = 48, **bent: Any) -> pa.Table:
    """A run that is bent from an hour on."""
    return pa.concat_tables([hours(0, first, seed=2), hours(first, LENGTH, seed=2, **bent)])


def scores(table: pa.Table, stream: Stream = DIVIDED) -> list[WindowScore]:
    """Its windows in canonical order."""
    known = calibrator(stream)
    summarizer, found = Summarizer(known.layout, stream, known.segments), []
    for records in stream.topics:
        for size in SIZES:
            for start in range(MONDAY, MONDAY + LENGTH * HOUR, size):
                at = (start - MONDAY) // HOUR
                rows = table.slice(at * 40, size // HOUR * 40)
                labels = rows.select(["id", "at", "took"])
                parts, joined = ([rows], None) if records.role == EVENTS else ([labels], rows)
                held = summarizer.summarize(WindowKey("r", records, size, start), parts, joined)
                found.append(_score(held, measure(stream), start, size))
    return sorted(found, key=lambda one: one.order)


def _score(held: Sequence[Summary], by: Measure, start: int, size: int) -> WindowScore:
    role, own = held[0].role, by.score(held[0].role, held[0])
    score = WindowScore(
        role=role, size=size, start=start, due=start + size, season=MONDAY, z=own.z, shares=own.shares
    )
    return by.with_segments(score, held[1:])


def folded(table: pa.Table, stream: Stream = DIVIDED) -> Folded:
    return fold(State(), scores(table, stream), measure(stream).watch)


def fired(found: Folded) -> dict[str, Alarm]:
    """Alarms that fired, by track."""
    alarms = sorted((a for a in found.alarms.values() if a.fired_at), key=lambda a: a.fired_at or 0)
    assert len({a.track for a in alarms}) == len(alarms)
    return {a.track: a for a in alarms}


def told(alarm: Alarm) -> str:
    return record(alarm, "r", DIVIDED, 1.0).message


CASES = {
    "calm": {},
    "all heavier": {"shift": 1.0},
    "one depot heavier": {"shift": 1.5, "only": "west"},
    "otherwise mixed": {"shares": (0.3, 0.3, 0.4)},
}


@pytest.mark.parametrize("bent", CASES.values(), ids=CASES)
def test_evidence_calibration_and_alarms_of_the_stream_are_those_without_segments(bent: dict[str, Any]) -> None:
    table = run(**bent)
    one, other = folded(table, STREAM), folded(table)
    assert measure().calibration.encode() == measure(STREAM).calibration.encode()
    assert [(p.level, p.signal, p.score.z) for p in one.points] == [
        (p.level, p.signal, p.score.z) for p in other.points
    ]
    plain = {key: replace(a, segments=()) for key, a in other.alarms.items() if a.track != "segments"}
    assert plain == one.alarms
    assert replace(other.state, segments=None, alarm=one.state.alarm) == one.state


def test_a_segment_that_moves_by_itself_is_named() -> None:
    found = fired(folded(run(shift=1.5, only="west")))
    first = min(found.values(), key=lambda a: a.fired_at or 0)
    named = (*first.members, *first.segments)
    assert [m.segment for m in named if m.segment] == ["depot=west"] * len([m for m in named if m.segment])
    assert any(m.column == "weight" and m.segment == "depot=west" for m in named)
    assert "depot=west" in told(first)


def test_what_moves_in_all_segments_alike_is_an_alarm_of_the_stream_alone() -> None:
    found = fired(folded(run(shift=1.0)))
    assert {*found} == {"change"}
    assert found["change"].segments == ()


def test_a_mixture_is_told_from_segments_that_move() -> None:
    table = run(shares=(0.42, 0.3, 0.28))
    found = folded(table)
    first = min(fired(found).values(), key=lambda a: a.fired_at or 0)
    if first.track == "segments":
        assert first.kind == "mixture"
        assert "no segment did by itself" in told(first)
    named = first.members if first.track == "segments" else first.segments
    assert [(m.kind, m.name) for m in named] == [("mixture", "depot")]


def test_a_calm_run_has_no_alarm() -> None:
    assert fired(folded(run())) == {}


@pytest.mark.parametrize("bent", CASES.values(), ids=CASES)
def test_windows_may_be_folded_in_any_parts(bent: dict[str, Any]) -> None:
    windows, state, alarms = scores(run(**bent)), State(), {}
    whole = fold(State(), windows, measure().watch)
    for first in range(0, len(windows), 17):
        part = fold(state, windows[first : first + 17], measure().watch)
        state = part.state
        alarms = {key: a for key, a in alarms.items() if key not in part.dropped} | part.alarms
    assert state == whole.state
    assert {k: a for k, a in alarms.items() if a.fired_at} == {k: a for k, a in whole.alarms.items() if a.fired_at}


def test_a_window_of_which_segments_are_not_known_says_nothing_of_them() -> None:
    windows = scores(run())
    some = next(one for one in windows if one.segments is not None and any(one.segments.z))
    silent = measure().with_segments(replace(some, segments=None), None)
    assert silent.segments is not None
    assert not any(silent.segments.z)
    assert len(silent.segments.z) == len(some.segments.z)  # type: ignore[union-attr]


def test_what_segments_added_up_in_a_season_is_not_read_by_the_signals_of_the_next() -> None:
    """A window of an hour is the first of a season, and an alarm of the stream is open."""
    before, watch = folded(run(shift=1.0)), measure().watch
    assert before.state.alarm is not None
    assert watch.segments is not None
    fewer = {
        key: replace(series, **{name: getattr(series, name)[:2] for name in series.__struct_fields__})
        for key, series in watch.segments.series.items()
    }
    season = MONDAY + 168 * HOUR
    later = replace(watch, season=season, segments=replace(watch.segments, season=season, series=fewer))
    first = next(one for one in scores(run()) if one.size == HOUR and one.start == MONDAY + HOUR)
    moved = replace(first, start=season, due=season + HOUR, season=season)
    after = fold(before.state, [moved], later)
    assert after.state.alarm is not None
    assert after.state.alarm.segments == before.state.alarm.segments


def test_a_family_survives_storage_and_is_none_where_the_stream_is_divided_otherwise() -> None:
    known = calibrator(DIVIDED)
    assert known.segments is not None
    family = measure().family
    assert isinstance(family, Family)
    again = decode(family.encode(), known.layout, known.segments)
    assert again is not None
    assert (again.id, again.encode(), again.watch(MONDAY)) == (family.id, family.encode(), family.watch(MONDAY))
    other = msgspec.structs.replace(known.segments, divisions=())
    assert decode(family.encode(), known.layout, other) is None
    assert family.sentence() == "3 segments are watched as well: at most 0.9 further false alarms a month."


def test_segments_are_watched_in_windows_of_six_hours() -> None:
    assert sizes_of((HOUR, 6 * HOUR, 24 * HOUR)) == (6 * HOUR,)
    assert sizes_of((HOUR // 2, HOUR)) == (HOUR,)
    assert {size for _, size in measure().watch.segments.series} == {6 * HOUR}  # type: ignore[union-attr]


def moved(segment: str, apart: float, name: str = "weight", rows: float = 100.0) -> Moved:
    kind: Any = "column" if "=" in segment else "mixture"
    signal = Signal(name, kind, name, segment if "=" in segment else "")
    return Moved(role=EVENTS, size=HOUR, signal=signal, value=2.0, chance=0.0, since=0, apart=apart, rows=rows)


@pytest.mark.parametrize(
    ("apart", "chosen"),
    [
        ({"a=1": 0.9, "a=2": 0.1}, {"a=1"}),
        ({"a=1": 0.9, "a=2": 0.7}, set()),
        ({"a=1": 0.9}, set()),  # nothing to tell it from
        ({"a=1": 0.9, "a=2": 0.0, "b=1": 0.2, "b=2": 0.0}, {"a=1"}),  # b=1 holds some of a=1
        ({"a=1": 0.9, "a=2": 0.8, "a=3": 0.1, "a=4": 0.0}, {"a=1", "a=2"}),
    ],
)
def test_a_segment_explains_what_the_others_of_its_division_did_not_do(
    apart: dict[str, float], chosen: set[str]
) -> None:
    found = explaining(moved(segment, distance) for segment, distance in apart.items())
    assert {one.signal.segment for one in found} == chosen


def test_a_segment_that_has_no_values_of_a_column_is_no_measure_of_another() -> None:
    each = [moved("a=1", 0.9), moved("a=2", 0.0, rows=0.0), moved("b=1", 1.0), moved("b=2", 0.0)]
    assert {one.signal.segment for one in explaining(each)} == {"b=1"}


@pytest.mark.parametrize(
    ("parts", "first"),
    [
        ({"a=1": (1.0, 80.0), "b=1": (0.8, 100.0)}, "a=1"),  # b=1 holds all of a=1, and rows that did not move
        ({"a=1": (1.0, 80.0), "b=1": (1.1, 20.0)}, "a=1"),  # b=1 is a part of a=1
        ({"a=1": (1.0, 80.0), "b=1": (0.5, 300.0)}, "a=1"),  # b=1 holds half of a=1
    ],
)
def test_of_segments_that_overlap_that_which_was_bent_is_named_first(
    parts: dict[str, tuple[float, float]], first: str
) -> None:
    each = [moved(segment, apart, rows=rows) for segment, (apart, rows) in parts.items()]
    assert named(each)[0].segment == first


def test_shares_of_segments_explain_by_themselves() -> None:
    assert len(explaining([moved("a=1", 0.9), moved("a=2", 0.8), moved("a", 0.0, "a")])) == 1


def test_the_error_that_counts_is_that_of_the_segment_that_moved() -> None:
    table = run(shift=1.5, only="south")
    late = (np.arange(table.num_rows) >= 48 * 40) & (table["depot"].to_numpy() == "south")
    slower = pa.array(table["took"].to_numpy() + 3.0 * late)
    worse = table.set_column(table.column_names.index("took"), "took", slower)
    for each, harm in ((table, "harmless"), (worse, "both")):
        silent = [replace(one, z=(0.0,) * len(one.z)) for one in scores(each)]  # of the whole stream
        alarm = fired(fold(State(), silent, measure().watch))["segments"]
        assert alarm.members[0].segment == "depot=south"
        assert alarm.harm == harm
    assert alarm.excess is not None
    assert alarm.excess > 2.0  # of the whole stream it is a third of that
    assert "error of depot=south rose" in told(alarm)
