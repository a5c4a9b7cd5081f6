"""The consumer on a real log, in a real Kafka and Postgres, against the oracle."""

from __future__ import annotations

import pytest

from consumer.settings import Settings
from tests import logs
from tests.consumer.helpers import assert_agrees, consuming, expected, position

pytestmark = pytest.mark.integration


def settings(database: str, kafka_config: dict[str, str], prefix: str, **more: object) -> Settings:
    return Settings(database_url=database, kafka=kafka_config, topic_prefix=prefix, **more)  # type: ignore[arg-type]


def test_a_stormy_log_is_read_as_the_oracle_reads_it(
    database: str, kafka_config: dict[str, str], prefix: str
) -> None:
    writer = logs.Writer()
    logs.stormy(writer, logs.trips(3_000, 2), accident_every=20)
    logs.write(kafka_config, prefix, writer.sent)
    with consuming(settings(database, kafka_config, prefix, until_done=logs.RUN)) as thread:
        thread.join(60)
    reading = expected(kafka_config, prefix)
    assert position(database) == len(writer.sent)
    assert_agrees(database, reading)
