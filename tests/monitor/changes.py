"""Changes of alarms, made up, and what topic `alarms` holds of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from monitor.gauges import MonitorGauges
from monitor.publishing import Publisher
from schemas.alarms import AlarmChange, AlarmMember, AlarmRecord
from schemas.topics import ALARMS
from tests.monitor.feed import T0, settings


def change(alarm: str, number: int, **changes: Any) -> AlarmChange:
    """The change of an alarm with this number; it fires unless `changes` say otherwise."""
    member = AlarmMember(
        role="events",
        name="trip_distance",
        kind="column",
        column="trip_distance",
        size_s=3_600,
        value=1.5,
        since=T0,
        consequence=False,
    )
    made: dict[str, Any] = {
        "run_id": "r",
        "stream": "taxi",
        "track": "change",
        "state": "firing",
        "kind": "drift",
        "harm": "both",
        "message": "trip_distance changed – 1.5 × the line",
        "role": "events",
        "size_s": 3_600,
        "window_start": T0,
        "first_evidence": T0,
        "pending_at": T0,
        "fired_at": T0,
        "recovered_at": None,
        "value": 1.1 + number / 3,
        "promise": None,
        "calibration_id": "c",
        "members": (member,),
    }
    return AlarmChange(alarm_id=alarm, number=number, **made | changes)


def write(url: str, changes: Sequence[AlarmChange]) -> None:
    """As a fold writes them."""
    with psycopg.connect(url, autocommit=True) as connection:
        for one in changes:
            fields = {name: getattr(one, name) for name in AlarmRecord.__struct_fields__}
            record = msgspec.json.encode(AlarmRecord(**fields)).decode()
            connection.execute(
                "INSERT INTO driftline.alarm_change (alarm_id, run_id, number, state, alarm)"
                " VALUES (%s, %s, %s, %s, %s)",
                (one.alarm_id, one.run_id, one.number, one.state, record),
            )


def publish(url: str, kafka: dict[str, str], prefix: str, seconds: float = 60.0) -> None:
    """Publish all there is, as a monitor does."""
    with Publisher(settings(url, kafka=kafka, topic_prefix=prefix), MonitorGauges()) as publisher:
        publisher.finish(threading.Event(), seconds)


def unpublished(url: str) -> int:
    with psycopg.connect(url) as connection:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM driftline.alarm_change WHERE published_at IS NULL"
        ).fetchall()
    return int(count)


def published(kafka: dict[str, str], prefix: str) -> list[AlarmChange]:
    """What the topic holds for those who read what was committed, in order; each under the id of its alarm."""
    ours = {"group.id": prefix + "reader", "enable.partition.eof": True, "isolation.level": "read_committed"}
    consumer = Consumer({**kafka, **ours, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(prefix + ALARMS, 0, OFFSET_BEGINNING)])
        found = []
        while True:
            message = consumer.poll(30)
            assert message is not None
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                return found
            found.append(msgspec.json.decode(message.value(), type=AlarmChange))
            assert message.key().decode() == found[-1].alarm_id
    finally:
        consumer.close()
