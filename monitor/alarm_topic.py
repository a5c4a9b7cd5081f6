"""Topic `alarms`: every change of an alarm once, whoever publishes it and is killed meanwhile.

There is one `transactional.id`, so that Kafka ends what a predecessor left open, and refuses what it sends later.
What a predecessor committed there, and did not mark in the database, is found by reading the topic before anything
is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.connections import refused_setting
from runtime.failpoint import failpoint
from schemas.alarms import AlarmChange
from schemas.errors import UsageError
from schemas.topics import ALARMS, topic_id

log = structlog.get_logger()

ANSWER_S = 5.0
"""For one answer of Kafka."""

COMMIT_S = 20.0
"""For the beginning and the end of a transaction: a predecessor's may have to be ended first."""

_PRODUCER = {
    "enable.idempotence": True,
    "acks": "all",
    "transaction.timeout.ms": 15_000,
    "message.timeout.ms": 15_000,
    "log_level": 2,
}
_CONSUMER = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "fetch.queue.backoff.ms": 10,
    "log_level": 2,
}


class AlarmTopic:
    """The topic of one prefix. Methods raise KafkaException where Kafka does not do what it is to do."""

    def __init__(self, kafka: Mapping[str, str], prefix: str, events: str) -> None:
        """kafka: librdkafka settings. prefix: Of all topics' names. events: Topic of the stream, without it."""
        self.name = prefix + ALARMS
        self._events = prefix + events
        self._kafka = kafka
        self._id = f"{prefix}driftline-alarms"
        self._topic_id: str | None = None
        self._newest: dict[str, bytes] = {}
        self._read_until: dict[int, int] = {}

    def ensure(self) -> None:
        """Create the topic where it is missing, beside those of the stream.

        Raises:
            UsageError: librdkafka does not know a setting; or the topics of the stream have another prefix, so that
                those who read them would never see its alarms.
        """
        admin = self._made(AdminClient, {"log_level": 2})
        topics = admin.list_topics(timeout=ANSWER_S).topics
        if self.name in topics:
            return
        if self._events not in topics:
            raise UsageError(
                f"topic {self.name} is missing, and so is {self._events}, whose alarms it would hold",
                "give produce, consume and monitor the same --topic-prefix, and the same Kafka",
            )
        # One partition: there are few changes, and so they stand in the order in which they were made.
        wanted = NewTopic(self.name, 1, config={"cleanup.policy": "compact"})
        try:
            admin.create_topics([wanted], request_timeout=ANSWER_S)[self.name].result()
            log.info("topic_created", topic=self.name, partitions=1)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def publish(self, changes: Sequence[AlarmChange]) -> None:
        """Send those changes that the topic does not hold yet, all of them or none.

        1. Take the transactional id: whoever had it before can commit nothing any more.
        2. Read what has come to the topic. Of each alarm, its newest change tells how many were sent.
        3. Send the others in one transaction.

        Args:
            changes: In order; of each alarm all that are not known to be published.
        """
        producer = self._made(Producer, _PRODUCER | {"transactional.id": self._id})
        producer.init_transactions(COMMIT_S)
        self._read()
        left = unsent(changes, self._newest)
        if not left:
            return
        producer.begin_transaction()
        for change in left:
            producer.produce(self.name, msgspec.json.encode(change), change.alarm_id.encode())
        producer.flush(COMMIT_S)
        failpoint("monitor.alarms_sent")
        producer.commit_transaction(COMMIT_S)

    def _read(self) -> None:
        """Bring the value of the last record of each alarm up to date: read what has come since the last time."""
        admin = self._made(AdminClient, {"log_level": 2})
        described = admin.describe_topics(TopicCollection([self.name]), request_timeout=ANSWER_S)
        now = topic_id(described[self.name].result())
        if now is None or now != self._topic_id:  # another topic of this name: it may hold anything
            self._topic_id, self._newest, self._read_until = now, {}, {}
        self._newest |= {key.decode(): value for key, value in self._records() if value is not None}

    def _records(self) -> Iterator[tuple[bytes, bytes | None]]:
        consumer = self._made(Consumer, _CONSUMER | {"group.id": self._id})
        try:
            known = consumer.list_topics(self.name, ANSWER_S).topics[self.name]
            if known.error is not None:
                raise KafkaException(known.error)
            left = {*known.partitions}
            begun = {number: self._read_until.get(number, OFFSET_BEGINNING) for number in left}
            consumer.assign([TopicPartition(self.name, *place) for place in begun.items()])
            ends: dict[int, int] = {}
            while left:
                message = consumer.poll(ANSWER_S)
                if message is None:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
                if (error := message.error()) is None:
                    yield message.key() or b"", message.value()
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                    ends[message.partition()] = message.offset()
                else:
                    raise KafkaException(error)
            self._read_until |= ends
        finally:
            consumer.close()

    def _made(self, kind: Any, ours: Mapping[str, Any]) -> Any:
        try:
            return kind({**self._kafka, **ours})
        except KafkaException as error:
            raise refused_setting(error.args[0].str(), self._kafka) from None


def unsent(changes: Iterable[AlarmChange], newest: Mapping[str, bytes]) -> list[AlarmChange]:
    """Choose the changes that a topic does not hold. Pure.

    Args:
        changes: That are not known to be published, in order.
        newest: Alarm → value of its last record. It tells what was sent only if it is one of these changes: an
            alarm of that id may be there from another database, or from a run that was removed.
    """
    found = [*changes]
    sent = {}
    for change in found:
        with suppress(KeyError, msgspec.DecodeError):
            if msgspec.json.decode(newest[change.alarm_id], type=AlarmChange) == change:
                sent[change.alarm_id] = change.number
    return [change for change in found if change.number > sent.get(change.alarm_id, 0)]
