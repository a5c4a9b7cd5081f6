"""The consumer while its servers die, and while it sleeps itself. On a stack that no other test uses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from consumer.settings import Settings
from schemas.connections import ROOT
from tests import logs
from tests.conftest import FaultStack
from tests.consumer.helpers import assert_agrees, consuming, expected, position, query, until

pytestmark = [pytest.mark.integration, pytest.mark.faults]


@pytest.fixture
def settings(fault_stack: FaultStack, fault_database: str) -> Settings:
    kafka = {"bootstrap.servers": fault_stack.addresses.bootstrap_servers}
    return Settings(
        database_url=fault_database,
        kafka=kafka,
        topic_prefix=f"{uuid4().hex[:8]}-",
        flush_ms=100,
        flush_rows=20,
        read_rows=10,
    )


@contextmanager
def victim(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A consumer in a process of its own, which is killed at the end of the block."""
    names = ("database_url", "kafka", "topic_prefix", "flush_ms", "flush_rows", "read_rows")
    told = json.dumps({name: getattr(settings, name) for name in names} | {"instance": "victim"})
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.consumer.victim", told], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def storm(settings: Settings, count: int, writer: logs.Writer | None = None) -> None:
    writer = writer or logs.Writer()
    logs.stormy(writer, logs.trips(count, 2, seed=count), accident_every=15)
    logs.write(settings.kafka, settings.topic_prefix, writer.sent)
    writer.sent = []


def finished(settings: Settings) -> bool:
    found = query(settings.database_url, "SELECT finished_at FROM driftline.run WHERE run_id = %s", logs.RUN)
    return bool(found and found[0][0])


def owners(settings: Settings) -> set[Any]:
    return {
        owner
        for (owner,) in query(settings.database_url, "SELECT DISTINCT owner FROM driftline.partition_progress")
    }


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_a_server_that_is_killed_and_comes_back_costs_nothing(
    settings: Settings, fault_stack: FaultStack, server: str
) -> None:
    storm(settings, 600)
    with consuming(settings):
        until(lambda: position(settings.database_url) > 50)
        fault_stack.kill(server)
        fault_stack.wait()
        until(lambda: finished(settings), 60)
    assert_agrees(settings.database_url, expected(settings.kafka, settings.topic_prefix))


def test_a_consumer_that_slept_past_its_session_is_fenced_and_writes_nothing_twice(settings: Settings) -> None:
    storm(settings, 800)
    with victim(settings) as process:
        until(lambda: position(settings.database_url) > 50)
        process.send_signal(signal.SIGSTOP)
        with consuming(settings):
            until(lambda: finished(settings), 60)
            assert "victim" not in owners(settings)
            os.kill(process.pid, signal.SIGCONT)
            until(lambda: "victim" in owners(settings), 60)  # as a member like any other
    assert_agrees(settings.database_url, expected(settings.kafka, settings.topic_prefix))
