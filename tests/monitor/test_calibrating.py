"""What of the calibrations is remembered: those by the reference alone, which nothing can change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from monitor import calibrating
from monitor.calibrating import Calibrator
from monitor.verdict.summary import Summary, empty
from schemas.definition import EVENTS, LABELS, Role
from storage.alarms import WatchTerms
from tests.monitor.feed import HOUR
from tests.monitor.watched import MONDAY, SIZES, STREAM, WEEK, calibrator

TERMS = WatchTerms(layout="", sizes=SIZES, promise=1.0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each calibration that is drawn, not remembered."""
    drawn: list[Any] = []
    draw = calibrating.calibrate

    def watched(*arguments: Any, **more: Any) -> Any:
        drawn.append(draw(*arguments, **more))
        return drawn[-1]

    monkeypatch.setattr(calibrating, "calibrate", watched)
    return drawn


def fresh(times: int = 1) -> Calibrator:
    """One that remembers nothing, of the same reference, each row of it so many times."""
    known = calibrator()
    return Calibrator(known.layout, STREAM, pa.concat_tables([known._table] * times), known._period)


def nothing(_: int) -> Mapping[Role, Sequence[Summary]]:
    """A week of the run in which nothing came."""
    return {role: [empty(calibrator().layout, role, MONDAY, WEEK)] for role in (EVENTS, LABELS)}


def test_seasons_measured_by_the_same_weeks_of_the_reference_are_calibrated_once(made: list[Any]) -> None:
    known = fresh()
    first = known.calibrate(MONDAY, (), nothing, terms=TERMS, excluded=())
    again = known.calibrate(MONDAY, (), nothing, terms=TERMS, excluded=())
    assert len(made) == 1
    assert again.id == first.id == fresh().calibrate(MONDAY, (), nothing, terms=TERMS, excluded=()).id


@pytest.mark.parametrize(
    "other", [{"excluded": (MONDAY - WEEK,)}, {"promise": 2.0}, {"sizes": (HOUR,)}], ids=" ".join
)
def test_other_weeks_sizes_or_promises_are_calibrated_anew(made: list[Any], other: dict[str, Any]) -> None:
    known = fresh()
    first = known.calibrate(MONDAY, (), nothing, terms=TERMS, excluded=())
    excluded = other.pop("excluded", ())
    second = known.calibrate(MONDAY, (), nothing, terms=msgspec.structs.replace(TERMS, **other), excluded=excluded)
    assert len(made) == 2
    assert second.id != first.id


def test_weeks_of_the_run_are_read_each_time_since_they_may_be_revised(made: list[Any]) -> None:
    known, read = fresh(), []

    def week(start: int) -> Mapping[Role, Sequence[Summary]]:
        read.append(start)
        return nothing(start)

    for _ in range(2):
        known.calibrate(MONDAY + WEEK, (MONDAY,), week, terms=TERMS, excluded=())
    assert read == [MONDAY, MONDAY]
    assert len(made) == 2


US = msgspec.structs.replace(TERMS, holidays="US")
KING = MONDAY - 2 * WEEK
"""Monday 17 January 2022, Martin Luther King Jr. Day, in the third of the four calm weeks."""


def test_holidays_are_left_out_of_the_calm_weeks_and_these_stay_calm(made: list[Any]) -> None:
    known = fresh()
    plain = known.calibrate(MONDAY, (), nothing, terms=TERMS, excluded=())
    found = known.calibrate(MONDAY, (), nothing, terms=US, excluded=())
    assert len(made) == 2
    assert found.calibration.seasons == plain.calibration.seasons
    assert [*found.calibration.left_out] == [KING]
    assert not plain.calibration.left_out
    assert found.id != plain.id


def test_ageing_leaves_holidays_out_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(calibrating, "ageing", lambda *arguments: seen.extend(arguments[2:]) or ())
    own = [MONDAY + n * WEEK for n in range(4)]  # 21 February 2022 is the last of them
    known = fresh()
    known.calibrate(
        MONDAY + 4 * WEEK, own, lambda at: {EVENTS: [empty(known.layout, EVENTS, at, WEEK)]}, terms=US, excluded=()
    )
    training, newest = ({day for week in weeks for day in week.left_out} for weeks in seen)
    assert (training, newest) == ({KING}, {MONDAY + 3 * WEEK})


def test_windows_of_a_holiday_have_no_score_and_those_beside_it_do() -> None:
    """Washington's Birthday is on Monday 21 February 2022."""
    season, known = MONDAY + 3 * WEEK, fresh()
    terms = msgspec.structs.replace(US, sizes=(HOUR, 24 * HOUR))
    days = known.calibrate(season, (), nothing, terms=terms, excluded=())
    day = season + 24 * HOUR
    for start, size, counts in (
        (season, HOUR, False),
        (day - HOUR, HOUR, False),
        (day, HOUR, True),
        (season, 24 * HOUR, False),
        (day, 24 * HOUR, True),
    ):
        part = replace(known.reference[0].summaries[EVENTS], start=season).between(start, start + size)
        assert bool(days.score(EVENTS, part).z) is counts
        assert bool(days.silent(EVENTS, start, size, 3).z) is counts


def test_a_week_of_which_holidays_leave_less_than_half_is_no_calm_week(monkeypatch: pytest.MonkeyPatch) -> None:
    known = fresh()
    days = {MONDAY - WEEK + n * 24 * HOUR: "a festival" for n in range(4)}
    monkeypatch.setattr(calibrating, "holidays_of", lambda *_: days)
    found = known.calibrate(MONDAY, (), nothing, terms=US, excluded=()).calibration
    assert found.seasons == (MONDAY - 4 * WEEK, MONDAY - 3 * WEEK, MONDAY - 2 * WEEK)
    days.popitem()
    found = fresh().calibrate(MONDAY, (), nothing, terms=US, excluded=()).calibration
    assert found.seasons[-1] == MONDAY - WEEK


def test_sizes_that_are_no_whole_number_of_hours_are_watched() -> None:
    sizes = (HOUR // 4, HOUR // 2, 3 * HOUR // 2, 6 * HOUR)
    terms = msgspec.structs.replace(TERMS, sizes=sizes)
    made = dense().calibrate(MONDAY + WEEK, (MONDAY,), busy, terms=terms, excluded=()).calibration
    assert {size for _, size in made.watched} == {*sizes}
    for size in sizes:
        score, shares = made.score(busy(MONDAY)[EVENTS][0].between(MONDAY, MONDAY + size))
        assert len(score) == len(made.signals(EVENTS))
        assert 0.3 < shares["volume"] < 3


@cache
def dense() -> Calibrator:
    """Of a stream with enough rows in a quarter of an hour."""
    return fresh(4)


def busy(start: int) -> Mapping[Role, Sequence[Summary]]:
    """A week of the run that held what one of the reference did, by quarters of an hour."""
    known = dense()._reference_by(HOUR // 4)[0]
    return {role: [replace(one, start=start)] for role, one in known.summaries.items()}
