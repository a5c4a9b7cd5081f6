"""Topics that are not as the producer would have made them, or do not stay as they were."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from unittest.mock import patch

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from structlog.testing import capture_logs

from producer.log import Log
from producer.stage import Progress, run
from producer.topics import setting_problems
from schemas.errors import LogUnwritable
from schemas.records import Heartbeat, encode_heartbeat
from schemas.streams.taxi import STREAMS
from tests import logs
from tests.producer.log import essence, expected, of_run, settings, stored
from tests.producer.test_produce import PACED, stopped_after

Kafka = Mapping[str, str]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"cleanup.policy": "delete", "max.message.bytes": "1048588", "retention.ms": "604800000"}, []),
        ({"cleanup.policy": None, "max.message.bytes": None, "retention.ms": "-1"}, []),
        ({"cleanup.policy": "compact"}, [(True, "heartbeats")]),
        ({"cleanup.policy": "compact,delete"}, [(True, "heartbeats")]),
        ({"max.message.bytes": "100"}, [(True, "no record fits")]),
        ({"max.message.bytes": "10000"}, []),
        ({"retention.ms": "1000"}, [(False, "may be gone")]),
        ({"retention.ms": "0", "max.message.bytes": "0"}, [(True, "no record fits"), (False, "may be gone")]),
    ],
)
def test_what_keeps_records_from_arriving_is_found(
    given: dict[str, str | None], found: list[tuple[bool, str]]
) -> None:
    problems = [*setting_problems(given)]
    assert [problem.serious for problem in problems] == [serious for serious, _ in found]
    assert all(text in problem.what and problem.do for problem, (_, text) in zip(problems, found, strict=True))


def create(kafka: Kafka, prefix: str, partitions: int = 2, **config: str) -> None:
    config = {name.replace("_", "."): value for name, value in config.items()}
    topics = [NewTopic(prefix + stream.topic, partitions, 1, config=config) for stream in STREAMS]
    admin = AdminClient(dict(kafka))
    for made in admin.create_topics(topics).values():
        made.result(60)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("config", "seen", "refused"),
    [
        (
            {"cleanup_policy": "compact"},
            r"trips: cleanup.policy is compact.*set cleanup.policy=delete",
            r"failed to validate record.*set cleanup.policy=delete",
        ),
        (
            {"max_message_bytes": "100"},
            r"trips: max.message.bytes is 100.*set max.message.bytes=1048588",
            r"Message size too large.*raise max.message.bytes",
        ),
    ],
    ids=["compacted", "too small"],
)
def test_a_topic_that_refuses_our_records_is_an_error_with_its_reason(
    kafka_config: Kafka, prefix: str, config: dict[str, str], seen: str, refused: str
) -> None:
    """Also without the right to see its settings: then all that is known comes from what Kafka refuses."""
    create(kafka_config, prefix, **config)
    with pytest.raises(LogUnwritable, match=seen):
        run(settings(kafka_config, prefix), threading.Event())
    with patch.object(Log, "_topic_settings", return_value={}), pytest.raises(LogUnwritable, match=refused):
        run(settings(kafka_config, prefix), threading.Event())
    assert not any(stored(kafka_config, prefix).values())


@pytest.mark.integration
def test_batches_are_as_small_as_the_topic_wants_them(kafka_config: Kafka, prefix: str) -> None:
    create(kafka_config, prefix, max_message_bytes="3000", retention_ms="3000000")
    with capture_logs() as logs_:
        done = run(settings(kafka_config, prefix), threading.Event())
    assert done.finished
    assert [entry["topic"] for entry in logs_ if entry["event"] == "topic_setting"] == [
        prefix + stream.topic for stream in STREAMS
    ]
    wanted = settings(kafka_config, prefix)
    lanes = stored(kafka_config, prefix)
    assert {lane: essence(of_run(messages)) for lane, messages in lanes.items()} == expected(wanted)


@pytest.mark.integration
def test_a_topic_recreated_in_mid_run_ends_it_and_the_run_begins_anew(kafka_config: Kafka, prefix: str) -> None:
    made = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.events >= 200 and not made.is_set():
            made.set()
            logs.delete(kafka_config, prefix, ("trips",))
            logs.create(kafka_config, prefix, 2)

    wanted = settings(kafka_config, prefix, speed=PACED, beat_s=0.1)
    with pytest.raises(LogUnwritable, match=r"trips was deleted and recreated .*start the run again"):
        run(wanted, threading.Event(), watch)
    logs.delete(kafka_config, prefix, ("trips",))
    wanted = settings(kafka_config, prefix, speed=2 * PACED)
    assert run(wanted, threading.Event()).finished
    trips = [lane for lane in expected(wanted) if lane.topic == "trips"]
    lanes = stored(kafka_config, prefix)
    assert {lane: essence(of_run(lanes[lane])) for lane in trips} == {
        lane: expected(wanted)[lane] for lane in trips
    }


@pytest.mark.integration
@pytest.mark.parametrize("given", [None, 2])
def test_a_run_goes_on_in_its_partitions_though_the_topics_have_more(
    kafka_config: Kafka, prefix: str, given: int | None
) -> None:
    wanted = settings(kafka_config, prefix, speed=PACED)
    stopped_after(200, wanted)
    admin = AdminClient(dict(kafka_config))
    more = [NewPartitions(prefix + stream.topic, count) for stream, count in zip(STREAMS, (4, 3), strict=True)]
    for added in admin.create_partitions(more).values():
        added.result(60)
    assert run(settings(kafka_config, prefix, partitions=given), threading.Event()).finished
    lanes = stored(kafka_config, prefix, partitions=3)
    written = {lane: essence(of_run(messages)) for lane, messages in lanes.items() if messages}
    assert written == expected(wanted)


@pytest.mark.integration
def test_what_others_abort_or_leave_open_does_not_change_how_a_run_goes_on(
    kafka_config: Kafka, prefix: str
) -> None:
    wanted = settings(kafka_config, prefix, speed=PACED)
    stopped_after(200, wanted)
    lanes = stored(kafka_config, prefix)
    forged = encode_heartbeat(Heartbeat(run_id=wanted.run_id, seq=9_999, at=0, final=True))
    producer = Producer({**kafka_config, "transactional.id": prefix})
    producer.init_transactions(60)
    for end in (producer.abort_transaction, lambda: None):
        producer.begin_transaction()
        for lane in lanes:
            producer.produce(prefix + lane.topic, forged, None, lane.partition)
        producer.flush()
        end()
    assert run(settings(kafka_config, prefix), threading.Event()).finished
    producer.abort_transaction()
    lanes = stored(kafka_config, prefix)
    assert {lane: essence(of_run(messages)) for lane, messages in lanes.items()} == expected(wanted)
