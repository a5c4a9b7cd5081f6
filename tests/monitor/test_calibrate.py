"""Thresholds drawn from calm blocks of the reference."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.drift.calibrate import BLOCKS, SIZES, Calibration, calibrate, starts
from monitor.drift.category import CategoryReference
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.evidently.reference import Reference
from monitor.evidently.stattests import score
from monitor.evidently.window_figures import event_figures
from schemas.figures import DRIFT
from schemas.streams.taxi import TAXI
from tests.monitor.windows import by_name, trips


def column(values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def calibrated(values: pa.ChunkedArray, *, numeric: bool = True) -> Calibration:
    prepared = (
        NumberReference.from_column(values, (0.001, 0.999)) if numeric else CategoryReference.from_column(values)
    )
    found = calibrate(values, np.arange(len(values)), prepared, partial(score, prepared.method, prepared), 30)
    assert found
    return found


def test_a_threshold_falls_as_windows_grow() -> None:
    found = calibrated(column(np.random.default_rng(0).normal(size=20_000)))
    assert list(found.rows) == [size for size in SIZES if size <= 5_000]
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert found.scores[0] > 0.3
    assert found.scores[-1] < 0.06


@pytest.mark.parametrize("rows", [60, 500, 2_000])
def test_fresh_windows_of_the_same_source_stay_below_their_threshold(rows: int) -> None:
    draw = np.random.default_rng(1)
    zones = draw.zipf(1.5, 20_000) % 250
    prepared = CategoryReference.from_column(column(zones))
    found = calibrated(column(zones), numeric=False)
    scores = [
        prepared.distance(prepared.summarize(column(draw.zipf(1.5, rows) % 250))) > found.threshold(rows, 0.0)
        for _ in range(200)
    ]
    assert np.mean(scores) <= 0.05  # 1 % wanted, from 200 blocks
    assert found.threshold(rows, 0.0) < 3 * prepared.distance(
        prepared.summarize(column(draw.zipf(1.5, rows) % 250))
    )


def test_blocks_know_the_hours_that_a_window_falls_into() -> None:
    """A column that follows the hour: samples drawn from all hours at once would call every hour drift."""
    draw = np.random.default_rng(2)
    hours = np.sin(np.arange(24_000) / 1_000 * 2 * np.pi)
    found = calibrated(column(hours + draw.normal(0, 0.1, 24_000)))
    mixed = calibrated(column(draw.permutation(hours + draw.normal(0, 0.1, 24_000))))
    assert found.threshold(100, 0.0) > 3 * mixed.threshold(100, 0.0)


def test_between_sizes_a_threshold_is_linear_in_log_rows_and_level_beyond() -> None:
    found = Calibration((100.0, 10_000.0), (0.4, 0.2))
    assert found.threshold(1_000, 0.0) == pytest.approx(0.3)
    assert found.threshold(1, 0.0) == pytest.approx(0.4)
    assert found.threshold(10**7, 0.0) == pytest.approx(0.2)
    assert found.threshold(10**7, 0.25) == 0.25


def test_a_column_of_few_values_has_no_thresholds_of_its_own() -> None:
    values = column(np.arange(100.0))
    prepared = NumberReference.from_column(values, (0, 1))
    assert calibrate(values, np.arange(100), prepared, prepared.distance, 30) is None
    sparse = column([1.0] * 40 + [None] * 4_000)
    prepared = NumberReference.from_column(sparse, (0, 1))
    assert calibrate(sparse, np.arange(4_040), prepared, prepared.distance, 41) is None


def test_thresholds_are_for_the_values_that_are_there() -> None:
    half = column([None if i % 2 else float(i % 7) for i in range(4_000)])
    found = calibrated(half)
    assert list(found.rows) == [50.0, 150.0, 500.0]


@given(st.lists(st.integers(0, 10**6), min_size=100, max_size=300), st.integers(1, 100), st.integers(1, 300))
def test_blocks_lie_inside_and_in_order(times: list[int], size: int, blocks: int) -> None:
    found = starts(np.sort(np.array(times)), size, blocks)
    assert found == sorted(set(found))
    assert 0 < len(found) <= blocks
    assert found[0] >= 0
    assert found[-1] + size <= len(times)


@pytest.mark.parametrize("days", [30, BLOCKS])
def test_blocks_are_spread_over_the_days_and_the_hours_though_nights_have_few_rows(days: int) -> None:
    """Days have 10 trips in each of the first six hours, 100 in each of the others.

    With as many days as blocks, one block every 24 hours would be in step.
    """
    hours = np.repeat(np.arange(24), np.where(np.arange(24) < 6, 10, 100))
    times = np.sort(np.concatenate([24 * day + hours for day in range(days)]))
    found = times[starts(times, 30, BLOCKS)]
    assert np.diff(found).max() < 3 * 24 * days / BLOCKS + 1
    at_night = np.mean(found % 24 < 6)
    assert 0.2 < at_night < 0.3


def test_every_distance_is_calibrated_and_no_p_value() -> None:
    config = Config(methods={"fare_amount": "ks", "tip_amount": "psi"})
    reference = Reference.from_table(trips(4_000, seed=3), TAXI, config)
    assert reference.threshold("fare_amount", 50) == reference.methods["fare_amount"].default
    assert reference.threshold("tip_amount", 50) > reference.methods["tip_amount"].default
    assert reference.threshold("PULocationID", 50) > reference.threshold("PULocationID", 900) > 0.1


def test_the_same_reference_gives_the_same_thresholds() -> None:
    first, second = (Reference.from_table(trips(4_000, seed=3), TAXI, Config()) for _ in range(2))
    for name in first.methods:
        assert first.threshold(name, 200) == second.threshold(name, 200)


def test_calm_small_windows_are_calm_and_bent_ones_are_not() -> None:
    reference = Reference.from_table(trips(8_000, seed=3), TAXI, Config())
    plain = Reference.from_table(trips(8_000, seed=3), TAXI, Config(), calibrated=False)
    calm = [trips(100, seed=seed) for seed in range(100, 120)]
    before, after = (
        np.mean([event_figures(window, side, Config()).columns_drifted for window in calm])
        for side in (plain, reference)
    )
    assert before > 3
    assert after < 0.6
    bent = by_name(event_figures(trips(300, seed=99, scale=1.609), reference, Config()))
    assert bent["trip_distance", DRIFT].status == "drift"
