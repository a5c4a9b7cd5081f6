from __future__ import annotations

import time
from math import inf

import pytest

from producer.gauges import Gauges


@pytest.fixture
def gauges() -> Gauges:
    return Gauges()


def value(gauges: Gauges, name: str, **labels: str) -> float | None:
    return gauges.instruments.registry.get_sample_value(f"driftline_{name}", labels)


def test_only_what_this_producer_sends_is_counted(gauges: Gauges) -> None:
    gauges.start_from({"trips": 100, "outcomes": 90})
    gauges.update({"trips": 103, "outcomes": 90}, clock=1_643_673_600_000)
    gauges.update({"trips": 104, "outcomes": 92}, clock=1_643_673_600_500)
    assert value(gauges, "records_sent_total", topic="trips") == 4
    assert value(gauges, "records_sent_total", topic="outcomes") == 2
    assert value(gauges, "replay_clock_timestamp_seconds") == 1_643_673_600.5


@pytest.mark.parametrize("due", [inf, -inf], ids=["nothing is left", "full speed"])
def test_without_a_schedule_nobody_is_late(gauges: Gauges, due: float) -> None:
    gauges.due = due
    assert value(gauges, "pace_lag_seconds") == 0


def test_a_record_that_is_due_and_not_sent_makes_the_producer_late(gauges: Gauges) -> None:
    gauges.due = time.monotonic() + 60
    assert value(gauges, "pace_lag_seconds") == 0
    gauges.due = time.monotonic() - 5
    lag = value(gauges, "pace_lag_seconds")
    assert lag is not None
    assert 5 <= lag <= time.monotonic() - gauges.due
