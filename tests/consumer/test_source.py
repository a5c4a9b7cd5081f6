from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec.structs import replace
from structlog.testing import capture_logs

from consumer.ledger import Partition
from consumer.source import Complaints, KafkaSource, _split
from runtime.connections import kafka_advice
from schemas.errors import BrokerUnreachable
from schemas.streams.taxi import OUTCOMES, TAXI
from schemas.topics import consumer_group
from tests import logs
from tests.consumer.helpers import until


class Placed:
    """A message that only says where it is from."""

    def __init__(self, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition


def test_topics_that_are_waited_for_are_named_as_they_are_in_kafka() -> None:
    source = KafkaSource({"bootstrap.servers": "127.0.0.1:1"}, "mine-", TAXI)
    assert source.awaited()["topics"] == "mine-trips, mine-outcomes"
    assert "produce, consume and monitor the same --topic-prefix" in source.awaited()["do"]
    assert source.close(5)


def test_a_broker_that_is_down_is_complained_of_once_a_minute_in_each_way() -> None:
    """By turns librdkafka reports that a connection failed and that all brokers are down, again and again."""
    seen, codes = Complaints(), (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
    due = [(second, code) for second in range(121) for code in codes if seen.is_due(code, float(second))]
    assert due == [(minute * 60, code) for minute in range(3) for code in codes]


def test_a_complaint_says_what_to_do() -> None:
    source = KafkaSource({"bootstrap.servers": "127.0.0.1:1"}, "mine-", TAXI)
    with capture_logs() as logs:
        for _ in range(3):
            source.complain(KafkaError(KafkaError._TRANSPORT))
    (said,) = (entry for entry in logs if "Broker transport failure" in entry["error"])
    assert said["do"] == kafka_advice(code=KafkaError._TRANSPORT)
    assert source.close(5)


@pytest.mark.parametrize(
    ("places", "stretches"),
    [
        ("", []),
        ("a0", [("a", 0, 1)]),
        ("a0 a0 a0", [("a", 0, 3)]),
        ("a0 a1 a1 a0", [("a", 0, 1), ("a", 1, 2), ("a", 0, 1)]),
        ("a0 a0 b0 a0", [("a", 0, 2), ("b", 0, 1), ("a", 0, 1)]),
    ],
)
def test_messages_are_parted_where_the_partition_changes(
    places: str, stretches: list[tuple[str, int, int]]
) -> None:
    messages: Any = [Placed(place[0], int(place[1])) for place in places.split()]
    assert [(*place, len(part)) for place, part in _split(messages)] == stretches
    assert [m for _, part in _split(messages) for m in part] == messages


def test_wrong_credentials_end_reading_at_once_and_are_not_tried_again() -> None:
    source = KafkaSource({"bootstrap.servers": "127.0.0.1:1", "socket.timeout.ms": "100"}, "", TAXI)
    source._on_error(KafkaError(KafkaError._AUTHENTICATION, "SASL authentication failed"))
    with pytest.raises(BrokerUnreachable, match=r"SASL authentication failed.*correct KAFKA_"):
        source.read(1, 0)
    with pytest.raises(BrokerUnreachable):
        source.partitions()
    assert source.close(60)


def test_a_member_awaits_its_assignment_until_the_group_names_it() -> None:
    source = KafkaSource({"bootstrap.servers": "127.0.0.1:1", "socket.timeout.ms": "100"}, "", TAXI)
    states = [source.awaits_assignment]
    for happens in (
        lambda: source._on_assign(source._consumer, []),
        lambda: source._on_revoke(source._consumer, []),
    ):
        happens()
        states.append(source.awaits_assignment)
    assert states == [True, False, True]
    assert source.close(60)


@pytest.mark.integration
def test_a_topic_that_is_made_later_is_found(kafka_config: dict[str, str], prefix: str) -> None:
    logs.create(kafka_config, prefix)
    source = KafkaSource(kafka_config, prefix, replace(TAXI, labels=replace(OUTCOMES, topic="later")))
    try:
        source.subscribe()
        until(lambda: [source.read(10, 0.1), len(source.assigned) == 4][1])
        generation = source.generation
        admin = AdminClient(kafka_config)
        admin.create_topics([NewTopic(prefix + "later", 1, 1)])[prefix + "later"].result(60)
        until(lambda: [source.read(10, 0.1), Partition("later", 0) in source.assigned][1])
        assert source.generation > generation
    finally:
        assert source.close(60)


@pytest.mark.integration
def test_nothing_is_fetched_before_the_start_is_named(kafka_config: dict[str, str], prefix: str) -> None:
    writer = logs.Writer()
    writer.beat(logs.START)
    writer.beat(logs.START)
    logs.write(kafka_config, prefix, writer.sent)
    source = KafkaSource(kafka_config, prefix, TAXI)
    try:
        source.subscribe()
        until(lambda: [source.read(10, 0.1), source.assigned][1])
        assert source.read(100, 0.5) == []
        assert set(source.ends(source.assigned).values()) == {2}
        assert set(source.starts(source.assigned).values()) == {0}
        source.start_at(dict.fromkeys(source.assigned, 1))
        found: list[int] = []
        until(
            lambda: [found.extend(m.offset() for _, part in source.read(100, 0.1) for m in part), len(found) > 7][1]
        )
        assert found == [1] * 8
        assert source.read(100, 0.5) == []
    finally:
        assert source.close(60)


@pytest.mark.integration
@pytest.mark.parametrize("read", [True, False], ids=["that has read", "that has not looked yet"])
def test_a_member_that_closes_leaves_the_group_at_once(
    kafka_config: dict[str, str], prefix: str, read: bool
) -> None:
    """Also one whose assignment waits to be looked at: it is not told any more, when nobody may answer."""
    logs.create(kafka_config, prefix)
    admin = AdminClient(kafka_config)

    def members() -> list[Any]:
        name = consumer_group(prefix, "taxi")
        group = admin.describe_consumer_groups([name])[name].result(60)
        return [m for m in group.members if m.assignment and m.assignment.topic_partitions]

    source = KafkaSource({**kafka_config, "session.timeout.ms": "40000"}, prefix, TAXI)
    source.subscribe()
    until(members)
    if read:
        until(lambda: source.read(1, 0.1) == [] and source.assigned)
    assert source.close(60)
    assert not hasattr(source, "_consumer"), "who is dropped calls nobody back"
    until(lambda: not members(), seconds=20)
