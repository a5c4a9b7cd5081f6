"""However many there are and however they work: the same final rows, in every column but clocks and revision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fleet import Fleet

pytestmark = pytest.mark.integration


def test_three_consumers_and_two_monitors(fleet: Fleet, same_rows: Callable[[], None]) -> None:
    consumers = [fleet.consumer() for _ in range(3)]
    monitors = [fleet.monitor() for _ in range(2)]
    fleet.finish(*consumers, *monitors)
    same_rows()


def test_small_flushes(fleet: Fleet, same_rows: Callable[[], None]) -> None:
    fleet.finish(fleet.consumer(flush_rows=17, read_rows=17, flush_ms=200), fleet.monitor())
    same_rows()


def test_consumers_that_come_and_go_in_the_middle_of_windows(fleet: Fleet, same_rows: Callable[[], None]) -> None:
    """One, then three, then one: each time partitions are taken over from a living owner."""
    slow: dict[str, Any] = {"until_done": None, "flush_rows": 20, "read_rows": 20}
    monitor, first = fleet.monitor(), fleet.consumer(**slow)
    first.says("assigned")
    others = [fleet.consumer(**slow), fleet.consumer(**slow)]
    for other in others:
        other.says("assigned")
    for each in (first, *others):
        each.terminate()
    fleet.finish(first, *others, fleet.consumer(), monitor)
    same_rows()


def test_large_flushes_and_a_monitor_that_comes_when_all_is_over(
    fleet: Fleet, same_rows: Callable[[], None]
) -> None:
    fleet.finish(fleet.consumer(flush_rows=100_000, read_rows=2_000, flush_ms=200))
    fleet.finish(fleet.monitor())
    same_rows()
