"""The producer against a real Kafka."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from producer.log import Log
from producer.settings import Settings
from producer.stage import Progress, run
from schemas.errors import BrokerUnreachable, LogUnwritable, RunConflict, UsageError
from tests.partitioning import partition_of
from tests.producer.log import KILLED, essence, expected, in_a_process, of_run, settings, source, stored
from tests.producer.trips import START

pytestmark = pytest.mark.integration

Kafka = Mapping[str, str]

PACED = 86_400 / 3
"""The day of the source in three seconds."""


def test_a_run_is_in_the_log_as_the_plan_says(kafka_config: Kafka, prefix: str) -> None:
    wanted, before = settings(kafka_config, prefix), time.time() * 1_000
    done = run(wanted, threading.Event())
    lanes, plan = stored(kafka_config, prefix), expected(wanted)
    assert {lane: essence(of_run(messages)) for lane, messages in lanes.items()} == plan
    data = [m for messages in lanes.values() for m in messages if m.key() is not None]
    assert (done.records, done.already_there, done.finished) == (len(data), 0, True)
    for message in data:
        assert message.key() == json.loads(message.value())["trip_id"].encode()
        assert message.partition() == partition_of(message.key(), 2)
        assert before <= message.timestamp()[1] <= time.time() * 1_000  # when it was published, for retention


def test_killed_mid_batch_again_and_again_it_leaves_no_gap_and_no_other_record(
    kafka_config: Kafka, prefix: str
) -> None:
    for passage in (1, 2, 60, 40):
        assert in_a_process(kafka_config, prefix, PACED, f"producer.mid_batch:{passage}") == KILLED
        if passage == 2:  # before the second record is sent, the first has arrived
            assert [len(messages) for messages in stored(kafka_config, prefix).values()] == [1, 0, 0, 0]
    assert in_a_process(kafka_config, prefix, PACED) == 0
    lanes = stored(kafka_config, prefix)
    assert {lane: essence(of_run(messages)) for lane, messages in lanes.items()} == expected(
        settings(kafka_config, prefix, speed=PACED)
    )


def test_nothing_follows_the_final_heartbeat(kafka_config: Kafka, prefix: str) -> None:
    run(settings(kafka_config, prefix, beat_s=0.0), threading.Event())
    for messages in stored(kafka_config, prefix).values():
        finals = [json.loads(m.value()).get("final", False) for m in messages]
        assert finals == [False] * (len(finals) - 1) + [True]


def stopped_after(trips: int, wanted: Settings) -> Progress:
    """Run until so many trips are sent, and stop as SIGTERM does; how far it came."""
    stop, seen = threading.Event(), [Progress(0, 0, 0)]

    def watch(progress: Progress) -> None:
        seen.append(progress)
        if progress.events >= trips:
            stop.set()

    assert not run(wanted, stop, watch).finished
    return seen[-1]


def test_stopped_and_started_at_another_speed_it_is_the_same_run(kafka_config: Kafka, prefix: str) -> None:
    halfway = stopped_after(200, settings(kafka_config, prefix, speed=PACED))
    assert not any(b'"final":true' in v for v in values(kafka_config, prefix))
    done = run(settings(kafka_config, prefix), threading.Event())
    assert done.finished
    assert 200 <= halfway.records <= done.already_there < done.records
    assert essences(kafka_config, prefix) == expected(settings(kafka_config, prefix, speed=PACED))


SHAKEN = """
[[drift]]
kind = "clock"
offset = "7h"
share = 0.5
starts_at = "0%"
ends_at = "100%"
[[drift]]
kind = "delayed"
by = "3h"
share = 0.3
starts_at = "0%"
ends_at = "100%"
[[drift]]
kind = "duplicated"
share = 0.2
starts_at = "10%"
ends_at = "100%"
"""


def test_a_scenario_that_moves_records_within_the_log_is_resumed_where_it_was(
    kafka_config: Kafka, prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "shaken.toml").write_text(SHAKEN)
    wanted = settings(kafka_config, prefix, speed=PACED, scenario=str(tmp_path / "shaken.toml"))
    for trips in (200, 600):
        stopped_after(trips, wanted)
    assert run(wanted, threading.Event()).finished
    assert essences(kafka_config, prefix) == expected(wanted)


def values(kafka: Kafka, prefix: str) -> list[bytes]:
    return [value for messages in stored(kafka, prefix).values() for value in of_run(messages)]


def essences(kafka: Kafka, prefix: str) -> object:
    return {lane: essence(of_run(messages)) for lane, messages in stored(kafka, prefix).items()}


def test_a_finished_run_is_left_alone(kafka_config: Kafka, prefix: str) -> None:
    first = run(settings(kafka_config, prefix), threading.Event())
    before = values(kafka_config, prefix)
    with capture_logs() as logs:
        again = run(settings(kafka_config, prefix), threading.Event())
    assert (again.finished, again.records, again.already_there) == (True, first.records, first.records)
    assert "finished" not in {entry["event"] for entry in logs}, "it would read as if all had been sent just now"
    (said,) = (entry for entry in logs if entry["event"] == "already_finished")
    assert said["do"].startswith("nothing was sent: choose another --run")
    assert values(kafka_config, prefix) == before


def junk(kafka: Kafka, prefix: str) -> None:
    """What others may write after us: other runs, nonsense, and nonsense in our name."""
    other = b'{"kind":"trip","run_id":"run-2","seq":99999,"trip_id":"x","pickup_at":1}'
    ours = b'{"kind":"trip","run_id":"run-1","trip_id":"x","pickup_at":1}'
    texts = [None, b"", b"\xff\xfe", b"[1]", b'{"run_id":"run-1"', ours, b'"run_id":"run-1"', b'{"run_id":"run-1"}']
    writer = Producer(dict(kafka))
    for topic in ("trips", "outcomes"):
        for partition in range(2):
            for value in [*[other] * 1_500, *texts]:
                writer.produce(prefix + topic, value, partition=partition)
    assert writer.flush(60) == 0


def test_other_records_after_ours_do_not_hide_how_far_we_came(kafka_config: Kafka, prefix: str) -> None:
    stopped_after(200, settings(kafka_config, prefix, speed=PACED))
    before = len(values(kafka_config, prefix))
    junk(kafka_config, prefix)
    run(settings(kafka_config, prefix), threading.Event())
    lanes = {lane: [m.value() or b"" for m in messages] for lane, messages in stored(kafka_config, prefix).items()}
    ours = {lane: [v for v in vs if b'"run_id":"run-1","seq"' in v] for lane, vs in lanes.items()}
    assert {lane: essence(vs) for lane, vs in ours.items()} == expected(settings(kafka_config, prefix, speed=PACED))
    data = [v for vs in ours.values() for v in vs if b'"heartbeat"' not in v]
    assert len(data) == len(set(data)), "something was sent twice"
    assert before < len(data)


@pytest.mark.parametrize(
    "other", [{"scenario": "miles-to-km"}, {"source": source(day=1)}], ids=["scenario", "source"]
)
def test_a_run_is_not_resumed_with_something_else(
    kafka_config: Kafka, prefix: str, other: dict[str, object]
) -> None:
    stopped_after(10, settings(kafka_config, prefix, speed=PACED))
    with pytest.raises(RunConflict, match="this run was begun with"):
        run(settings(kafka_config, prefix, **other), threading.Event())


def test_another_partition_count_than_the_topics_have_is_refused(kafka_config: Kafka, prefix: str) -> None:
    run(settings(kafka_config, prefix), threading.Event())
    with pytest.raises(UsageError, match=r"trips has 2 partitions, not 3: give --partitions 2"):
        run(settings(kafka_config, prefix, run_id="run-2", partitions=3), threading.Event())
    assert run(settings(kafka_config, prefix, run_id="run-2", partitions=None), threading.Event()).finished


def test_signs_of_life_go_to_every_partition_and_move_nothing(kafka_config: Kafka, prefix: str) -> None:
    stop = threading.Event()
    wanted = settings(kafka_config, prefix, speed=0.001, beat_s=0.05)
    thread = threading.Thread(target=run, args=(wanted, stop))
    thread.start()
    try:
        eventually(lambda: all(len(m) >= 4 for m in stored(kafka_config, prefix).values()))
    finally:
        stop.set()
        thread.join(30)
    for messages in stored(kafka_config, prefix).values():
        start, *beats = [json.loads(m.value()) for m in messages]
        assert start["manifest"]["source"] == wanted.source.name
        assert all(beat == {"kind": "heartbeat", "run_id": "run-1", "seq": -1, "at": START} for beat in beats)


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not _held(holds):
        assert time.monotonic() < deadline, "did not come about"


def _held(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except Exception:  # the topics are not there yet
        return False


def test_a_kafka_that_is_not_there_is_waited_for_and_then_named() -> None:
    nowhere = settings({"bootstrap.servers": "127.0.0.1:1"}, "x", patience_s=0.0)
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1 did not answer: run `driftline stack up`"):
        run(nowhere, threading.Event())


def test_while_it_waits_it_can_be_stopped() -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    assert not run(settings({"bootstrap.servers": "127.0.0.1:1"}, "x", patience_s=600.0), stop).finished


def test_wrong_credentials_are_an_error_at_once(kafka_config: Kafka, prefix: str) -> None:
    wrong = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    login = {"sasl.username": "me", "sasl.password": "wrong"}
    with pytest.raises(BrokerUnreachable, match="refused"):
        run(settings({**kafka_config, **wrong, **login}, prefix, patience_s=600.0), threading.Event())


def test_a_setting_that_kafka_does_not_know_is_a_wrong_use() -> None:
    with pytest.raises(UsageError, match=r"no\.such"):
        run(settings({"bootstrap.servers": "127.0.0.1:1", "no.such": "1"}, "x"), threading.Event())


def test_a_record_that_no_topic_takes_stops_the_run_before_what_follows_it(
    kafka_config: Kafka, prefix: str
) -> None:
    with Log(kafka_config, threading.Event()) as log:
        log.ensure_topics([prefix + "trips"], 1, patience_s=60)
        with pytest.raises(LogUnwritable, match="1000000 bytes"):
            log.send(prefix + "trips", 0, [b"a", b"b", b"c"], [b"x", bytes(1_000_000), b"z"])
        log.send(prefix + "trips", 0, [b"a"], [bytes(990_000)])
        log.flush()
    end = Consumer({**kafka_config, "group.id": "test"}).get_watermark_offsets(
        TopicPartition(prefix + "trips", 0), 60
    )
    assert end == (0, 1)


def test_a_topic_that_is_deleted_in_the_middle_ends_the_run_with_a_reason(kafka_config: Kafka, prefix: str) -> None:
    deleted, admin, name = threading.Event(), AdminClient(dict(kafka_config)), prefix + "trips"

    def watch(progress: Progress) -> None:
        if progress.events >= 200 and not deleted.is_set():
            deleted.set()
            admin.delete_topics([name])[name].result(60)

    with pytest.raises(LogUnwritable, match=r"trips/[01] did not take a record"):
        run(settings(kafka_config, prefix, speed=PACED), threading.Event(), watch)
