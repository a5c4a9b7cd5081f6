"""Kafka goes away in the middle of a replay, and comes back."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from producer.stage import Progress, Summary, run
from tests.producer.log import essence, expected, of_run, settings, stored

if TYPE_CHECKING:
    from tests.conftest import FaultStack

pytestmark = [pytest.mark.integration, pytest.mark.faults]


def test_a_killed_broker_is_waited_for_and_nothing_is_lost(fault_stack: FaultStack) -> None:
    kafka, prefix = {"bootstrap.servers": fault_stack.addresses.bootstrap_servers}, f"{uuid.uuid4().hex[:8]}-"
    wanted = settings(kafka, prefix, speed=86_400 / 4)
    killed = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.events >= 200 and not killed.is_set():
            killed.set()
            fault_stack.kill("kafka")

    with capture_logs() as logs:
        done: Summary = run(wanted, threading.Event(), watch)
    assert done.finished
    assert killed.is_set()
    fault_stack.wait()
    lanes = stored(kafka, prefix)
    assert {lane: essence(of_run(messages)) for lane, messages in lanes.items()} == expected(wanted)
    kafka_events = [e["event"] for e in logs if e["event"].startswith("kafka_")]
    assert (kafka_events[0], kafka_events[-1]) == ("kafka_lost", "kafka_back")


def test_stopped_while_the_broker_is_away_the_run_goes_on_later(fault_stack: FaultStack) -> None:
    kafka, prefix = {"bootstrap.servers": fault_stack.addresses.bootstrap_servers}, f"{uuid.uuid4().hex[:8]}-"
    wanted, stop = settings(kafka, prefix, speed=86_400 / 4), threading.Event()

    def watch(progress: Progress) -> None:
        if progress.events >= 200 and not stop.is_set():
            fault_stack.kill("kafka")
            stop.set()

    assert not run(wanted, stop, watch).finished
    fault_stack.wait()
    assert run(wanted, threading.Event()).finished
    lanes = stored(kafka, prefix)
    assert {lane: essence(of_run(messages)) for lane, messages in lanes.items()} == expected(wanted)
