"""Windows against the log they came from, on a real Kafka and Postgres. The tables are filled by the oracle."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from confluent_kafka import OFFSET_END, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from monitor.recompute.compare import Recomputation, stored_windows
from monitor.recompute.difference import Difference
from monitor.settings import Settings
from schemas.definition import Records
from schemas.errors import BrokerUnreachable, LogUnreadable, UsageError
from schemas.streams.taxi import STREAMS, TAXI
from storage.chunk import OFFSET, PREDICTION, decode, encode, layout
from storage.connect import connect
from storage.snapshot import snapshot_of
from tests import logs
from tests.monitor.feed import DAY, FORGET_RESULTS, HOUR, LATENESS, PANE, T0, Feed, StubEngine, StubModel, monitor
from tests.oracle import Reading, Rules, read

pytestmark = pytest.mark.integration

RUNS = (logs.RUN, "live")


@dataclass
class Scene:
    """A stormy log in Kafka, and the tables that a right consumer and a right monitor leave of it."""

    feed: Feed
    settings: Settings

    def differences(self, run: str, start: int, size: int = HOUR) -> list[Difference]:
        with connect(self.feed.url) as connection, snapshot_of(connection) as snapshot:
            known = snapshot.known(run, TAXI)
            again = Recomputation(snapshot, self.settings, known, StubEngine(), StubModel())  # type: ignore[arg-type]
            return [
                difference
                for window, stored in stored_windows(snapshot, known, size, start)
                for difference in again.differences(window, stored)
            ]

    def fullest(self) -> int:
        """The hour of the run that holds most."""
        found = self.feed.connection.execute(
            "SELECT window_start FROM driftline.window_result"
            " WHERE run_id = %s AND size_s = 3600 ORDER BY rows DESC",
            (logs.RUN,),
        ).fetchone()
        assert found is not None
        return round(found[0].timestamp() * 1_000)

    def starts(self, run: str, size: int = HOUR) -> list[int]:
        found = self.feed.connection.execute(
            "SELECT DISTINCT window_start FROM driftline.window_result"
            " WHERE run_id = %s AND size_s = %s ORDER BY window_start",
            (run, size // 1_000),
        ).fetchall()
        return [round(at.timestamp() * 1_000) for (at,) in found]

    def change(self, table: str, change: str) -> None:
        assert self.feed.connection.execute(f"UPDATE driftline.{table} SET {change}").rowcount


@dataclass(frozen=True)
class Log:
    """A stormy log in Kafka, and what the oracle reads in it."""

    kafka: dict[str, str]
    prefix: str
    reading: Reading


def written(kafka: dict[str, str], prefix: str) -> Log:
    writer = logs.Writer()
    logs.stormy(writer, logs.trips(800, 0.3), accident_every=5)
    logs.write(kafka, prefix, writer.sent)
    reading = read(logs.read_back(kafka, prefix), {s.topic: s for s in STREAMS}, Rules(PANE, LATENESS, DAY))
    return Log(kafka, prefix, reading)


@pytest.fixture(scope="module")
def log(kafka_config: dict[str, str]) -> Iterator[Log]:
    """Nobody may change it: the tests share it."""
    made = written(kafka_config, f"test-recompute-{uuid.uuid4().hex[:8]}-")
    yield made
    admin = AdminClient(kafka_config)
    for deleted in admin.delete_topics([made.prefix + s.topic for s in STREAMS]).values():
        deleted.result(60)


def set_up(database: str, log: Log, runs: tuple[str, ...]) -> None:
    for run in runs:
        with Feed(database, run=run, partitions=logs.PARTITIONS) as feed:
            fill(feed, log.reading)


@pytest.fixture
def scene(database: str, log: Log) -> Iterator[Scene]:
    set_up(database, log, RUNS)
    with Feed(database, run="other", partitions=logs.PARTITIONS) as feed:
        yield Scene(feed, Settings(stream=TAXI, database_url=database, kafka=log.kafka, topic_prefix=log.prefix))


def fill(feed: Feed, reading: Reading) -> None:
    """One chunk of everything per partition, the dead letters, and figures of every window."""
    for stream in STREAMS:
        for partition in range(feed.partitions):
            rows = sorted(
                (offset, record)
                for (run, topic, _), found in reading.rows.items()
                for p, offset, record in found
                if (run, topic, p) == (feed.run, stream.topic, partition)
            )
            if rows:
                feed.chunk(stream, partition, batch_of(stream, rows))
    with feed.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO driftline.dead_letter (topic, partition, kafka_offset, run_id, reason)"
            " VALUES (%s, %s, %s, %s, %s)",
            [(*at, *why) for at, why in reading.dead.items() if why[0] == feed.run],
        )
    feed.finish()
    monitor(feed.url, until_done=feed.run, sizes=(HOUR, 6 * HOUR))


def batch_of(stream: Records, rows: list[tuple[int, dict[str, Any]]]) -> pa.RecordBatch:
    columns = {f.name: [record.get(f.name) for _, record in rows] for f in layout(stream)}
    columns[OFFSET] = [offset for offset, _ in rows]
    if PREDICTION in columns:
        inputs = {
            "trip_distance": np.array(columns["trip_distance"], np.float64),
            "pickup_at": np.array(columns["pickup_at"], np.int64),
            "passenger_count": np.array(columns["passenger_count"], np.float64),
        }
        columns[PREDICTION] = StubModel().predict(inputs).tolist()
    return pa.RecordBatch.from_pydict(columns, schema=layout(stream))


def test_every_window_of_a_stormy_log_is_what_the_log_says(scene: Scene) -> None:
    for run in RUNS:
        assert scene.starts(run)
        assert [d for start in scene.starts(run) for d in scene.differences(run, start)] == []
        assert [d for start in scene.starts(run, 6 * HOUR) for d in scene.differences(run, start, 6 * HOUR)] == []


def test_whatever_was_changed_in_the_tables_is_named(scene: Scene) -> None:
    start = scene.fullest()
    scene.change("window_result", "prediction_drift = prediction_drift * (1 + 1e-11) WHERE stream = 'events'")
    scene.change("window_result", "rows = rows + 1 WHERE stream = 'labels'")
    scene.change("column_metric", "value = value + 1e-6 WHERE column_name = 'fare_amount'")
    named = {(d.stream, d.figure) for d in scene.differences(logs.RUN, start)}
    assert named == {("events", "prediction_drift"), ("labels", "rows"), ("events", "fare_amount drift value")}


def test_a_row_that_was_forged_is_noticed(scene: Scene) -> None:
    feed, start = scene.feed, scene.fullest()
    feed.connection.execute(FORGET_RESULTS)
    for where, payload in feed.connection.execute(
        "SELECT ctid::text, payload FROM driftline.chunk WHERE (run_id, topic) = (%s, 'trips')", (logs.RUN,)
    ).fetchall():
        batch = decode(payload)
        tips = pa.array(batch["tip_amount"].to_numpy() + 0.01)
        forged = batch.set_column(batch.schema.get_field_index("tip_amount"), "tip_amount", tips)
        feed.connection.execute(
            "UPDATE driftline.chunk SET payload = %s WHERE ctid = %s::tid",
            (encode(forged.cast(batch.schema)), where),
        )
    monitor(feed.url, until_done=logs.RUN, sizes=(HOUR,))
    assert {(d.stream, d.figure) for d in scene.differences(logs.RUN, start)} == {
        ("events", "tip_amount drift value")
    }


def test_figures_that_are_missing_are_named_too(scene: Scene) -> None:
    start = scene.fullest()
    scene.feed.connection.execute("DELETE FROM driftline.column_metric WHERE column_name = 'tip_amount'")
    found = scene.differences(logs.RUN, start)
    assert {d.figure.split()[0] for d in found} == {"tip_amount"}
    assert {d.stored for d in found} == {None}


def test_a_log_that_retention_took_is_told_from_a_wrong_figure(
    scene: Scene, kafka_config: dict[str, str], prefix: str
) -> None:
    shortened = written(kafka_config, prefix)
    places = [TopicPartition(prefix + "trips", number, OFFSET_END) for number in range(logs.PARTITIONS)]
    admin = AdminClient(kafka_config)
    for future in admin.delete_records(places).values():
        future.result(60)
    with pytest.raises(LogUnreadable, match=prefix + "trips"):
        Scene(
            scene.feed,
            Settings(stream=TAXI, database_url=scene.feed.url, kafka=shortened.kafka, topic_prefix=prefix),
        ).differences(logs.RUN, scene.fullest())


def test_a_topic_that_was_made_anew_is_told_from_a_slow_one(scene: Scene) -> None:
    scene.change("window_result", """offsets = '{"0": [900000, 900001]}' WHERE stream = 'events'""")
    with pytest.raises(LogUnreadable, match="900000 to 900001"):
        scene.differences(logs.RUN, scene.fullest())


def test_a_recreated_topic_that_holds_the_offsets_is_no_wrong_figure(scene: Scene) -> None:
    admin, topic = AdminClient(dict(scene.settings.kafka)), scene.settings.topic_prefix + "trips"
    now = admin.describe_topics(TopicCollection([topic]))[topic].result(60).topic_id
    scene.change("partition_progress", f"topic_id = '{now}' WHERE topic = 'trips'")
    assert scene.differences(logs.RUN, scene.fullest()) == []
    scene.change("partition_progress", "topic_id = 'before' WHERE topic = 'trips'")
    with pytest.raises(
        LogUnreadable, match=rf"trips was deleted and recreated .*was before and is {re.escape(str(now))}"
    ):
        scene.differences(logs.RUN, scene.fullest())


def test_a_topic_that_is_gone_is_said(scene: Scene) -> None:
    elsewhere = Settings(
        stream=TAXI, database_url=scene.feed.url, kafka=scene.settings.kafka, topic_prefix="nowhere-"
    )
    with pytest.raises(LogUnreadable, match="nowhere-trips"):
        Scene(scene.feed, elsewhere).differences(logs.RUN, scene.fullest())


def test_a_broker_that_is_down_is_said(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.recompute.source.ANSWER_S", 0.5)
    down = Settings(stream=TAXI, database_url=scene.feed.url, kafka={"bootstrap.servers": "127.0.0.1:1"})
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1"):
        Scene(scene.feed, down).differences(logs.RUN, scene.fullest())


def test_a_window_that_is_not_there_is_said(scene: Scene) -> None:
    for run, start in ((logs.RUN, T0 - DAY), ("nobody", T0)):
        with pytest.raises(UsageError, match="there is no"):
            scene.differences(run, start)
