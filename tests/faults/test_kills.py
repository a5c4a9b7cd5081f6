"""kill -9 at every named place: whoever takes over leaves the same final rows."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.fleet import Fleet

pytestmark = [pytest.mark.integration, pytest.mark.faults]

KILLED = -signal.SIGKILL


def test_consumers_killed_each_replaced_by_the_next(fleet: Fleet, same_rows: Callable[[], None]) -> None:
    for place in ("before_flush:1", "before_flush:9", "after_update:6", "after_commit:6"):
        fleet.consumer(f"consumer.{place}").ends(KILLED)
    fleet.finish(fleet.consumer(), fleet.monitor())
    same_rows()


def test_one_consumer_after_the_other_killed(fleet: Fleet, same_rows: Callable[[], None]) -> None:
    """The second and third are members already when the one before them dies."""
    monitor = fleet.monitor()
    victims = [
        fleet.consumer(f"consumer.{place}") for place in ("after_update:3", "after_commit:4", "before_flush:5")
    ]
    for victim in victims:
        victim.ends(KILLED)
    fleet.finish(fleet.consumer(), monitor)
    same_rows()


def test_monitors_killed_each_replaced_by_the_next(fleet: Fleet, same_rows: Callable[[], None]) -> None:
    consumer = fleet.consumer()
    for place in ("mid_report:5", "before_commit:20", "after_commit:20"):
        fleet.monitor(f"monitor.{place}").ends(KILLED)
    fleet.finish(consumer, fleet.monitor())
    same_rows()


def test_two_monitors_one_killed_over_a_window_that_it_holds(fleet: Fleet, same_rows: Callable[[], None]) -> None:
    victim, other = fleet.monitor("monitor.before_commit:12"), fleet.monitor()
    consumer = fleet.consumer()
    victim.ends(KILLED)
    fleet.finish(consumer, other)
    same_rows()
