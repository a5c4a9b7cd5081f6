"""Topics that change while they are read: transactions, deletion, another topic of that name, more partitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from structlog.testing import capture_logs

from consumer.settings import Settings
from consumer.source import KafkaSource
from monitor.scheduling.planning import read_progress
from monitor.scheduling.readiness import Patience, Watermarks
from schemas.errors import LogUnreadable
from schemas.streams.taxi import TAXI
from schemas.watermark import END
from storage.snapshot import snapshot_of
from tests import logs
from tests.consumer.helpers import Stub, assert_agrees, consuming, expected, position, query, until
from tests.fleet import PATIENCE_S
from tests.monitor.feed import StubEngine, monitor

pytestmark = pytest.mark.integration

Config = dict[str, str]
FINALS = 2 * logs.PARTITIONS


@pytest.fixture
def settings(database: str, kafka_config: Config, prefix: str) -> Settings:
    quick = kafka_config | {"topic.metadata.refresh.interval.ms": "200"}
    return Settings(stream=TAXI, database_url=database, kafka=quick, topic_prefix=prefix, flush_ms=100, beat_ms=100)


def calm(count: int, *, run: str = logs.RUN, seed: int = 7) -> list[logs.Sent]:
    writer = logs.Writer(run)
    logs.calm(writer, logs.trips(count, 0.5, seed=seed))
    return writer.sent


def send(producer: Producer, prefix: str, sent: list[logs.Sent]) -> None:
    """In one transaction, whose end is not said."""
    producer.begin_transaction()
    for s in sent:
        producer.produce(prefix + s.topic, s.value, s.key, s.partition)
    producer.flush()


def caught_up(settings: Settings) -> bool:
    text = "SELECT count(caught_up_since), sum(log_end - next_offset) FROM driftline.partition_progress"
    return query(settings.database_url, text) == [(FINALS, 0)]


def marks(settings: Settings, run: str = logs.RUN) -> dict[str, Watermarks]:
    """As a monitor sees them that waits for nobody who is silent."""
    with psycopg.connect(settings.database_url) as connection, snapshot_of(connection) as snapshot:
        progress = read_progress(snapshot, snapshot.known(run, TAXI), Patience(alive=60_000, idle=0))
        return dict(progress.watermarks)


def finished(settings: Settings, run: str = logs.RUN) -> bool:
    text = "SELECT finished_at IS NOT NULL FROM driftline.run WHERE run_id = %s"
    return query(settings.database_url, text, run) == [(True,)]


def test_transactions_are_read_to_their_end_whatever_stands_there(settings: Settings) -> None:
    """Commits between the records, what was aborted, an abort marker as the last offset, an open transaction."""
    sent = calm(150)
    body, ending = sent[:-FINALS], sent[-FINALS:]
    logs.create(settings.kafka, settings.topic_prefix)
    producer = Producer({**settings.kafka, "transactional.id": settings.topic_prefix})
    producer.init_transactions(60)
    for first in range(0, len(body), 100):
        send(
            producer, settings.topic_prefix, body[first + 1 : first + 60]
        )  # out of order, would be gaps and losses
        producer.abort_transaction()
        send(producer, settings.topic_prefix, body[first : first + 100])
        producer.commit_transaction()
    send(producer, settings.topic_prefix, [s for s in ending if s.topic == "trips"])
    producer.abort_transaction()
    send(producer, settings.topic_prefix, [s for s in ending if s.topic == "outcomes"])
    with consuming(settings):
        until(lambda: caught_up(settings))
        until(lambda: {mark.watermark for mark in marks(settings).values()} == {END})
        assert all(mark.strict < END for mark in marks(settings).values())
        assert_agrees(settings.database_url, expected(settings.kafka, settings.topic_prefix))
        producer.commit_transaction()
        send(producer, settings.topic_prefix, [s for s in ending if s.topic == "trips"])
        assert not finished(settings)
        producer.commit_transaction()
        until(lambda: finished(settings))
        until(lambda: caught_up(settings))
    assert_agrees(settings.database_url, expected(settings.kafka, settings.topic_prefix))
    assert query(settings.database_url, "SELECT sum(missing) FROM driftline.run_progress") == [(0,)]
    text = "SELECT (measures ->> 'records')::int, (measures ->> 'lag')::int FROM driftline.health"
    assert query(settings.database_url, text) == [(len(sent), 0)], "markers are no records"


@pytest.mark.parametrize("topics", [("trips", "outcomes"), ("outcomes",)], ids="+".join)
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_recreated_topic_stops_the_consumer_though_it_holds_more_than_was_read(
    settings: Settings, running: bool, topics: tuple[str, ...]
) -> None:
    before = calm(20)[:-FINALS]
    logs.write(settings.kafka, settings.topic_prefix, before)
    more = [sent for sent in calm(200, run="another", seed=8) if sent.topic in topics]

    def recreate() -> None:
        logs.delete(settings.kafka, settings.topic_prefix, topics)
        logs.write(settings.kafka, settings.topic_prefix, more)

    def consume(meanwhile: Callable[[], None] = lambda: None) -> None:
        with consuming(settings) as thread:
            until(lambda: position(settings.database_url) == len(before))
            meanwhile()
            thread.join(PATIENCE_S)

    if running:
        with pytest.raises(LogUnreadable, match=r"was deleted and recreated .*fresh database"):
            consume(recreate)
    else:
        with consuming(settings):
            until(lambda: position(settings.database_url) == len(before))
        recreate()
    with pytest.raises(LogUnreadable, match=r"was deleted and recreated .*fresh database"):
        consume()
    assert position(settings.database_url) == len(before)
    assert query(settings.database_url, "SELECT run_id FROM driftline.run") == [(logs.RUN,)]


def test_positions_from_before_topics_had_ids_get_that_of_today(settings: Settings) -> None:
    logs.write(settings.kafka, settings.topic_prefix, calm(20))
    with consuming(settings):
        until(lambda: finished(settings))
    ids = "SELECT topic, topic_id FROM driftline.partition_progress ORDER BY topic, partition"
    known = query(settings.database_url, ids)
    source = KafkaSource(settings.kafka, settings.topic_prefix, TAXI)
    assert dict(known) == source.ids(["trips", "outcomes", "none"])()
    assert source.close(60)
    query(settings.database_url, "UPDATE driftline.partition_progress SET topic_id = NULL RETURNING 1")
    with consuming(settings):
        until(lambda: query(settings.database_url, ids) == known)


def test_deleted_topics_are_said_and_their_successors_not_read(settings: Settings) -> None:
    logs.write(settings.kafka, settings.topic_prefix, calm(20)[:-FINALS])
    with capture_logs() as logged:

        def topics() -> list[Any]:
            return [entry["topics"] for entry in logged if entry["event"] == "topic_deleted"]

        with consuming(settings):
            until(lambda: caught_up(settings))
            logs.delete(settings.kafka, settings.topic_prefix, ("outcomes",))
            until(lambda: topics() == ["outcomes"])
            logs.delete(settings.kafka, settings.topic_prefix, ("trips",))
            until(lambda: topics() == ["outcomes", "outcomes, trips"])
        with consuming(settings):
            until(lambda: len(topics()) == 3)


def test_a_partition_added_in_mid_run_does_not_keep_the_run_from_ending(settings: Settings) -> None:
    """Unless something of the run comes in it, be it after the end: its windows are computed with that, too."""
    one, other = calm(40), calm(40, run="other", seed=8)
    body = [*one[:-FINALS], *other[:-FINALS]]
    logs.write(settings.kafka, settings.topic_prefix, body)
    late = logs.Writer("other", logs.PARTITIONS + 1)
    late.data("trips", logs.trip_of(logs.trips(1, 0.5, seed=9)[0]), partition=logs.PARTITIONS)
    late.beat(logs.START + logs.DAY, ("trips",), only=logs.PARTITIONS, final=True)
    engine = StubEngine()
    engine.model = Stub.hash
    with consuming(settings):
        until(lambda: position(settings.database_url) == len(body))
        add_partition(settings)
        text = "SELECT count(*) FROM driftline.partition_progress"
        until(lambda: query(settings.database_url, text) == [(FINALS + 2,)])
        logs.write(settings.kafka, settings.topic_prefix, [*one[-FINALS:], *other[-FINALS:]])
        for run in (logs.RUN, "other"):
            until(lambda run=run: finished(settings, run))
            assert {mark.strict for mark in marks(settings, run).values()} == {END}
            monitor(settings.database_url, engine, until_done=run)
        assert results(settings, "other") == (40, 0)
        logs.write(settings.kafka, settings.topic_prefix, late.sent[:1])
        until(lambda: not finished(settings, "other"))
        assert all(mark.strict < END for mark in marks(settings, "other").values())
        logs.write(settings.kafka, settings.topic_prefix, late.sent[1:])
        until(lambda: finished(settings, "other"))
    monitor(settings.database_url, engine, until_done="other")
    assert results(settings, "other") == (41, 1)
    assert results(settings, logs.RUN) == (40, 0)
    assert_agrees(settings.database_url, expected(settings.kafka, settings.topic_prefix))


def add_partition(settings: Settings) -> None:
    wanted = [NewPartitions(settings.topic_prefix + topic, logs.PARTITIONS + 1) for topic in logs.TOPICS]
    admin = AdminClient(dict(settings.kafka))
    for added in admin.create_partitions(wanted).values():
        added.result(60)


def results(settings: Settings, run: str) -> tuple[int, int]:
    """Rows in final windows of trips, and how often one was computed again."""
    text = (
        "SELECT sum(rows)::int, sum(revision)::int FROM driftline.window_result"
        " WHERE run_id = %s AND stream = 'events' AND status = 'final'"
    )
    return query(settings.database_url, text, run)[0]  # type: ignore[return-value]
