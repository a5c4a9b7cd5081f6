"""The producer's connection to Kafka: it creates topics, and delivers records in order or not at all.

Idempotence and `acks=all` keep the order and drop librdkafka's own repetitions. Delivery has no time limit, so an
absent broker only makes us wait. It is gapless, so nothing follows a record that was rejected for good.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from types import TracebackType
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from producer.gauges import Gauges
from producer.topics import LONGEST, TopicSettings, longest, setting_problems
from runtime.backoff import Backoff
from runtime.connections import is_answer, kafka_advice, refused_setting
from runtime.failpoint import failpoint
from schemas.errors import BrokerUnreachable, DriftlineError, LogUnwritable, UsageError
from schemas.topics import PARTITIONS, topic_id

log = structlog.get_logger()

T = TypeVar("T")

_TUNING = {
    "linger.ms": 20,
    "compression.type": "lz4",
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 65_536,
    "topic.metadata.propagation.max.ms": 10_000,  # how long a topic may be unknown; we have seen them all
    "log_level": 2,  # what librdkafka has to say arrives as errors, below
}
_GUARANTEES = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "acks": "all",
    "message.timeout.ms": 0,
    "delivery.report.only.error": True,
}
_REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)
"""Errors that do not go away by waiting."""

_ANSWER_S = 1.0
"""Timeout of one request. Errors such as a refused login are only seen between two requests."""

_CLOSING_S = 5.0
"""How long to wait for queued records when we stop; the next producer of the run sends the rest."""

_LOG_AGAIN_S = 30.0

_OVERHEAD = 1_000
"""Bytes of a Kafka record beside its value; a generous guess."""

_REMEDIES = {
    "Message size too large": "raise max.message.bytes of the topic",
    "failed to validate record": "set cleanup.policy=delete on the topic: heartbeats have no key",
}
"""What to do when a record was rejected for good, by librdkafka's message."""


class Stopped(Exception):
    """The operator stopped us. The next producer of the run sends what is missing in the log."""


