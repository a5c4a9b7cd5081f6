"""The consumer on a real log, in a real Kafka and Postgres, against the oracle."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec.structs import replace

from consumer.settings import Settings
from consumer.stage import run
from consumer.store import Store
from schemas.definition import Field, Records, Stream
from schemas.errors import LogUnreadable, UsageError
from schemas.streams.taxi import STREAMS, TAXI
from tests import logs, oracle
from tests.consumer.fakes import trip
from tests.consumer.helpers import RULES, Stub, assert_agrees, consuming, expected, position, query, until
from tests.fleet import PATIENCE_S

pytestmark = pytest.mark.integration

Config = dict[str, str]


@pytest.fixture
def settings(database: str, kafka_config: Config, prefix: str) -> Settings:
    return Settings(stream=TAXI, database_url=database, kafka=kafka_config, topic_prefix=prefix, flush_ms=100)


def changed(settings: Settings, **changes: Any) -> Settings:
    fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return Settings(**fields | changes)


def write(settings: Settings, writer: logs.Writer) -> None:
    logs.write(settings.kafka, settings.topic_prefix, writer.sent)
    writer.sent = []


def storm(settings: Settings, count: int = 800, seed: int = 7) -> int:
    """Writes a log with accidents in it; returns how many records it has."""
    writer = logs.Writer()
    logs.stormy(writer, logs.trips(count, 2, seed=seed), accident_every=15)
    written = len(writer.sent)
    write(settings, writer)
    return written


def consume_all(settings: Settings) -> None:
    with consuming(changed(settings, until_done=logs.RUN)) as thread:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the run was not finished in time"


def check(settings: Settings) -> None:
    assert_agrees(settings.database_url, expected(settings.kafka, settings.topic_prefix))


def test_a_stormy_log_is_read_as_the_oracle_reads_it(settings: Settings) -> None:
    written = storm(settings)
    consume_all(settings)
    check(settings)
    names = ("accepted", "duplicates", "late", "future", "invalid", "heartbeats")
    total = query(settings.database_url, f"SELECT sum({' + '.join(names)}) FROM driftline.run_progress")
    assert (position(settings.database_url), total) == (written, [(written,)])


@pytest.mark.parametrize(
    "sizes", [{"flush_rows": 5, "read_rows": 3}, {"flush_ms": 60_000, "flush_bytes": 100_000}], ids=str
)
def test_how_often_it_flushes_changes_nothing(settings: Settings, sizes: dict[str, int]) -> None:
    storm(settings, 400)
    with consuming(changed(settings, **sizes)):
        until(lambda: position(settings.database_url) > 50)
    consume_all(changed(settings, **sizes | {"flush_ms": 100}))
    check(settings)


def test_three_consumers_that_come_and_go_write_what_one_would(settings: Settings) -> None:
    storm(settings, 600)
    slow = changed(settings, flush_rows=20, read_rows=10, flush_ms=20)
    with ExitStack() as running:
        running.enter_context(consuming(changed(slow, instance="a")))
        until(lambda: position(settings.database_url) > 100)
        with consuming(changed(slow, instance="b")), consuming(changed(slow, instance="c")):
            owners = "SELECT count(DISTINCT owner) FROM driftline.partition_progress"
            until(lambda: query(settings.database_url, owners) == [(3,)])
        storm(settings, 300, seed=8)
        end = len(logs.read_back(settings.kafka, settings.topic_prefix))
        until(lambda: position(settings.database_url) == end)
    check(settings)


def test_two_consumers_that_both_believe_to_own_everything_write_it_once(settings: Settings) -> None:
    """As a zombie does: each in a group of its own, each claiming what the other holds."""
    written = storm(settings, 300)
    rivals = [
        changed(
            settings, instance=g, flush_ms=20, kafka=dict(settings.kafka) | {"group.id": g + settings.topic_prefix}
        )
        for g in "ab"
    ]
    with consuming(rivals[0]), consuming(rivals[1]):
        until(lambda: position(settings.database_url) == written)
    check(settings)
    assert query(settings.database_url, "SELECT max(epoch) > 1 FROM driftline.partition_progress") == [(True,)]


@pytest.mark.parametrize("committed", [True, False])
def test_a_connection_lost_during_commit_is_settled_by_what_postgres_holds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    storm(settings, 400)
    commit, broken = Store.commit, list[int]()

    def lost(store: Store, *args: Any) -> None:
        if len(broken) < 3:
            broken.append(1)
            if committed:
                commit(store, *args)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        commit(store, *args)

    monkeypatch.setattr(Store, "commit", lost)
    consume_all(settings)
    assert len(broken) == 3
    check(settings)


def test_when_postgres_hangs_up_on_everybody_the_consumer_goes_on(settings: Settings) -> None:
    storm(settings, 400)
    with consuming(changed(settings, flush_rows=20, read_rows=10)):
        until(lambda: position(settings.database_url) > 50)
        hang_up = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'driftline-consumer' AND datname = current_database()"
        )
        assert query(settings.database_url, hang_up) == [(1,)]
        until(
            lambda: query(settings.database_url, "SELECT finished_at FROM driftline.run WHERE run_id = 'proof'")[0][
                0
            ]
        )
    check(settings)


def test_a_consumer_may_come_before_the_topics(settings: Settings) -> None:
    with consuming(changed(settings, until_done=logs.RUN)) as thread:
        thread.join(0.5)
        storm(settings, 100)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    check(settings)


def test_every_partition_blocks_from_the_start_whoever_reads_it(settings: Settings) -> None:
    """Seeded from the topic's metadata, though nothing was ever written."""
    logs.create(settings.kafka, settings.topic_prefix)
    with consuming(settings):
        seeded = "SELECT topic, count(*) FROM driftline.partition_progress GROUP BY 1 ORDER BY 1"
        until(lambda: query(settings.database_url, seeded) == [("outcomes", 4), ("trips", 4)])


