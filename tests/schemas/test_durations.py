from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.durations import duration_ms, duration_text, moment, moment_ms, sizes_ms
from schemas.errors import UsageError


@pytest.mark.parametrize(
    ("text", "ms"), [("1ms", 1), ("90s", 90_000), ("5m", 300_000), ("1h", 3_600_000), ("1d", 86_400_000)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0m", "5 m", "1.5h", "5min", "5m5s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="duration"):
        duration_ms(text)


@given(st.integers(min_value=1, max_value=10**12))
def test_a_duration_reads_back_as_it_was_written(ms: int) -> None:
    assert duration_ms(duration_text(ms)) == ms


def test_sizes_come_back_ascending_and_once() -> None:
    assert sizes_ms("1d, 1h,1h", pane_ms=300_000) == (3_600_000, 86_400_000)


def test_a_size_that_is_not_a_whole_number_of_panes_is_refused() -> None:
    with pytest.raises(UsageError, match="7m is not a whole number of 5m panes"):
        sizes_ms("1h,7m", pane_ms=300_000)


def test_a_moment_without_zone_is_utc() -> None:
    assert moment_ms("2022-02-01") == moment_ms("2022-02-01T00:00:00Z") == 1_643_673_600_000


def test_a_moment_with_a_zone_keeps_it() -> None:
    assert moment_ms("2022-02-01T01:00:00+01:00") == moment_ms("2022-02-01")


def test_nonsense_is_no_moment() -> None:
    with pytest.raises(UsageError, match="moment"):
        moment_ms("yesterday")


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_a_moment_in_ms_survives_datetime(ms: int) -> None:
    assert moment_ms(moment(ms).isoformat()) == ms
