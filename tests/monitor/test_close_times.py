from __future__ import annotations

import pytest

from monitor.scheduling.close_times import KEPT, CloseTimes, WindowMeter
from monitor.scheduling.readiness import Watermarks

HOUR, DAY = 3_600_000, 86_400_000
T0 = 1_800_000_000_000


def seen(*marks: tuple[int, int]) -> CloseTimes:
    """(strict watermark, moment) as they were seen one after another."""
    closings = CloseTimes()
    for strict, moved_at in marks:
        closings.record({"events": Watermarks(strict + 7, strict)}, {"events": moved_at})
    return closings


def test_a_window_closed_when_the_strict_watermark_first_passed_its_end() -> None:
    closings = seen((10, 1_000), (20, 2_000), (20, 2_500), (30, 3_000))
    assert [closings.closed_at("events", end, 9_999) for end in (5, 10, 11, 20, 30)] == [
        1_000,
        1_000,
        2_000,
        2_000,
        3_000,
    ]


def test_what_closed_by_idleness_closed_now() -> None:
    assert seen((10, 1_000)).closed_at("events", 11, 9_999) == 9_999
    assert CloseTimes().closed_at("events", 11, 9_999) == 9_999


def test_each_stream_has_its_own_moments() -> None:
    assert seen((10, 1_000)).closed_at("labels", 10, 9_999) == 9_999


def test_old_moments_are_forgotten_before_new_ones() -> None:
    closings = seen(*((n, 1_000 * n) for n in range(1, 2 * KEPT)))
    assert closings.closed_at("events", 2 * KEPT - 1, 0) == 1_000 * (2 * KEPT - 1)
    assert closings.closed_at("events", 1, 0) > 1_000


@pytest.mark.parametrize("step", [-2 * DAY, -20_000, 20_000, 2 * DAY])
def test_how_long_ago_a_window_closed_is_unknown_once_the_clock_was_set(step: int) -> None:
    closings = CloseTimes()
    for second in range(3):
        closings.set_clock(T0 + 1_000 * second, 50.0 + second)
    assert closings.is_timed(T0 - 10 * DAY)
    closings.set_clock(T0 + step + 3_000, 53.0)
    closings.set_clock(T0 + step + 4_000, 54.0)
    before, after = T0 + min(0, step) + 2_000, T0 + step + 3_500
    assert (closings.is_timed(before), closings.is_timed(after)) == (False, True)


def test_slow_answers_and_clocks_that_drift_are_no_steps() -> None:
    closings = CloseTimes()
    for second, late in enumerate((0, 3_000, 0, 5_000, 5_500, 6_000)):
        closings.set_clock(T0 + 1_000 * second - late, float(second))
    assert closings.is_timed(T0 - DAY)


def test_health_counts_windows_since_it_was_last_asked() -> None:
    meter = WindowMeter(10.0)
    for latency, size in ((None, HOUR), (30.0, DAY), (10.0, HOUR), (20.0, HOUR)):
        meter.record(latency, size)
    assert meter.measures(12.0, 3) == {
        "windows_per_s": 2.0,
        "pending": 3,
        "latency_p50_ms": 20.0,
        "latency_p95_ms": 30.0,
        "latency_p95_ms_1h": 20.0,
        "latency_p95_ms_1d": 30.0,
    }
    assert meter.measures(12.0, 0)["windows_per_s"] == 0.0
    assert meter.measures(14.0, 0)["latency_p95_ms"] == 30.0


def test_without_a_window_there_is_no_latency() -> None:
    assert WindowMeter(0.0).measures(1.0, 0)["latency_p50_ms"] is None