def test_what_is_read_to_its_end_is_caught_up_until_more_comes(settings: Settings) -> None:
    writer = logs.Writer()
    writer.beat(logs.START)
    write(settings, writer)

    def caught_up() -> Any:
        """Since when all eight partitions are; None while one is not."""
        text = (
            "SELECT CASE WHEN count(caught_up_since) = 8 AND sum(log_end - next_offset) = 0"
            " THEN min(caught_up_since) END FROM driftline.partition_progress"
        )
        return query(settings.database_url, text)[0][0]

    with consuming(changed(settings, beat_ms=50)):
        before = until(caught_up)
        writer.beat(logs.START)
        write(settings, writer)
        until(lambda: position(settings.database_url) == 16)
        assert until(caught_up) > before
    measures = query(settings.database_url, "SELECT run_id, measures FROM driftline.health")
    assert measures[0][0] == logs.RUN
    assert measures[0][1]["partitions"] == 8


def test_a_position_beyond_the_end_of_the_log_stops_loudly(settings: Settings) -> None:
    """The topic was made anew."""
    storm(settings, 100)
    consume_all(settings)
    query(settings.database_url, "UPDATE driftline.partition_progress SET next_offset = 1000000 RETURNING 1")
    with pytest.raises(LogUnreadable, match="offset 1000000 of a log from 0"), consuming(settings) as thread:
        thread.join(PATIENCE_S)


def test_a_position_before_the_start_of_the_log_stops_loudly(settings: Settings) -> None:
    """Retention took what was not read yet."""
    writer = logs.Writer()
    writer.beat(logs.START)
    writer.beat(logs.START)
    write(settings, writer)
    with consuming(settings):
        until(lambda: position(settings.database_url) == 16)
    query(settings.database_url, "UPDATE driftline.partition_progress SET next_offset = 0 RETURNING 1")
    admin = AdminClient(dict(settings.kafka))
    for deleted in admin.delete_records([TopicPartition(settings.topic_prefix + "trips", 2, 1)]).values():
        deleted.result(60)
    with (
        pytest.raises(LogUnreadable, match=r"trips/2 .*offset 0 of a log from 1 to 2"),
        consuming(settings) as thread,
    ):
        thread.join(PATIENCE_S)


def test_retention_while_nobody_reads_is_no_loss_to_who_never_read(settings: Settings) -> None:
    writer = logs.Writer()
    writer.beat(logs.START)
    writer.beat(logs.START, final=True)
    write(settings, writer)
    admin = AdminClient(dict(settings.kafka))
    for deleted in admin.delete_records([TopicPartition(settings.topic_prefix + "trips", 2, 1)]).values():
        deleted.result(60)
    consume_all(settings)
    first = "SELECT first_offset FROM driftline.run_progress WHERE (topic, partition) = ('trips', 2)"
    assert query(settings.database_url, first) == [(1,)]


