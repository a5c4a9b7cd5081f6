"""SIGTERM: whatever a stage is doing, and whoever does not answer it, it ends with 0 in ten seconds."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests import logs
from tests.fleet import Fleet, Stage, eventually, state_of
from tests.runtime import scrape

if TYPE_CHECKING:
    from tests.conftest import FaultStack

pytestmark = [pytest.mark.integration, pytest.mark.faults]

IN_ALL_S = 10.0
NO_BROKER = {"bootstrap.servers": "127.0.0.1:1"}
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/nothing"
UNDRAINED = "left_undrained"
LONG = 365
"""Days of a replay that does not end before it is told to, however long the others take."""


@pytest.fixture
def kafka(fault_stack: FaultStack) -> dict[str, str]:
    return {"bootstrap.servers": fault_stack.addresses.bootstrap_servers}


@pytest.fixture
def prefix() -> str:
    return f"{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def fleet(
    kafka: dict[str, str], prefix: str, fault_database: str, trained: Path, tmp_path: Path
) -> Iterator[Fleet]:
    with closing(Fleet(kafka, prefix, fault_database, trained, tmp_path)) as fleet:
        yield fleet


def drains(stage: Stage) -> None:
    """Ask it to end. Fails where that takes too long, or it ends otherwise."""
    began = time.monotonic()
    stage.terminate()
    stage.ends(0)
    seconds = time.monotonic() - began
    print(f"{stage.name}: {seconds:.2f} s")
    assert seconds < IN_ALL_S, f"{stage.name} took {seconds:.1f} s\n{stage.text[-3_000:]}"


def count(database: str, what: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        ((found,),) = connection.execute(f"SELECT {what}").fetchall()  # type: ignore[call-overload]
        return int(found or 0)


WINDOWS = "count(*) FROM driftline.window_result"
COMMITTED = "sum(next_offset) FROM driftline.partition_progress"


@contextmanager
def asleep(servers: FaultStack, name: str) -> Iterator[None]:
    """A server that answers nobody, and hangs up on nobody: worse than one that is gone."""
    pid = servers.pid(name)
    os.kill(pid, signal.SIGSTOP)  # before its children are looked for: it neither makes nor buries any now
    eventually(lambda: state_of(pid) == "T", lambda: f"{name} does not stop")
    family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split())]
    for each in family:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in family:
            with suppress(ProcessLookupError):  # of a client that is gone
                os.kill(each, signal.SIGCONT)


def test_stages_at_work_drain_at_once(fleet: Fleet, fault_database: str) -> None:
    producer = fleet.producer(days=LONG, volume=5, speed=86_400.0)
    consumer, monitor = fleet.consumer(until_done=None), fleet.monitor(until_done=None)
    eventually(lambda: count(fault_database, WINDOWS) > 3, lambda: monitor.text)
    for stage in (monitor, consumer, producer):
        drains(stage)
        assert UNDRAINED not in stage.text


def test_a_consumer_writes_what_it_has_read_before_it_ends(
    fleet: Fleet, kafka: dict[str, str], prefix: str, fault_database: str
) -> None:
    """Nothing is due for long: what is committed, is committed because of the signal."""
    writer = logs.Writer()
    for trip in logs.trips(2_000, 1):
        writer.data("trips", logs.trip_of(trip))
    logs.write(kafka, prefix, writer.sent)
    most = {"flush_ms": 600_000, "flush_rows": 10**9, "flush_bytes": 10**12, "read_rows": 10_000}
    consumer = fleet.consumer(until_done=None, metrics_port=0, kafka=kafka, **most)
    eventually(lambda: scrape.sample(consumer, "pending_records") == 2_000, lambda: consumer.text)
    assert count(fault_database, COMMITTED) == 0
    drains(consumer)
    assert count(fault_database, COMMITTED) > 0
    assert UNDRAINED not in consumer.text


def test_a_consumer_that_waits_for_topics_is_well_and_ends(fleet: Fleet) -> None:
    consumer = fleet.consumer(until_done=None, metrics_port=0)
    consumer.says("waiting_for_topics")
    scrape.until_healthy(consumer)
    drains(consumer)
    assert UNDRAINED not in consumer.text


@pytest.mark.parametrize("name", ["consumer", "monitor"])
def test_a_stage_whose_database_is_away_says_so_and_ends(fleet: Fleet, name: str) -> None:
    stage = getattr(fleet, name)(until_done=None, database_url=NO_DATABASE, metrics_port=0)
    stage.says("database_down")
    assert "database_down" in scrape.until_healthy(stage, 503)["reason"]
    drains(stage)
    assert UNDRAINED not in stage.text


@pytest.mark.parametrize("name", ["consumer", "producer"])
def test_a_stage_whose_broker_is_away_says_so_and_ends(fleet: Fleet, name: str) -> None:
    stage = getattr(fleet, name)(
        kafka=NO_BROKER, metrics_port=0, **({"until_done": None} if name == "consumer" else {})
    )
    stage.says("kafka")
    eventually(lambda: "kafka" in scrape.health(stage)[1]["reason"], lambda: str(scrape.health(stage)))
    drains(stage)


def test_a_producer_with_thousands_of_records_queued_at_a_broker_that_sleeps(
    fleet: Fleet, fault_stack: FaultStack
) -> None:
    producer = fleet.producer(days=LONG, volume=5, speed=None, metrics_port=0)
    eventually(lambda: scrape.sample(producer, "records_sent_total") > 5_000, lambda: producer.text)
    with asleep(fault_stack, "kafka"):
        eventually(lambda: scrape.sample(producer, "records_queued") > 20_000, lambda: producer.text)
        drains(producer)
    assert "records_unsent" in producer.text


@pytest.mark.parametrize("server", ["postgres", "kafka"])
def test_stages_whose_server_sleeps(
    fleet: Fleet, fault_stack: FaultStack, fault_database: str, server: str
) -> None:
    producer = fleet.producer(days=LONG, volume=5, speed=86_400.0)
    consumer, monitor = fleet.consumer(until_done=None), fleet.monitor(until_done=None)
    eventually(lambda: count(fault_database, WINDOWS) > 3, lambda: monitor.text)
    with asleep(fault_stack, server):
        for stage in (consumer, monitor, producer):
            drains(stage)
