"""The log as the producer's tests look at it, and the producer as a process of its own that may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from msgspec.structs import replace

from producer import scenarios
from producer.bend import bend
from producer.plan import Lane, ReplayPlan
from producer.replay import replay
from producer.scenario import injected
from producer.settings import Settings
from producer.source import Source
from runtime.connections import ROOT
from schemas.records import Manifest
from schemas.streams.taxi import STREAMS, TAXI
from tests.producer.trips import DAY, HOUR, MINUTE, START, table


def source(day: int = 0) -> Source:
    """A thousand trips of one day, a few minutes to two hours long."""
    start, random = START + day * DAY, np.random.default_rng(day)
    pickups = np.sort(random.integers(start, start + DAY, 1_000))
    dropoffs = pickups + random.integers(MINUTE, 2 * HOUR, 1_000)
    trips = table(list(zip(pickups.tolist(), dropoffs.tolist(), strict=True)))
    return Source(f"day {day}", (start, start + DAY), events=1_000, tables=lambda: iter([trips]))


def settings(kafka: Mapping[str, str], prefix: str, **options: Any) -> Settings:
    given: dict[str, Any] = {"run_id": "run-1", "source": source(), "partitions": 2, "speed": None, **options}
    return Settings(stream=TAXI, kafka=kafka, topic_prefix=prefix, **given)


def expected(wanted: Settings, partitions: int = 2) -> dict[Lane, list[bytes]]:
    """What must stand in each lane once the run is complete, beats and repetitions aside."""
    given, tables = wanted.source, [*wanted.source.tables()]
    manifest = Manifest(
        source=given.name, period=given.period, speed=wanted.speed, events=given.events, partitions=partitions
    )
    if wanted.scenario:
        drift = scenarios.load(wanted.scenario, TAXI, given.period)
        tables = [bend(table, drift) for table in tables]
        manifest = replace(manifest, events=None, scenario=drift.name, injected=injected(drift))
    lanes: dict[Lane, list[bytes]] = {}
    for batches in replay(ReplayPlan(TAXI, wanted.run_id, manifest, partitions), tables, {}):
        for batch in batches:
            lanes.setdefault(batch.lane, []).extend(batch.values)
    return {lane: essence(values) for lane, values in lanes.items()}


def essence(values: Iterable[bytes]) -> list[bytes]:
    """Of one lane: data once each, asserting that none is missing, and the heartbeats that move the watermark."""
    kept, last, reached, finished = [], -1, -1, False
    for value in values:
        record = json.loads(value)
        if record["kind"] != "heartbeat":
            assert record["seq"] <= last + 1, "a gap"
            if record["seq"] == last + 1:
                assert not finished, "data after the final heartbeat"
                kept.append(value)
                last += 1
        elif record["at"] > reached or (record.get("final") and not finished):
            kept.append(value)
            reached, finished = record["at"], bool(record.get("final"))
    return kept


def stored(kafka: Mapping[str, str], prefix: str, partitions: int = 2) -> dict[Lane, list[Message]]:
    """All records of both topics."""
    quick = {"fetch.queue.backoff.ms": 10, "fetch.wait.max.ms": 10, "enable.partition.eof": True}
    reader = Consumer({**kafka, **quick, "group.id": "test", "auto.offset.reset": "error"})
    try:
        lanes = [Lane(stream.topic, p) for stream in STREAMS for p in range(partitions)]
        return {lane: list(_whole(reader, prefix + lane.topic, lane.partition)) for lane in lanes}
    finally:
        reader.close()


def _whole(reader: Consumer, topic: str, partition: int) -> Iterator[Message]:
    at, _ = reader.get_watermark_offsets(TopicPartition(topic, partition), 60)
    reader.assign([TopicPartition(topic, partition, at)])
    while True:
        for message in reader.consume(1_000, 0.1):
            if error := message.error():
                assert error.code() == KafkaError._PARTITION_EOF, error
                return
            yield message


def of_run(messages: Iterable[Message], run_id: str = "run-1") -> list[bytes]:
    return [m.value() for m in messages if f'"run_id":"{run_id}"'.encode() in (m.value() or b"")]


def in_a_process(kafka: Mapping[str, str], prefix: str, speed: float | None, failpoint: str = "") -> int:
    """Run the producer as a process; its exit code, negative where a signal ended it."""
    environ = {**os.environ, "DRIFTLINE_FAILPOINT": failpoint}
    command = [sys.executable, "-m", "tests.producer.log", json.dumps([dict(kafka), prefix, speed])]
    return subprocess.run(command, cwd=ROOT, env=environ, timeout=120, check=False, capture_output=True).returncode


KILLED = -signal.SIGKILL

if __name__ == "__main__":
    import threading

    from producer.stage import run

    config, topics, pace = json.loads(sys.argv[1])
    run(settings(config, topics, speed=pace), threading.Event())
