"""Stretches of the log, read back from Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from runtime.connections import is_answer, kafka_advice, refused_setting
from schemas.errors import BrokerUnreachable, LogUnreadable
from schemas.topics import topic_id
from storage.windows import Ranges

ANSWER_S = 10.0
"""How long Kafka may take to say where a partition begins and ends."""

TIMEOUT_S = 30.0
"""Without a record for so long, Kafka counts as unreachable."""

_SETTINGS = {
    "group.id": "driftline-recompute",  # librdkafka wants one; it is never joined
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "fetch.queue.backoff.ms": 10,
    "client.id": "driftline-recompute",
}

_QUIET = {"log_level": "2"}
"""That a broker is not there comes back as an error; librdkafka also says it on stderr, 20 times a second."""

_GONE = {
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}


def records(
    kafka: Mapping[str, str], topic: str, ranges: Ranges, begun_in: str | None = None
) -> Iterator[tuple[int, int, bytes | None]]:
    """Read stretches of a topic.

    Args:
        kafka: librdkafka settings.
        topic: With its prefix.
        ranges: First and last offset by partition, both inclusive.
        begun_in: Kafka's id of the topic that the ranges are of; None: whichever is there.

    Yields:
        (partition, offset, value) of every record in the ranges; those of one partition in offset order.

    Raises:
        LogUnreadable: The log does not hold them any more.
        BrokerUnreachable: Kafka does not answer.
    """
    left = {int(partition): last for partition, (_, last) in ranges.items()}
    if not left:
        return
    consumer, where = _consumer(kafka), kafka.get("bootstrap.servers", "?")
    try:
        _check(consumer, topic, ranges, where)
        _check_topic(kafka, topic, begun_in, where)
        consumer.assign([TopicPartition(topic, int(number), first) for number, (first, _) in ranges.items()])
        deadline = time.monotonic() + TIMEOUT_S
        while left:
            for message in consumer.consume(1_000, 0.1):
                if (error := message.error()) is not None:
                    if error.code() == KafkaError._PARTITION_EOF:  # compaction took the last one
                        left.pop(message.partition(), None)
                    if error.code() in _GONE:
                        raise _gone(topic, message.partition() or 0, error.str())
                    continue
                number, offset = message.partition(), message.offset()
                deadline = time.monotonic() + TIMEOUT_S
                if offset <= left.get(number, -1):
                    yield number, offset, message.value()
                if offset >= left.get(number, offset + 1):
                    del left[number]
                    consumer.pause([TopicPartition(topic, number)])
            if time.monotonic() > deadline:
                raise _silent(where, KafkaError(KafkaError._TIMED_OUT, "nothing came for half a minute"))
    finally:
        consumer.close()


def _consumer(kafka: Mapping[str, str]) -> Consumer:
    try:
        return Consumer(_QUIET | dict(kafka) | _SETTINGS)
    except KafkaException as error:
        raise refused_setting(error.args[0].str(), kafka) from None


def _check(consumer: Consumer, topic: str, ranges: Ranges, where: str) -> None:
    """Check that the log holds the offsets. Done first, since a fetch beyond the end would wait."""
    for number, (first, last) in ranges.items():
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, int(number)), timeout=ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() in _GONE:
                raise _gone(topic, number, error.args[0].str()) from None
            raise _silent(where, error.args[0]) from None
        if not low <= first <= last < high:
            raise _gone(topic, number, f"it holds {low} to {high - 1}, not {first} to {last}")


def _check_topic(kafka: Mapping[str, str], topic: str, begun_in: str | None, where: str) -> None:
    """It is the topic that was read, and not another one that was given its name."""
    admin = AdminClient(_QUIET | dict(kafka))
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=ANSWER_S)
        now = topic_id(described[topic].result())
    except KafkaException as error:
        raise _silent(where, error.args[0]) from None
    if begun_in is not None and now is not None and now != begun_in:
        raise LogUnreadable(
            f"topic {topic} was deleted and recreated since it was read (its id was {begun_in} and is {now})",
            "what this window was computed from is gone: it can no longer be recomputed from the log",
        )


def _gone(topic: str, partition: object, why: str) -> LogUnreadable:
    return LogUnreadable(
        f"{topic}/{partition} does not hold the window's records ({why})",
        "give the --topic-prefix of its producer, if it has one; else retention deleted them, or the topic was"
        " recreated, and this window can no longer be recomputed from the log",
    )


def _silent(where: str, error: KafkaError) -> BrokerUnreachable:
    what = "is not ready" if is_answer(error.code()) else "did not answer"
    return BrokerUnreachable(f"Kafka at {where} {what} ({error.str()})", kafka_advice(code=error.code()))
