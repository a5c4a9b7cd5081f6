"""Reads the records of each partition in order from Kafka, and knows assignments and the bounds of the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any

import structlog
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from consumer.ledger import Partition
from runtime.connections import kafka_advice, refused_setting
from schemas.advice import SHARED_PREFIX
from schemas.definition import Stream
from schemas.errors import BrokerUnreachable, LogUnreadable
from schemas.topics import consumer_group, topic_id

log = structlog.get_logger()

_DEFAULTS = {
    "session.timeout.ms": 6_000,  # a consumer killed with -9 is replaced after so long
    "heartbeat.interval.ms": 500,  # and a new one has its share after so long; 3000 by default
    "fetch.queue.backoff.ms": 10,  # by default a full queue stops fetching for a whole second
    "queued.max.messages.kbytes": 16_384,  # 64 MB by default, and overshot
    "reconnect.backoff.max.ms": 1_000,  # a broker that is back is noticed after so long; 10 s by default
    "topic.metadata.refresh.interval.ms": 2_000,  # how soon a topic that is made later is found
    "client.id": "driftline-consumer",
}
_FIXED = {
    "group.protocol": "classic",
    "partition.assignment.strategy": "range",  # eager: a rebalance takes everything and gives anew
    "enable.auto.commit": False,  # the position is in Postgres
    "auto.offset.reset": "error",  # never skip or repeat what the position does not say
    "isolation.level": "read_committed",  # what was aborted is no record, for nobody
    "enable.partition.eof": True,  # says where the log ends for us: commit and abort markers have offsets, too
}
_FATAL = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_TIMEOUT_S = 5.0
_LEAVING_S = 2.0
_DROPPED = 1_000
"""Records consumed at a time while leaving the group."""

_AGAIN_S = 60.0
"""Between two log lines about errors of one kind."""


class Complaints:
    """Which errors of Kafka's client are logged: a broker that is down makes several kinds of them, by turns."""

    def __init__(self) -> None:
        self._logged: dict[int, float] = {}

    def is_due(self, code: int, now: float) -> bool:
        """Whether the last one of this kind was logged so long ago that it is worth a line again.

        Args:
            code: Of the KafkaError.
            now: Seconds, of any clock that only goes forward.
        """
        if now < self._logged.get(code, -inf) + _AGAIN_S:
            return False
        self._logged[code] = now
        return True


