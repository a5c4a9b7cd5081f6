"""Thresholds for a window's size, slot of the season and number of rows."""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.drift.calibrate import calibrate
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.drift.window_thresholds import HOUR, WEEK, WindowThresholds, fit, slots
from monitor.evidently.reference import Reference, Span
from monitor.evidently.stattests import score
from monitor.evidently.window_figures import event_figures
from schemas.durations import moment_ms
from schemas.figures import DRIFT
from schemas.streams.taxi import TAXI
from tests.monitor.windows import by_name, put, trips

MONDAY = moment_ms("2022-01-03")
CONFIG = Config()
DAYS = 21


def pattern(days: int, seed: int, night: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of a stream with few rows at night, whose values are higher then by `night`."""
    draw = np.random.default_rng(seed)
    rows = [int(draw.poisson(40 if hour % 24 < 6 else 120)) for hour in range(24 * days)]
    hours = np.repeat(np.arange(24 * days), rows)
    times = MONDAY + np.sort(hours * HOUR + draw.integers(0, HOUR, len(hours)))
    return times, draw.normal((hours % 24 < 6) * night, 1.0) + draw.normal(0, 0.15, 24 * days)[hours]


def prepared(night: float = 1.5) -> tuple[pa.ChunkedArray, np.ndarray, NumberReference]:
    times, values = pattern(DAYS, 0, night)
    column = pa.chunked_array([pa.array(values)])
    return column, times, NumberReference.from_column(column, (0.005, 0.995))


def fitted(size: int = HOUR, season: int = WEEK, days: int = DAYS, night: float = 1.5) -> WindowThresholds | None:
    column, times, side = prepared(night)
    rows = int(np.searchsorted(times, MONDAY + days * 24 * HOUR))
    measure = partial(score, "wasserstein", side)
    return fit(column.slice(0, rows), times[:rows], side, measure, min_rows=30, size=size, season=season)


@cache
def reference(days: int = DAYS) -> Reference:
    return Reference.from_table(month(days), TAXI, CONFIG)


@cache
def month(days: int) -> pa.Table:
    times, values = pattern(days, 0)
    return put(put(trips(len(times)), "pickup_at", times), "trip_distance", np.exp(values / 4))


def distances(size: int, shift: float = 0.0, night: float = 1.5) -> list[tuple[int, int, float]]:
    """Start, rows and distance of each window of a fresh week."""
    times, values = pattern(7, 5, night)
    _, _, side = prepared(night)
    starts = np.arange(MONDAY, MONDAY + WEEK, size)
    edges = np.searchsorted(times, [*starts, MONDAY + WEEK])
    windows = [pa.chunked_array([values[a:b] + shift]) for a, b in pairwise(edges)]
    return [
        (int(start), len(window), side.distance(side.summarize(window)))
        for start, window in zip(starts, windows, strict=True)
        if len(window) >= 30
    ]


@pytest.mark.parametrize("size", [HOUR, 6 * HOUR])
def test_calm_windows_are_calm_at_any_hour_where_thresholds_by_rows_are_not(size: int) -> None:
    column, times, side = prepared()
    by_rows = calibrate(column, times, side, partial(score, "wasserstein", side), 30)
    by_window = fitted(size)
    assert by_rows is not None
    assert by_window is not None
    found = distances(size)
    flagged = sum(value >= by_window.threshold(start, rows, 0.0) for start, rows, value in found)
    assert flagged <= 0.02 * len(found)
    assert sum(value >= by_rows.threshold(rows, 0.0) for _, rows, value in found) > 2 * flagged + 2


def test_a_drift_shows_by_night_and_by_day() -> None:
    found, bent = fitted(6 * HOUR, night=0.3), distances(6 * HOUR, -2.0, night=0.3)
    assert found is not None
    assert len(bent) == 28
    assert all(value >= found.threshold(start, rows, 0.1) for start, rows, value in bent)


def test_the_figures_of_a_window_have_the_threshold_of_its_place() -> None:
    side, rows = reference(), month(DAYS).slice(0, 200)
    for start in (MONDAY, MONDAY + 12 * HOUR):
        found = by_name(event_figures(rows, side, CONFIG, Span(start, HOUR)))["trip_distance", DRIFT]
        assert found.threshold == side.threshold("trip_distance", 200, Span(start, HOUR))
    assert side.threshold("trip_distance", 200, Span(MONDAY, HOUR)) != found.threshold


def test_a_reference_of_less_than_two_seasons_gives_thresholds_by_rows() -> None:
    assert fitted(days=12) is None
    short = reference(days=12)
    assert short.threshold("trip_distance", 100, Span(MONDAY, HOUR)) == short.threshold("trip_distance", 100)


def test_too_few_windows_of_a_size_give_thresholds_by_rows() -> None:
    assert fitted(size=7 * 24 * HOUR) is None
    assert fitted(size=HOUR // 12) is None  # ten rows in five minutes


def test_a_stream_without_a_season_has_one_slot() -> None:
    found = fitted(season=0, days=3)
    assert found is not None
    assert found.threshold(MONDAY, 100, 0.0) == found.threshold(MONDAY + 5 * HOUR, 100, 0.0)


def test_few_rows_and_unusual_hours_raise_a_threshold_and_the_floor_is_kept() -> None:
    found = fitted()
    assert found is not None
    night, noon = MONDAY + 3 * HOUR, MONDAY + 12 * HOUR
    assert found.threshold(night, 40, 0.0) > found.threshold(noon, 40, 0.0) > found.threshold(noon, 400, 0.0) > 0
    assert found.threshold(noon, 400, 10.0) == 10.0


def test_a_threshold_depends_on_the_window_and_not_on_what_was_asked_before() -> None:
    other = Reference.from_table(month(DAYS), TAXI, CONFIG)
    other.prepare([6 * HOUR, HOUR])
    for name in other.methods:
        assert other.threshold(name, 90, Span(MONDAY, HOUR)) == reference().threshold(name, 90, Span(MONDAY, HOUR))


def test_a_column_that_never_varies_has_the_least_threshold() -> None:
    table = put(month(DAYS), "tolls_amount", np.full(month(DAYS).num_rows, 2.5))
    side = Reference.from_table(table, TAXI, CONFIG)
    assert side.threshold("tolls_amount", 90, Span(MONDAY, HOUR)) == side.methods["tolls_amount"].default


def test_weekdays_are_alike_and_saturday_and_sunday_are_not() -> None:
    days = MONDAY + 24 * HOUR * np.arange(8)
    assert slots(days, WEEK).tolist() == [0, 0, 0, 0, 0, 24, 48, 0]
    assert slots(days + 5 * HOUR, 24 * HOUR).tolist() == [5] * 8


@given(st.integers(-(10**13), 10**13), st.sampled_from([0, 24 * HOUR, WEEK, 14 * 24 * HOUR]))
def test_a_slot_repeats_with_the_season(start: int, season: int) -> None:
    slot, later = slots(np.array([start, start + season]), season)
    assert slot == later >= 0


def test_thresholds_are_values() -> None:
    found = fitted()
    assert found == fitted()
    assert msgspec.json.decode(msgspec.json.encode(found), type=WindowThresholds) == found


def test_that_windows_are_part_of_what_they_are_compared_with_is_undone() -> None:
    column, times, side = prepared()
    found = fit(
        column, times, side, lambda s: 0.1 * (1 - s.count / side.count), min_rows=30, size=6 * HOUR, season=0
    )
    assert found is not None
    assert np.exp(found.level) - found.offset == pytest.approx(0.1, rel=1e-9)
