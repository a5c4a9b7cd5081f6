"""What of the calibrations is remembered: those by the reference alone, which nothing can change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
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


def fresh() -> Calibrator:
    """One that remembers nothing, of the same reference."""
    known = calibrator()
    return Calibrator(known.layout, STREAM, known._table, known._period)


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