def test_a_run_of_another_model_is_put_aside_and_what_is_behind_it_is_read(settings: Settings) -> None:
    old, new = logs.Writer(run="january"), logs.Writer(run="february")
    records = logs.trips(40, 0.5)

    def send(writer: logs.Writer, part: list[dict[str, Any]]) -> None:
        for record in part:
            writer.data("trips", logs.trip_of(record))
            writer.data("outcomes", logs.outcome_of(record))
        write(settings, writer)

    send(old, records[:20])
    with consuming(settings):
        until(lambda: position(settings.database_url) == 40)
    send(old, records[20:])
    old.beat(logs.START + logs.DAY, final=True)
    write(settings, old)
    send(new, records)
    new.beat(logs.START + logs.DAY, final=True)
    write(settings, new)
    retrained = Stub()
    retrained.hash = "retrained"
    with consuming(settings, retrained):
        until(lambda: position(settings.database_url) == 40 + 40 + 8 + 80 + 8)
    tallies = query(
        settings.database_url,
        "SELECT run_id, topic, sum(accepted), sum(invalid), bool_and(finished) FROM driftline.run_progress"
        " GROUP BY 1, 2 ORDER BY 1, 2",
    )
    assert [(*names, int(rows), int(refused), over) for *names, rows, refused, over in tallies] == [
        ("february", "outcomes", 40, 0, True),
        ("february", "trips", 40, 0, True),
        ("january", "outcomes", 40, 0, True),
        ("january", "trips", 20, 20, True),
    ]
    dead = "SELECT run_id, reason, count(*) FROM driftline.dead_letter WHERE raw IS NOT NULL GROUP BY 1, 2"
    assert ("january", "model", 20) in query(settings.database_url, dead)
    ((message,),) = query(settings.database_url, "SELECT message FROM driftline.alarm WHERE kind = 'model'")
    assert message.startswith("run january is scored by model stub, not by retrained as here: ")
    assert "restart the consumers as `driftline consume --model stub`" in message
    assert "replay its records under another --run" in message


def test_a_run_goes_on_by_the_bounds_that_it_was_begun_with(settings: Settings) -> None:
    """Whichever consumer reads it: the next run has those of today."""

    def with_most(passengers: int) -> Stream:
        fields = (replace(f, high=passengers) if f.name == "passenger_count" else f for f in TAXI.events.fields)
        return replace(TAXI, events=replace(TAXI.events, fields=tuple(fields)))

    old, new = logs.Writer(run="january"), logs.Writer(run="february")
    records = logs.trips(40, 0.5)

    def send(writer: logs.Writer, part: list[dict[str, Any]]) -> None:
        for n, record in enumerate(part):
            writer.data("trips", {**logs.trip_of(record), "passenger_count": (1, 5, 8, 20)[n % 4]})
        write(settings, writer)

    send(old, records[:20])
    with consuming(changed(settings, stream=with_most(6))):
        until(lambda: position(settings.database_url) == 20)
    send(old, records[20:])
    send(new, records)
    with consuming(changed(settings, stream=with_most(10))):
        until(lambda: position(settings.database_url) == 80)
    log = logs.read_back(settings.kafka, settings.topic_prefix)
    today = {records.topic: records for records in with_most(10).topics}
    january = {records.topic: records for records in with_most(6).topics}
    reading = oracle.read(log, today, RULES, begun_with={"january": january})
    assert_agrees(settings.database_url, reading)
    counted = Counter(run for run, reason in reading.dead.values())
    assert counted == {"january": 20, "february": 10}


def test_streams_side_by_side_in_one_database_keep_to_their_own_runs(settings: Settings) -> None:
    """The second has no labels, brings its prediction, and has the same default run as the first."""
    score = Field(name="score", type="float", role="number")
    orders = Records(topic="orders", kind="order", id="id", time="at", fields=(score,), prediction="score")
    second = changed(settings, stream=Stream(name="orders", events=orders), model=Path("nowhere"))
    logs.create(settings.kafka, settings.topic_prefix)
    topic = settings.topic_prefix + "orders"
    admin = AdminClient(dict(settings.kafka))
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(60)
    producer = Producer(dict(settings.kafka))
    for n in range(5):
        producer.produce(settings.topic_prefix + "trips", trip(logs.START + n, run=None), None, 0)
        names = {} if n < 3 else {"run_id": "orders-1", "seq": n - 3}
        order = {"id": str(n), "at": logs.START + n, "score": 0.5, **names}
        producer.produce(topic, json.dumps(order).encode(), None, 0)
    producer.flush()
    with consuming(settings):
        until(lambda: position(settings.database_url) == 5)
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(second, stop), daemon=True)  # without a model
    thread.start()
    until(lambda: position(settings.database_url) == 10)
    stop.set()
    thread.join(PATIENCE_S)
    url = settings.database_url
    assert query(url, "SELECT run_id, stream, model FROM driftline.run ORDER BY 1") == [
        ("live", "taxi", "stub"),
        ("orders-1", "orders", None),
    ]
    assert query(url, "SELECT run_id, topic, sum(rows)::int FROM driftline.chunk GROUP BY 1, 2 ORDER BY 1") == [
        ("live", "trips", 5),
        ("orders-1", "orders", 2),
    ]
    dead = "SELECT run_id, topic, reason, count(*), min(detail) FROM driftline.dead_letter GROUP BY 1, 2, 3"
    ((*found, detail),) = query(url, dead)
    assert found == ["live", "orders", "stream", 3]
    what, _, do = detail.partition(": ")
    assert what == "run live is of stream taxi, not of orders as here"
    assert do.startswith("give stream orders a default_run of its own")
    names = "SELECT name FROM driftline.stream ORDER BY 1"
    assert query(url, names) == [("orders",), ("taxi",)]


