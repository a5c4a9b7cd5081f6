"""Changes of alarms on a real Kafka: each once, whoever is killed where, and nothing waits for them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from urllib.request import urlopen

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from jsonschema import Draft202012Validator

from monitor.alarm_topic import AlarmTopic
from monitor.gauges import MonitorGauges
from runtime.metrics_server import serving
from schemas.alarms import json_schema
from schemas.streams.taxi import TAXI
from schemas.topics import ALARMS
from tests.fleet import exitcode
from tests.monitor.changes import change, publish, published, unpublished, write
from tests.monitor.feed import HOUR, Feed, Running, settings, until
from tests.monitor.watched import MONDAY, SIZES, STREAM, changes, engine, hours, send, watch

pytestmark = pytest.mark.integration

Config = dict[str, str]

FIRST = [change("é:1h", 1), change("b", 1), change("é:1h", 2, state="recovered")]
THEN = [change("c", 1), change("b", 2, state="withdrawn")]


@pytest.fixture
def feed(database: str) -> Iterator[Feed]:
    with Feed(database, stream=STREAM) as made:
        yield made


@pytest.fixture(autouse=True)
def topics(kafka_config: Config, prefix: str) -> None:
    """Those of the streams, which alarms stand beside."""
    admin, wanted = (
        AdminClient(kafka_config),
        [NewTopic(prefix + stream.events.topic, 1) for stream in (STREAM, TAXI)],
    )
    for made in admin.create_topics(wanted).values():
        made.result(60)


def drifted(feed: Feed) -> None:
    send(feed, hours(0, 30, seed=2))
    send(feed, hours(30, 60, seed=2, shift=4.0))
    feed.mark(MONDAY + 60 * HOUR, feed.stream.topics)
    feed.finish()


def doomed(url: str, kafka: Config, prefix: str, place: str) -> int | None:
    """A publisher in a process of its own, which dies there; its exit code."""
    return exitcode(f"monitor.{place}:1", publish, url, kafka, prefix)


@pytest.mark.faults
def test_publishers_killed_anywhere_lose_no_change_and_repeat_none(
    database: str, kafka_config: Config, prefix: str
) -> None:
    write(database, FIRST)
    for place in ("alarms_sent", "alarms_committed", "alarms_committed", "alarms_marked"):
        assert doomed(database, kafka_config, prefix, place) == -signal.SIGKILL
    assert unpublished(database) == 0
    write(database, THEN)
    assert doomed(database, kafka_config, prefix, "alarms_sent") == -signal.SIGKILL
    publish(database, kafka_config, prefix)
    assert unpublished(database) == 0
    assert published(kafka_config, prefix) == [*FIRST, *THEN]


class CountedTopic(AlarmTopic):
    """Counts the records that it reads."""

    read = 0

    def _records(self) -> Iterator[tuple[bytes, bytes | None]]:
        for found in super()._records():
            self.read += 1
            yield found


def test_a_publisher_reads_only_what_has_come_since_and_a_recreated_topic_as_a_whole(
    kafka_config: Config, prefix: str
) -> None:
    topic, other = (CountedTopic(kafka_config, prefix, TAXI.events.topic) for _ in range(2))
    topic.ensure()
    topic.publish(FIRST)
    assert topic.read == 0
    other.publish(FIRST)
    other.publish([*FIRST, THEN[0]])
    assert other.read == len(FIRST)
    topic.publish([*FIRST, *THEN])
    assert topic.read == len(FIRST) + 1
    assert published(kafka_config, prefix) == [*FIRST, *THEN]
    admin = AdminClient(kafka_config)
    admin.delete_topics([topic.name])[topic.name].result(60)
    until(lambda: topic.name not in admin.list_topics(timeout=10).topics)
    other.ensure()
    others = [change("d", number) for number in range(1, 9)]
    other.publish(others)
    topic.publish([*FIRST, *THEN])
    assert published(kafka_config, prefix) == [*others, *FIRST, *THEN]


def test_the_topic_is_compacted_and_holds_what_its_schema_says(
    database: str, kafka_config: Config, prefix: str
) -> None:
    write(database, FIRST)
    publish(database, kafka_config, prefix)
    admin = AdminClient(kafka_config)
    (found,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, prefix + ALARMS)]).values()
    assert found.result(60)["cleanup.policy"].value == "compact"
    validator = Draft202012Validator(json_schema())
    for one in published(kafka_config, prefix):
        validator.validate(json.loads(msgspec.json.encode(one)))


def test_a_monitor_of_another_prefix_publishes_nothing_and_says_so(
    database: str, kafka_config: Config, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(database, FIRST)
    publish(database, kafka_config, f"ghost-{prefix}", seconds=2.0)
    said = capsys.readouterr().out
    assert f"topic ghost-{prefix}alarms is missing, and so is ghost-{prefix}trips" in said
    assert "give produce, consume and monitor the same --topic-prefix" in said
    assert f"ghost-{prefix}alarms" not in AdminClient(kafka_config).list_topics(timeout=10).topics
    assert unpublished(database) == len(FIRST)
    publish(database, kafka_config, prefix)
    assert published(kafka_config, prefix) == FIRST


def test_a_monitor_publishes_the_alarms_that_it_raises_before_it_ends(
    feed: Feed, kafka_config: Config, prefix: str
) -> None:
    drifted(feed)
    watch(feed.url, kafka=kafka_config, topic_prefix=prefix)
    assert [(c.number, c.state) for c in published(kafka_config, prefix)] == changes(feed.connection)
    assert [(c.stream, c.members[0].column) for c in published(kafka_config, prefix)] == [("parcels", "weight")]


def test_a_kafka_that_is_down_delays_no_window_and_is_seen(feed: Feed) -> None:
    drifted(feed)
    nobody = {"bootstrap.servers": "127.0.0.1:9", "log_level": "0"}
    gauges = MonitorGauges()
    wanted = settings(feed.url, sizes=SIZES, stream=STREAM, kafka=nobody, until_done=None)
    with serving(gauges.instruments, "127.0.0.1", 0) as url, Running(wanted, engine(), gauges):
        until(lambda: feed.connection.execute("SELECT FROM driftline.watch WHERE done").fetchone() is not None)
        assert changes(feed.connection) == [(1, "firing")]
        until(lambda: health(url).get("reason", "").startswith("alarms_unpublished"))
        assert health(url)["well"]
        until(lambda: feed.connection.execute(MEASURED).fetchall() == [(1, True)])
    assert unpublished(feed.url) == 1


MEASURED = """
    SELECT (measures->>'alarms_unpublished')::int, measures ? 'kafka' FROM driftline.health
    WHERE measures ? 'kafka' ORDER BY at DESC LIMIT 1"""


def health(url: str | None) -> dict[str, object]:
    with urlopen(f"{url}/healthz", timeout=10) as answer:
        return dict(json.load(answer))


def test_a_monitor_without_kafka_goes_on_and_the_next_one_with_it_publishes(
    feed: Feed, kafka_config: Config, prefix: str
) -> None:
    drifted(feed)
    watch(feed.url)
    assert unpublished(feed.url) == 1
    watch(feed.url, kafka=kafka_config, topic_prefix=prefix)
    assert [(c.number, c.state) for c in published(kafka_config, prefix)] == changes(feed.connection)
