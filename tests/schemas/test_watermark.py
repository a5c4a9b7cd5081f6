from __future__ import annotations

import pytest

from schemas.watermark import END, NEVER, partition_watermark, stream_watermark


def test_a_watermark_is_the_largest_event_time_less_the_allowed_lateness() -> None:
    assert partition_watermark(1_000, 300) == 700
    assert partition_watermark(0, 300) == -300


@pytest.mark.parametrize(("marks", "watermark"), [([700, 500], 500), ([700, NEVER], NEVER), ([END, 700], 700)])
def test_the_slowest_partition_holds_the_others_back(marks: list[int], watermark: int) -> None:
    assert stream_watermark(marks) == watermark


def test_a_partition_without_an_event_time_holds_back_every_window() -> None:
    assert stream_watermark([partition_watermark(None, 0), 700]) == NEVER


@pytest.mark.parametrize("empty", [NEVER, END])
def test_without_a_partition_the_watermark_is_what_was_asked_for(empty: int) -> None:
    assert stream_watermark([], empty) == empty
