from __future__ import annotations

import pytest

from runtime.health import Health, HealthReport
from tests.runtime.clock import Clock


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health("monitor", 30.0, clock)


def test_a_stage_that_has_done_no_round_yet_is_starting(health: Health, clock: Clock) -> None:
    clock.now += 2
    assert health.report() == HealthReport("monitor", False, "it is starting", 2.0)


def test_a_stage_is_well_as_long_as_its_last_round_is_young(health: Health, clock: Clock) -> None:
    health.well()
    clock.now += 29.9
    assert health.report() == HealthReport("monitor", True, "", 29.9)
    clock.now += 0.1
    assert health.report() == HealthReport("monitor", False, "no round is done within 30 s", 30.0)


def test_trouble_is_the_reason_once_it_has_lasted_too_long_and_forgotten_when_it_has_passed(
    health: Health, clock: Clock
) -> None:
    health.well()
    health.trouble("database_down: connection refused")
    assert health.report().well
    clock.now += 31
    assert health.report() == HealthReport("monitor", False, "database_down: connection refused", 31.0)
    health.well()
    clock.now += 31
    assert health.report().reason == "no round is done within 30 s"


def test_trouble_at_the_start_is_told_at_once(health: Health) -> None:
    health.trouble("database_down: connection refused")
    assert not health.report().well
    assert health.report().reason == "database_down: connection refused"


def test_a_remark_is_told_while_well_and_changes_nothing_else(health: Health, clock: Clock) -> None:
    health.well()
    health.remark("alarms_unpublished: connection refused")
    assert health.report() == HealthReport("monitor", True, "alarms_unpublished: connection refused", 0.0)
    clock.now += 31
    assert health.report().reason == "no round is done within 30 s"
    health.well()
    health.remark("")
    assert health.report().reason == ""