@pytest.mark.parametrize("sizes", [{}, {"flush_rows": 7, "read_rows": 3}], ids=str)
def test_records_that_the_model_fails_on_are_kept_and_all_others_are_scored(
    settings: Settings, sizes: dict[str, int]
) -> None:
    class Model(Stub):
        def predict(self, columns: Any) -> Any:
            predictions = super().predict(columns)
            if (predictions > 4).any():
                raise ValueError("y contains previously unseen labels")
            return predictions

    storm(settings, 300)
    with consuming(changed(settings, until_done=logs.RUN, **sizes), Model()) as thread:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    log = logs.read_back(settings.kafka, settings.topic_prefix)
    streams = {s.topic: s for s in STREAMS}
    reading = oracle.read(log, streams, RULES, scores=lambda record: record["trip_distance"] <= 4)
    assert "model" in {reason for _, reason in reading.dead.values()}
    assert_agrees(settings.database_url, reading)


def test_poison_in_key_headers_and_size_is_kept_once(settings: Settings, kafka_config: Config) -> None:
    logs.create(kafka_config, settings.topic_prefix)
    producer = Producer({**kafka_config, "message.max.bytes": 1_000_000})
    topic = settings.topic_prefix + "trips"
    big = b"\xff" * 900_000
    producer.produce(
        topic, None, b"\x00\xff", 0, headers=[("a", b"\xff"), ("a", None), ("é", "ü".encode()), ("", b"")]
    )
    producer.produce(topic, big, None, 0)
    producer.produce(topic, b'{"kind":"trip","trip_id":"\xff"}', b"k", 0, headers=[("n\x01", b"\x00" * 1_000)])
    producer.flush()
    with consuming(settings):
        until(lambda: position(settings.database_url) == 3)
    found = query(
        settings.database_url, "SELECT key, raw, headers FROM driftline.dead_letter ORDER BY kafka_offset"
    )
    assert [(key, raw) for key, raw, _ in found] == [
        (b"\x00\xff", None),
        (None, big),
        (b"k", b'{"kind":"trip","trip_id":"\xff"}'),
    ]
    assert found[0][2] == [
        {"name": "a", "base64": "/w=="},
        {"name": "a", "value": None},
        {"name": "é", "value": "ü"},
        {"name": "", "value": ""},
    ]
    assert found[2][2][0]["name"] == "n\\x01"


def test_holes_that_transactions_leave_are_passed_and_what_was_aborted_is_not_read(settings: Settings) -> None:
    logs.create(settings.kafka, settings.topic_prefix)
    producer = Producer({**settings.kafka, "transactional.id": settings.topic_prefix})
    producer.init_transactions(30)

    def transaction(*values: bytes, commit: bool = True) -> None:
        producer.begin_transaction()
        for value in values:
            producer.produce(settings.topic_prefix + "trips", value, None, 0)
        producer.flush()
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)

    def is_read(offset: int) -> bool:
        """Up to here; the marker behind it may have been passed already."""
        statement = "SELECT next_offset FROM driftline.partition_progress WHERE (topic, partition) = ('trips', 0)"
        return query(settings.database_url, statement) in ([(offset,)], [(offset + 1,)])

    transaction(trip(logs.START, 0), trip(logs.START, 1))
    with consuming(settings):
        until(lambda: is_read(2))
    transaction(trip(logs.START, 2), commit=False)
    transaction(trip(logs.START, 2), trip(logs.START, 3))
    with consuming(settings):  # begins at offset 2, where there is a marker, or behind it
        until(lambda: is_read(7))
    rows = query(settings.database_url, "SELECT rows FROM driftline.chunk ORDER BY first_offset")
    assert rows == [(2,), (2,)]


def test_a_setting_that_librdkafka_does_not_know_is_refused(settings: Settings) -> None:
    wrong = changed(settings, kafka=dict(settings.kafka) | {"no.such.thing": "1"})
    with pytest.raises(UsageError, match=r"no\.such\.thing"), consuming(wrong) as thread:
        thread.join(PATIENCE_S)


def test_a_broker_that_is_down_is_waited_for(settings: Settings) -> None:
    down = changed(settings, kafka={"bootstrap.servers": "127.0.0.1:1"})
    with consuming(down) as thread:
        thread.join(1)
        assert thread.is_alive()