class KafkaSource:
    """A member of the consumer group. Methods raise KafkaException where Kafka does not answer in time.

    Attributes:
        topics: That are read, without prefix.
        generation: Changes with every assignment; what was read before it is no longer ours.
        assigned: The partitions of this generation.
        awaits_assignment: Whether a rebalance goes on: the group has yet to say which partitions are ours, if any.
        reached: The end of each partition that reading came to since `start_at`. All offsets before it were handed
            out, or hold no record.
    """

    def __init__(self, config: Mapping[str, str], prefix: str, stream: Stream) -> None:
        """Make the clients. Nothing is read before `subscribe`.

        Args:
            config: librdkafka settings.
            prefix: Stands before the names of topics and group.
            stream: Whose topics are read, by a group of its own.

        Raises:
            UsageError: librdkafka does not know a setting.
        """
        self._prefix = prefix
        self.topics = tuple(records.topic for records in stream.topics)
        self._topics = {prefix + topic: topic for topic in self.topics}
        self.generation = 0
        self.assigned: tuple[Partition, ...] = ()
        self.awaits_assignment = True
        self.reached: dict[Partition, int] = {}
        self._trouble: KafkaError | None = None
        self._complaints = Complaints()
        watched = {**config, "error_cb": self._on_error}
        try:
            group = {"group.id": consumer_group(prefix, stream.name)}
            self._consumer = Consumer(_DEFAULTS | group | watched | _FIXED, logger=_quiet())
            # Questions have their own connection: on the consumer's each waits behind a fetch, for half a second.
            self._admin = AdminClient(watched, logger=_quiet())
        except KafkaException as error:
            raise refused_setting(error.args[0].str(), config) from None

    def partitions(self) -> list[Partition]:
        """List every partition of the stream's topics, of those that exist.

        Raises:
            BrokerUnreachable: Kafka refuses this client.
        """
        self._raise_fatal()
        try:
            found = self._admin.list_topics(timeout=_TIMEOUT_S).topics
        finally:
            self._admin.poll(0)
            self._raise_fatal()
        there = [name for name in sorted(self._topics) if name in found]
        return [Partition(self._topics[name], number) for name in there for number in found[name].partitions]

    def awaited(self) -> dict[str, str]:
        """Return the fields of the log event for topics that nobody has created yet."""
        return {"topics": ", ".join(self._topics), "do": f"start `driftline produce`; {SHARED_PREFIX}"}

    def subscribe(self) -> None:
        """Join the group. Assignments arrive during `read`."""
        self._consumer.subscribe(list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke)

    def start_at(self, positions: Mapping[Partition, int]) -> None:
        """Read the partitions of this generation from these offsets on."""
        self.reached = {}
        self._consumer.assign([self._place(p, offset) for p, offset in positions.items()])

    def read(self, most: int, seconds: float) -> list[tuple[Partition, list[Message]]]:
        """Read records, consecutive ones of a partition together.

        Args:
            most: So many at most.
            seconds: How long to wait for them, at most.

        Raises:
            LogUnreadable: The log no longer holds the next offset.
            BrokerUnreachable: Kafka refuses this client.
        """
        messages = self._consumer.consume(most, seconds)
        self._raise_fatal()
        if any(map(Message.error, messages)):
            messages = [m for m in messages if not self._is_error(m)]
        return [(Partition(self._topics[t], n), part) for (t, n), part in _split(messages)]

    def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the first offset that the log of each partition holds."""
        return self._offsets(partitions, OffsetSpec.earliest(), _TIMEOUT_S)

    def ends(self, partitions: Iterable[Partition], seconds: float = _TIMEOUT_S) -> dict[Partition, int]:
        """Return where reading ends in the log of each partition, as the broker says now.

        That is the last stable offset: the end of the log, or the first record of a transaction that is still open.
        """
        return self._offsets(partitions, OffsetSpec.latest(), seconds)

    def _offsets(self, partitions: Iterable[Partition], spec: OffsetSpec, seconds: float) -> dict[Partition, int]:
        places = {p: self._place(p) for p in partitions}
        if not places:
            return {}
        requests = dict.fromkeys(places.values(), spec)
        committed = IsolationLevel.READ_COMMITTED
        answers = self._admin.list_offsets(requests, isolation_level=committed, request_timeout=seconds)
        try:
            return {p: int(answers[place].result(seconds + 1).offset) for p, place in places.items()}
        except TimeoutError:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None

    def ids(self, topics: Iterable[str], seconds: float = _TIMEOUT_S) -> Callable[[], dict[str, str | None]]:
        """Request the ids of topics. Returns a function that waits for the answer.

        The answer has the id of each topic that exists, None where the broker gives none. Whatever was read before
        this call is of a topic with that id, or of one that is gone: an id is never used again.
        """
        names = {self._prefix + topic: topic for topic in topics}
        futures = self._admin.describe_topics(TopicCollection([*names]), request_timeout=seconds) if names else {}

        def answer() -> dict[str, str | None]:
            found: dict[str, str | None] = {}
            for name, future in futures.items():
                try:
                    found[names[name]] = topic_id(future.result(seconds + 1))
                except TimeoutError:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
            return found

        return answer

    def log_end(self, partition: Partition) -> int:
        """Return the end of the log as of the last fetch; -1 before the first."""
        return max(-1, int(self._consumer.get_watermark_offsets(self._place(partition), cached=True)[1]))

    def acknowledge(self, positions: Mapping[Partition, int]) -> None:
        """Commit offsets to Kafka, for lag tools only. Nothing depends on it."""
        places = [self._place(p, offset) for p, offset in positions.items()]
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            log.debug("offsets_not_acknowledged", error=str(error))

    def close(self, seconds: float) -> bool:
        """Leave the group and end both clients.

        Args:
            seconds: How long to wait for that, at most.

        Returns:
            False where librdkafka hangs in it; a thread then stays behind.
        """
        self.generation += 1
        closing = threading.Thread(target=self._end, name="close-kafka", daemon=True)
        closing.start()
        closing.join(seconds)
        return not closing.is_alive()

    def _end(self) -> None:
        """Leave the group, then drop the consumer.

        `Consumer.close` is avoided: its rebalance callback may wait for threads of librdkafka that have ended, and
        never return while it holds the GIL (librdkafka's issues 4041 and 4884). A consumer that is dropped makes no
        callbacks, nor does it leave the group, so that comes first.
        """
        consumer, deadline = self._consumer, time.monotonic() + _LEAVING_S
        del self._consumer
        with self._admin, suppress(KafkaException):
            consumer.unsubscribe()
            consumer.consume(_DROPPED, 0.1)
            while self.assigned and time.monotonic() < deadline:
                consumer.consume(_DROPPED, 0.1)

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Nothing is fetched before `start_at`: where to start is in Postgres, and a callback must not fail."""
        consumer.assign([])
        self.assigned = tuple(sorted(Partition(self._topics[p.topic], p.partition) for p in places))
        self.awaits_assignment = False
        self.generation += 1

    def _on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        self.assigned = ()
        self.awaits_assignment = True
        self.generation += 1

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in _FATAL or error.fatal():
            self._trouble = error
        self.complain(error)

    def complain(self, error: KafkaError) -> None:
        """Log an error with what to do, unless it is a repetition."""
        if self._complaints.is_due(error.code(), time.monotonic()):
            log.warning("kafka_trouble", error=error.str(), do=kafka_advice(code=error.code()))

    def _is_error(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return False
        if error.code() == KafkaError._PARTITION_EOF:
            self.reached[Partition(self._topics[message.topic()], message.partition())] = message.offset()
            return True
        place = f"{message.topic()}/{message.partition()}"
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise unreadable(place, error.str())
        if error.code() in _FATAL or error.fatal():
            self._trouble = error
            self._raise_fatal()
        self.complain(error)
        return True

    def _raise_fatal(self) -> None:
        if error := self._trouble:
            raise BrokerUnreachable(f"Kafka refuses us ({error.str()})", "correct KAFKA_… (user, password, rights)")

    def _place(self, partition: Partition, offset: int = -1001) -> TopicPartition:
        return TopicPartition(self._prefix + partition.topic, partition.number, offset)


_ANEW = "start again with a fresh --topic-prefix and a fresh database, and send the records there"


def unreadable(place: object, why: str) -> LogUnreadable:
    """The error that stops a consumer loudly: going on would skip records, or read others in their place."""
    return LogUnreadable(
        f"{place} no longer holds the next offset ({why})",
        "retention took records, the topic was recreated, or this database was begun on another --topic-prefix: "
        + _ANEW,
    )


def recreated(topic: str, was: str, now: str) -> LogUnreadable:
    """The same for a topic that has the name, but not the records, of the one that was read so far."""
    return LogUnreadable(
        f"topic {topic} was deleted and recreated (its id was {was} and is {now})",
        f"the positions in this database are of the topic before: {_ANEW}",
    )


def deleted(topics: Sequence[str]) -> dict[str, str]:
    """Return the fields of the log event for topics that are gone."""
    return {
        "topics": ", ".join(topics),
        "what": "read before and not there now: deleted, or read with another --topic-prefix",
        "do": f"give the --topic-prefix that they were read with; if they were deleted, {_ANEW}",
    }


def _split(messages: list[Message]) -> Iterator[tuple[tuple[str, int], list[Message]]]:
    """Stretches of one partition. Messages arrive in long ones, so the common case is checked as a whole."""
    topics, numbers = [m.topic() for m in messages], [m.partition() for m in messages]
    start = 0
    while start < len(messages):
        topic, number = topics[start], numbers[start]
        end = len(messages)
        if numbers.count(number) < end or topics.count(topic) < end:
            same = (i for i in range(start, end) if numbers[i] != number or topics[i] != topic)
            end = next(same, end)
        yield (topic, number), messages[start:end]
        start = end


def _quiet() -> Any:
    """librdkafka's own chatter, for those who turn on the `librdkafka` logger; what matters comes by callback."""
    logger = logging.getLogger("librdkafka")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
