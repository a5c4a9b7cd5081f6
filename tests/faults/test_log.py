"""The log loses records that were not read yet: every stage says so and stops, instead of going on with a hole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests import logs, rows
from tests.fleet import Fleet, eventually
from tests.logs import PARTITIONS

pytestmark = [pytest.mark.integration, pytest.mark.faults]


@pytest.fixture
def fleet(
    kafka_config: dict[str, str], prefix: str, database: str, trained: Path, tmp_path: Path
) -> Iterator[Fleet]:
    """On a calm log of its own, without an end."""
    writer = logs.Writer()
    logs.calm(writer, logs.trips(400, 1))
    logs.write(kafka_config, prefix, writer.sent[: -2 * PARTITIONS])
    with closing(Fleet(kafka_config, prefix, database, trained, tmp_path)) as fleet:
        yield fleet


def test_topics_made_anew_while_it_is_read(
    fleet: Fleet, kafka_config: dict[str, str], prefix: str, database: str
) -> None:
    consumer = fleet.consumer()
    eventually(lambda: passed(database) > 500, lambda: consumer.text)
    logs.delete(kafka_config, prefix)
    eventually(lambda: not there(kafka_config, prefix), lambda: "the topics stay")
    short = logs.Writer(run="another")
    logs.calm(short, logs.trips(20, 1, seed=8))
    logs.write(kafka_config, prefix, short.sent)
    consumer.ends(1)
    assert "LogUnreadable" in consumer.text
    before = passed(database)
    again = fleet.consumer()
    again.ends(1)
    assert "LogUnreadable" in again.text
    assert passed(database) == before


def test_retention_overtakes_a_sleeper(
    fleet: Fleet, kafka_config: dict[str, str], prefix: str, database: str
) -> None:
    consumer = fleet.consumer("consumer.before_flush:3 sleep")
    eventually(lambda: consumer.sleeps, lambda: consumer.text)
    admin = AdminClient(kafka_config)
    everything = [TopicPartition(prefix + topic, p, -1) for topic in logs.TOPICS for p in range(PARTITIONS)]
    for future in admin.delete_records(everything).values():
        future.result(60)
    other = fleet.consumer()
    other.ends(1)
    assert "LogUnreadable" in other.text
    consumer.signal(signal.SIGCONT)
    consumer.ends(1)
    assert "LogUnreadable" in consumer.text


def passed(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        return sum(rows.positions(connection).values())


def there(kafka_config: dict[str, str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in AdminClient(kafka_config).list_topics(timeout=60).topics)
