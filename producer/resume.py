"""How far a run has come, read from the log: what is there was sent, whatever the producer recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, TopicPartition
from msgspec.structs import replace

from producer.log import Log
from producer.plan import Lane, Position, ReplayPlan
from schemas.definition import Records
from schemas.errors import LogUnreadable, RunConflict
from schemas.records import HEARTBEAT, Manifest

log = structlog.get_logger()

_FIRST_STEP, _LAST_STEP = 1_000, 200_000
"""Records read at a time: few if the run is the last in the topic, else up to 80 MB."""

_READING = {
    "group.id": "driftline-resume",  # librdkafka wants a name; the group is never joined
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "isolation.level": "read_committed",  # as consumers read; what is sent twice, they drop
    "fetch.queue.backoff.ms": 10,
    "fetch.wait.max.ms": 10,  # at its default of 500 each step back waits for the fetch before it
    "queued.max.messages.kbytes": 16_384,
    "log_level": 2,
}


@dataclass(frozen=True)
class FoundRun:
    """A run in the log.

    Attributes:
        positions: Of the lanes that hold records of it.
        manifest: None if it is no longer there.
    """

    positions: Mapping[Lane, Position] = field(default_factory=dict)
    manifest: Manifest | None = None


def find(kafka: Log, config: Mapping[str, str], plan: ReplayPlan, prefix: str, patience_s: float) -> FoundRun:
    """Find how far the run has come, and the manifest that it began with.

    The first record of a run is the heartbeat in the first partition of the first topic. Nothing else is sent until
    it has arrived. So if that partition holds nothing of the run, the run is new, and no other partition is read.

    Args:
        kafka: The connection that repeats requests.
        config: librdkafka settings of the reader.
        plan: The run and its lanes.
        prefix: Before the name of every topic.
        patience_s: How long to wait for Kafka, seconds.

    Raises:
        BrokerUnreachable: Kafka does not answer in time, or refuses us.
        LogUnreadable: The topics may not be read.
    """
    reader = _Reader(kafka, config, plan.run_id, patience_s)
    try:
        positions, manifest = {}, None
        for lane, stream in (
            (lane, stream) for stream in plan.stream.topics for lane in plan.lanes if lane.topic == stream.topic
        ):
            values = reader.read_backwards(prefix + lane.topic, lane.partition)
            records = _records(values, plan.run_id, stream)
            last = next(records, None)
            if last is None:
                if lane == plan.lanes[0]:
                    return FoundRun()
                continue
            heartbeat = next((each for each in chain([last], records) if each["kind"] == HEARTBEAT), None)
            positions[lane] = plan.position(stream, last, heartbeat)
            if lane == plan.lanes[0]:
                manifest = _manifest(heartbeat or {}) or _first_manifest(values, plan.run_id, stream)
        return FoundRun(positions, manifest)
    finally:
        reader.close()


def check_manifest(found: Manifest | None, ours: Manifest) -> None:
    """Check that the run is continued as it was begun. Its speed may change.

    Raises:
        RunConflict: It was begun with another source, period, scenario or number of partitions.
    """
    if found is None:
        log.warning("manifest_gone", reason="the start of the run is no longer in the topic", resuming="unchecked")
        return
    if not any(each.kind for each in found.injected):  # begun by a version that did not say
        ours = replace(ours, injected=tuple(replace(i, kind="", segment="", change="") for i in ours.injected))
    names = ["source", "period", "partitions", "scenario", "injected"]
    if found.events is not None and ours.events is not None:
        names.append("events")
    for name in names:
        if getattr(found, name) != getattr(ours, name):
            raise RunConflict(
                f"this run was begun {_describe(name, found)}, not {_describe(name, ours)}",
                "repeat the options it was begun with, or choose another --run",
            )


def _describe(name: str, manifest: Manifest) -> str:
    value = getattr(manifest, name)
    return f"without {name}" if value is None else f"with {name} {value!r}"


def _first_manifest(values: Iterator[bytes], run_id: str, stream: Records) -> Manifest | None:
    likely = (value for value in values if b'"manifest"' in value)
    return next(filter(None, map(_manifest, _records(likely, run_id, stream))), None)


def _manifest(record: Mapping[str, Any]) -> Manifest | None:
    try:
        return msgspec.convert(record.get("manifest"), Manifest | None)
    except msgspec.ValidationError:
        return None


def _records(values: Iterator[bytes], run_id: str, stream: Records) -> Iterator[dict[str, Any]]:
    """Yield the records of the run among these. Malformed records are skipped: others may write in its name."""
    for value in values:
        try:
            record = msgspec.json.decode(value)
        except msgspec.DecodeError:
            continue
        if isinstance(record, dict) and record.get("run_id") == run_id:
            time = {stream.kind: stream.time, HEARTBEAT: "at"}.get(str(record.get("kind")), "")
            if isinstance(record.get(time), int) and isinstance(record.get("seq"), int):
                yield record


class _Reader:
    """Reads partitions from their end."""

    def __init__(self, kafka: Log, config: Mapping[str, str], run_id: str, patience_s: float) -> None:
        self._kafka = kafka
        self._consumer = Consumer({**config, **_READING})
        self._needle = f'"run_id":"{run_id}"'.encode()
        self._patience_s = patience_s

    def close(self) -> None:
        """Close the connection to Kafka."""
        self._consumer.close()

    def read_backwards(self, topic: str, partition: int) -> Iterator[bytes]:
        """Yield the values that contain the run's name, the last first."""
        place = TopicPartition(topic, partition)
        low, end = self._kafka.retry(lambda: self._consumer.get_watermark_offsets(place, 5), self._patience_s)
        step = _FIRST_STEP
        while end > low:
            begin = max(low, end - step)
            yield from reversed(self._read_between(topic, partition, begin, end))
            end, step = begin, min(step * 4, _LAST_STEP)

    def _read_between(self, topic: str, partition: int, begin: int, end: int) -> list[bytes]:
        """Return the values that contain the run's name at offsets in [begin, end), ascending."""
        self._consumer.assign([TopicPartition(topic, partition, begin)])
        found: list[bytes] = []
        while begin < end:
            self._kafka.wait(0)
            messages = self._consumer.consume(1_000, 0.1)
            ours = [message for message in messages if self._needle in (message.value() or b"")]
            found += [message.value() for message in ours if message.offset() < end]
            if messages:  # only the value of each message is read: at a million per second every call counts
                last = messages[-1]
                begin = self._next_offset(last.error(), begin, end) if last.error() else last.offset() + 1
        return found

    def _next_offset(self, error: KafkaError, begin: int, end: int) -> int:
        """Return the offset to go on at: `end` if no record of ours is left, as after retention removed them."""
        if error.code() in (
            KafkaError._PARTITION_EOF,
            KafkaError._AUTO_OFFSET_RESET,
            KafkaError.OFFSET_OUT_OF_RANGE,
        ):
            return end
        if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
            self._kafka.log_waiting(error)
            return begin
        raise LogUnreadable(f"Kafka: {error.str()}", "check that this user may read the topics")