class Log:
    """A connection to Kafka. Raises UsageError for a setting that librdkafka does not know."""

    def __init__(self, config: Mapping[str, str], stop: threading.Event, gauges: Gauges | None = None) -> None:
        self._where = config["bootstrap.servers"]
        self._stop = stop
        self._gauges = gauges or Gauges()
        self._queued = self._taken = 0
        self._longest = int(config.get("message.max.bytes", 1_000_000)) - _OVERHEAD
        self._failure: DriftlineError | None = None
        self._logged_at = -inf
        self._lost_at: int | None = None
        self._ids: dict[str, str | None] = {}
        ours = {"error_cb": self._on_error, "on_delivery": self._on_failed_delivery}
        self._config: dict[str, Any] = {**_TUNING, **config, **_GUARANTEES, **ours}
        try:
            self._producer = Producer(self._config)
            self._admin = AdminClient({"log_level": 2, **config, "error_cb": self._on_error})
        except KafkaException as error:
            raise refused_setting(error.args[0].str(), config) from error

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait a while for queued records; after a failure drop them, since they may never arrive."""
        deadline = time.monotonic() + _CLOSING_S
        while self._failure is None and len(self._producer) and time.monotonic() < deadline:
            self._call_back(0.1)
        if left := len(self._producer):
            log.warning("records_unsent", records=left, sent_by="the next producer of this run")
            # librdkafka is not polled afterwards: a gap behind records in flight is a fatal error to it, and it
            # would raise that error in the middle of our callbacks.
            self._producer.purge()

    @property
    def lost(self) -> bool:
        """Whether no broker answers at the moment, though records are queued."""
        return self._lost_at is not None and len(self._producer) > 0

    def ensure_topics(self, names: Sequence[str], partitions: int | None, patience_s: float) -> int:
        """Create the topics that are missing, and check the settings of all.

        Args:
            names: The topics, with prefix.
            partitions: Of each topic; None for as many as the existing topics have.
            patience_s: How long to wait for Kafka, seconds.

        Returns:
            How many partitions of each topic may be written to.

        Raises:
            BrokerUnreachable: Kafka does not answer in time, or refuses us.
            UsageError: A topic has fewer partitions than wanted.
            LogUnwritable: The settings of a topic would make it reject records.
        """
        there = self.retry(lambda: self._partition_counts(names), patience_s)
        wanted = partitions or min(there.values(), default=PARTITIONS)
        for name, count in there.items():
            if count < wanted:
                raise UsageError(
                    f"topic {name} has {count} partitions, not {wanted}",
                    f"give --partitions {count}, or another --topic-prefix",
                )
        if missing := [name for name in names if name not in there]:
            self._create(missing, wanted, patience_s)
        self._ids = self.retry(lambda: self._topic_ids(names), patience_s)
        self._apply_settings(self._topic_settings(names))
        return wanted

    def check_topics(self) -> None:
        """Check that no topic was recreated: librdkafka would go on, though earlier records are gone.

        Raises:
            LogUnwritable: One was.
        """
        try:
            found = self._topic_ids([*self._ids])
        except KafkaException:
            return  # checked again when Kafka is back
        for name, now in found.items():
            if now is not None and self._ids[name] is not None and now != self._ids[name]:
                raise LogUnwritable(
                    f"topic {name} was deleted and recreated while the run was sent to it",
                    "start the run again: all of it is sent, to topics whose consumers have a fresh database",
                )

    def send(self, topic: str, partition: int, keys: Sequence[bytes | None], values: Sequence[bytes]) -> None:
        """Queue records in order, and wait while the queue is full.

        Raises:
            DriftlineError: Kafka rejects them, or us.
            Stopped: The operator stopped us.
        """
        if (size := max(map(len, values))) > self._longest:  # found too late, what follows would be in the log
            raise LogUnwritable(
                f"{topic}/{partition}: a record of {size} bytes, where {self._longest} fit",
                "raise max.message.bytes of the topic and KAFKA_MESSAGE_MAX_BYTES, or see what the source holds",
            )
        messages = [{"key": key, "value": value} for key, value in zip(keys, values, strict=True)]
        middle = len(messages) // 2
        self._enqueue(topic, partition, messages[:middle])
        failpoint("producer.mid_batch")
        self._enqueue(topic, partition, messages[middle:])

    def flush(self) -> None:
        """Wait until all records have been acknowledged. Raises as `send` does."""
        while len(self._producer):
            self.wait(0.1)

    def poll(self) -> None:
        """Handle what librdkafka reports. Raises LogUnwritable or BrokerUnreachable if it has failed for good."""
        self._call_back(0)
        self._check()

    def _call_back(self, seconds: float) -> None:
        """Run librdkafka's callbacks for so long.

        Fatal errors do not reach `error_cb`: the binding raises them, and a callback of the same poll then fails
        with a SystemError on top.
        """
        try:
            self._producer.poll(seconds)
        except (KafkaException, SystemError) as error:
            cause = error.__cause__ if isinstance(error, SystemError) else error
            if not isinstance(cause, KafkaException):
                raise
            self._on_error(cause.args[0])

    def retry(self, request: Callable[[], T], patience_s: float) -> T:
        """Repeat a request until Kafka answers. Raises BrokerUnreachable, Stopped."""
        deadline, backoff = time.monotonic() + patience_s, Backoff(0.1, 5.0)
        while True:
            try:
                return request()
            except KafkaException as error:
                self._raise_if_refused(error.args[0])
                self.poll()
                if time.monotonic() > deadline:
                    raise self._timed_out(error.args[0], patience_s) from error
                self.log_waiting(error.args[0], gives_up_in_s=max(0, round(deadline - time.monotonic())))
            if self._stop.wait(backoff.next_s()):
                raise Stopped

    def log_waiting(self, error: KafkaError, **more: object) -> None:
        """Log that we wait for Kafka, and what to do; repeat it if the wait is long."""
        self._gauges.health.trouble(f"waiting_for_kafka: {error.str()}")
        if time.monotonic() >= self._logged_at + _LOG_AGAIN_S:
            self._logged_at = time.monotonic()
            do = kafka_advice(code=error.code())
            log.warning("waiting_for_kafka", at=self._where, error=error.str(), do=do, **more)

    def _partition_counts(self, names: Sequence[str]) -> dict[str, int]:
        known = self._producer.list_topics(timeout=_ANSWER_S).topics
        return {name: len(known[name].partitions) for name in names if name in known and not known[name].error}

    def _topic_ids(self, names: Sequence[str]) -> dict[str, str | None]:
        """Return the id of each existing topic; None if the broker gives none."""
        futures = self._admin.describe_topics(TopicCollection([*names]), request_timeout=_ANSWER_S)
        found: dict[str, str | None] = {}
        for name, future in futures.items():
            try:
                found[name] = topic_id(future.result())
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        return found

    def _topic_settings(self, names: Sequence[str]) -> dict[str, TopicSettings]:
        """Return the settings of each topic, without those that we may not see."""
        futures = self._admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=_ANSWER_S
        )
        found: dict[str, TopicSettings] = {}
        for resource, future in futures.items():
            with suppress(KafkaException):
                found[resource.name] = {name: entry.value for name, entry in future.result().items()}
        return found

    def _apply_settings(self, settings: Mapping[str, TopicSettings]) -> None:
        for name, given in settings.items():
            for problem in setting_problems(given):
                if problem.serious:
                    raise LogUnwritable(f"topic {name}: {problem.what}", problem.do)
                log.warning("topic_setting", topic=name, what=problem.what, do=problem.do)
        limit = min(map(longest, settings.values()), default=LONGEST)
        self._longest = min(self._longest, limit - _OVERHEAD)
        if limit < int(self._config["batch.size"]):
            self._producer = Producer({**self._config, "batch.size": limit})

    def _create(self, names: Sequence[str], partitions: int, patience_s: float) -> None:
        settings = {"message.timestamp.type": "CreateTime"}
        wanted = [NewTopic(name, partitions, config=settings) for name in names]
        for name, made in self._admin.create_topics(wanted).items():
            try:
                made.result()
                log.info("topic_created", topic=name, partitions=partitions)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    what = f"topic {name} cannot be created ({error.args[0].str()})"
                    raise LogUnwritable(
                        what, "let somebody create it who may, or choose another --topic-prefix"
                    ) from error
        self.retry(lambda: self._check_leaders(names, partitions), patience_s)

    def _check_leaders(self, names: Sequence[str], partitions: int) -> None:
        """Raise KafkaException until every partition of the topics has a leader."""
        known = self._producer.list_topics(timeout=_ANSWER_S).topics
        leaders = [p.leader for name in names if name in known for p in known[name].partitions.values()]
        if len(leaders) < len(names) * partitions or min(leaders) < 0:
            raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))

    def _enqueue(self, topic: str, partition: int, messages: list[dict[str, Any]]) -> None:
        while messages:
            done = self._produce(topic, partition, messages)
            messages = [{"key": m["key"], "value": m["value"]} for m in messages[done:]]
            if messages:
                self.wait(0.02)
        self.poll()

    def _produce(self, topic: str, partition: int, messages: list[dict[str, Any]]) -> int:
        """Queue messages until the queue is full; return how many of them, from the first on, it took."""
        done: int = self._producer.produce_batch(topic, messages, partition)
        self._queued += done
        if done < len(messages):
            refusal = messages[done].get("_error")
            if refusal is None or refusal.code() != KafkaError._QUEUE_FULL:
                raise LogUnwritable(f"{topic}/{partition} cannot take a record: {refusal}", "see what it holds")
        return done

    def wait(self, seconds: float) -> None:
        """Do as `poll` for so many seconds. Also raises Stopped."""
        self._call_back(seconds)
        self._check()
        if self._stop.is_set():
            raise Stopped

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._lost_at is not None:
            waiting = len(self._producer)
            if waiting < self._lost_at:
                log.info("kafka_back", at=self._where)
                self._lost_at = None
            else:
                self._lost_at = waiting
        self._update_health()

    def _update_health(self) -> None:
        """Report health: Kafka acknowledged something since the last call, or is there and has acknowledged all."""
        waiting = len(self._producer)
        taken = self._queued - waiting
        if taken > self._taken or (not waiting and self._lost_at is None):
            self._gauges.health.well()
        self._taken = taken
        self._gauges.set_queued(waiting)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            remedy = next((do for text, do in _REMEDIES.items() if text in error.str()), "run it again")
            self._failure = self._failure or LogUnwritable(f"Kafka at {self._where}: {error.str()}", remedy)
        elif error.code() in _REFUSED:
            self._failure = self._failure or self._unreachable(f"refused: {error.str()}")
        elif error.code() == KafkaError._ALL_BROKERS_DOWN and self._lost_at is None:
            log.warning("kafka_lost", at=self._where, error=error.str(), doing="waiting for it", do=kafka_advice())
            self._lost_at = len(self._producer)
            self._gauges.health.trouble(f"kafka_lost: {error.str()}")

    def _on_failed_delivery(self, error: KafkaError, message: Message) -> None:
        if error.code() in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
            return
        self._gauges.count_delivery_error()
        where = f"{message.topic()}/{message.partition()}"
        self._failure = self._failure or LogUnwritable(
            f"{where} did not take a record: {error.str()}",
            "see what became of the topic; started again, the run goes on",
        )

    def _raise_if_refused(self, error: KafkaError) -> None:
        if error.code() in _REFUSED:
            raise self._unreachable(f"refused: {error.str()}")

    def _timed_out(self, error: KafkaError, patience_s: float) -> BrokerUnreachable:
        if is_answer(error.code()):
            what = f"Kafka at {self._where} is not ready after {patience_s:g} s ({error.str()})"
            return BrokerUnreachable(what, "see the brokers' logs, and run it again")
        return self._unreachable("did not answer")

    def _unreachable(self, what: str) -> BrokerUnreachable:
        return BrokerUnreachable(f"Kafka at {self._where} {what}", kafka_advice())
