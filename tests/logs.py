"""A small log with all weathers in it, written to real topics: trips and outcomes of a few days, and accidents.

Written record by record without the product's producer, so that the tests decide what stands where.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from tests.oracle import Entry
from tests.partitioning import partition_of

START = 1_643_673_600_000  # 2022-02-01
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PANE = 5 * MINUTE
PARTITIONS = 4
TOPICS = ("trips", "outcomes")
RUN = "proof"

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Sent:
    """What stands at one place of the log, before it has an offset."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)


@dataclass
class Writer:
    """Writes records of one run in order, and numbers them per topic and partition."""

    run: str = RUN
    partitions: int = PARTITIONS
    sent: list[Sent] = field(default_factory=list)
    seq: Counter[tuple[str, int]] = field(default_factory=Counter)

    def data(self, topic: str, record: Mapping[str, Any], *, partition: int | None = None, **changes: Any) -> bytes:
        key = str(record["trip_id"]).encode()
        partition = partition_of(key, self.partitions) if partition is None else partition
        kind = {"trips": "trip", "outcomes": "outcome"}[topic]
        head = {"kind": kind, "run_id": self.run, "seq": self.seq[topic, partition]}
        self.seq[topic, partition] += 1
        value = json.dumps(head | dict(record) | changes).encode()
        self.sent.append(Sent(topic, partition, key, value))
        return value

    def beat(self, at: int, topics: tuple[str, ...] = TOPICS, only: int | None = None, **more: Any) -> None:
        """A heartbeat to every partition of the topics, or to one."""
        for topic in topics:
            for partition in range(self.partitions) if only is None else [only]:
                seq = self.seq[topic, partition] - 1
                value = {"kind": "heartbeat", "run_id": self.run, "seq": seq, "at": at, **more}
                self.sent.append(Sent(topic, partition, None, json.dumps(value).encode()))

    def raw(self, topic: str, partition: int, value: bytes | None, headers: Headers | None = None) -> None:
        """Anything at all, as somebody else's producer might write it."""
        self.sent.append(Sent(topic, partition, b"raw", value, headers or []))


def trips(count: int, days: float, *, seed: int = 7, start: int = START) -> list[dict[str, Any]]:
    """Trips by pickup, with `dropoff_at`; some fields null, as a second population has them."""
    random = np.random.default_rng(seed)
    pickups = np.sort(random.integers(start, start + int(days * DAY), count))
    distance = np.round(random.lognormal(0.7, 0.8, count), 2)
    minutes = np.clip(2 + 4 * distance * random.lognormal(0, 0.3, count), 0.5, 90)
    fare = np.round(3 + 2.5 * distance, 2)
    tip = np.round(fare * random.choice([0, 0, 0.2], count), 2)
    zones = np.minimum(random.zipf(1.5, (2, count)), 265)
    unknown = random.random(count) < 0.05
    return [
        {
            "trip_id": f"t{seed}-{n:06d}",
            "pickup_at": int(pickups[n]),
            "dropoff_at": int(pickups[n] + minutes[n] * MINUTE),
            "VendorID": 1 + n % 2,
            "store_and_fwd_flag": None if unknown[n] else "N",
            "RatecodeID": None if unknown[n] else 1,
            "PULocationID": int(zones[0, n]),
            "DOLocationID": int(zones[1, n]),
            "passenger_count": None if unknown[n] else 1 + n % 5,
            "trip_distance": float(distance[n]),
            "fare_amount": float(fare[n]),
            "extra": 0.5,
            "mta_tax": 0.5,
            "tip_amount": float(tip[n]),
            "tolls_amount": 0.0,
            "improvement_surcharge": 0.3,
            "total_amount": float(np.round(fare[n] + tip[n] + 1.3, 2)),
            "payment_type": None if unknown[n] else 1 + n % 2,
            "trip_type": None if unknown[n] else 1,
            "congestion_surcharge": None if unknown[n] else 2.75 * (n % 3 == 0),
        }
        for n in range(count)
    ]


def trip_of(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "dropoff_at"}


def outcome_of(record: Mapping[str, Any]) -> dict[str, Any]:
    pickup, dropoff = record["pickup_at"], record["dropoff_at"]
    return {
        "trip_id": record["trip_id"],
        "pickup_at": pickup,
        "dropoff_at": dropoff,
        "duration_min": (dropoff - pickup) / MINUTE,
    }


def calm(writer: Writer, records: list[dict[str, Any]], *, mark_every: int = HOUR) -> None:
    """A whole run without accidents: start, trips and outcomes by their clocks, marks between them, final."""
    start = START // mark_every * mark_every
    manifest = {"source": "test", "period": [start, start + 7 * DAY], "partitions": writer.partitions}
    writer.beat(start, manifest=manifest)
    events = [(r["pickup_at"], "trips", trip_of(r)) for r in records]
    events += [(max(r["pickup_at"], r["dropoff_at"]), "outcomes", outcome_of(r)) for r in records]
    mark = start + mark_every
    for at, topic, record in sorted(events, key=lambda event: event[0]):
        while mark <= at:
            writer.beat(mark)
            mark += mark_every
        writer.data(topic, record)
    writer.beat(mark, final=True)


def stormy(writer: Writer, records: list[dict[str, Any]], *, accident_every: int = 40) -> None:
    """A calm run with an accident after every so many records, each kind in turn, in that record's partition."""
    calm(writer, records)
    finals = 2 * writer.partitions
    body, ending = writer.sent[:-finals], writer.sent[-finals:]
    writer.sent = []
    happen = accidents()
    for number, sent in enumerate(body):
        if number % 500 == 250:
            continue  # lost: a gap in the numbers
        writer.sent.append(sent)
        if number % accident_every == accident_every - 1 and sent.key is not None:
            writer.sent += next(happen)(sent)
    writer.sent += ending


def accidents() -> Iterator[Any]:
    """Each takes what was sent last and returns what follows it, without numbers of its own but a duplicate's."""

    def changed(sent: Sent, **changes: Any) -> Sent:
        record = json.loads(sent.value or b"") | {"run_id": None, "seq": None} | changes
        return Sent(sent.topic, sent.partition, sent.key, json.dumps(record).encode())

    def raw(value: bytes | None, headers: Headers | None = None) -> Any:
        return lambda sent: [Sent(sent.topic, sent.partition, sent.key, value, headers or [])]

    def moved(by: int) -> Any:
        def accident(sent: Sent) -> list[Sent]:
            record = json.loads(sent.value or b"")
            return [changed(sent, run_id=record["run_id"], pickup_at=record["pickup_at"] + by)]

        return accident

    def edge(by: int) -> Any:
        """A mark that moves M to `by` beyond a pane's end plus the allowed lateness, and a record of that pane."""

        def accident(sent: Sent) -> list[Sent]:
            record = json.loads(sent.value or b"")
            lateness = {"trips": 10 * MINUTE, "outcomes": 2 * HOUR}[sent.topic]
            clock = max(record["pickup_at"], record.get("dropoff_at", 0))
            end = -(-(clock - lateness) // PANE) * PANE + PANE
            mark = {
                "kind": "heartbeat",
                "run_id": record["run_id"],
                "seq": record["seq"],
                "at": end + lateness + by,
            }
            late = changed(sent, run_id=record["run_id"], trip_id=f"edge{by}-{clock}", pickup_at=end - 1)
            return [Sent(sent.topic, sent.partition, None, json.dumps(mark).encode()), late]

        return accident

    while True:
        yield edge(-1)  # in time
        yield edge(0)  # late
        yield edge(1)
        yield lambda sent: [sent]  # a duplicate
        yield lambda sent: [sent, sent, sent]
        yield moved(-9 * HOUR)  # late
        yield moved(26 * HOUR)  # future
        yield moved(70 * 365 * DAY)  # 2092
        yield moved(-20 * 365 * DAY)  # 2002
        yield lambda sent: [
            changed(sent, pickup_at=START + 70 * 365 * DAY)
        ]  # the first of `live`, by a wrong clock
        yield lambda sent: [changed(sent, pickup_at=float(START)), changed(sent, pickup_at=START + 1.0)]
        yield lambda sent: raw(b"\xef\xbb\xbf" + (changed(sent).value or b""))(sent)
        yield raw(None)
        yield raw(b"")
        yield raw(b"{")
        yield raw(b"\xff\xfe\x00")
        yield raw(b'{"kind": "trip", "trip_id": "\xff"}', [("\x00", b"\xff"), ("h" * 1000, None)])
        yield raw(b"[1, 2]", [("run_id", b"forged"), ("run_id", b"twice")])
        yield raw(b'{"kind": "trip", "run_id": "' + RUN.encode() + b'", "seq": "many"}')
        yield raw(b"[" * 100_000)
        yield raw(b'{"kind": "trip", "x": ' + b"[" * 100_000)
        yield raw(json.dumps({"kind": "trip", "padding": "x" * 900_000}).encode())
        yield lambda sent: [changed(sent, trip_id=None)]
        yield lambda sent: [changed(sent, trip_distance=float("nan"))]
        yield lambda sent: [changed(sent, PULocationID=999, duration_min="long")]
        yield lambda sent: [changed(sent, pickup_at=4_102_444_800_001)]
        yield lambda sent: [changed(sent)]  # of no run: `live`


def write(
    config: Mapping[str, str],
    prefix: str,
    sent: list[Sent],
    *,
    partitions: int = PARTITIONS,
    seconds: float = 0.0,
) -> None:
    """Make the topics where they are missing and write to them in order, all at once or over some seconds."""
    create(config, prefix, partitions)
    producer = Producer({**config, "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"})
    for s in sent:
        producer.produce(prefix + s.topic, s.value, s.key, s.partition, headers=s.headers)
        producer.poll(seconds / len(sent))
    assert producer.flush(60) == 0


def create(config: Mapping[str, str], prefix: str, partitions: int = PARTITIONS) -> None:
    admin = AdminClient(dict(config))
    for future in admin.create_topics([NewTopic(prefix + topic, partitions, 1) for topic in TOPICS]).values():
        try:
            future.result(60)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise


def delete(config: Mapping[str, str], prefix: str, topics: tuple[str, ...] = TOPICS) -> None:
    """Until they are gone, so that others may have their names."""
    admin = AdminClient(dict(config))
    names = {prefix + topic for topic in topics}
    for future in admin.delete_topics([*names]).values():
        future.result(60)
    while names & admin.list_topics(timeout=60).topics.keys():
        pass


def ends(config: Mapping[str, str], prefix: str) -> dict[tuple[str, int], int]:
    """(topic, partition) → the offset behind the last record."""
    consumer = Consumer({**config, "group.id": prefix + "reader"})
    try:
        return {(tp.topic.removeprefix(prefix), tp.partition): end for tp, end in _ends(consumer, prefix)}
    finally:
        consumer.close()


def _ends(consumer: Consumer, prefix: str, topics: tuple[str, ...] = TOPICS) -> list[tuple[TopicPartition, int]]:
    metadata = consumer.list_topics(timeout=60).topics
    places = [
        TopicPartition(prefix + t, p, OFFSET_BEGINNING) for t in topics for p in metadata[prefix + t].partitions
    ]
    return [(place, consumer.get_watermark_offsets(place, 60)[1]) for place in places]


def read_back(config: Mapping[str, str], prefix: str, topics: tuple[str, ...] = TOPICS) -> list[Entry]:
    """Everything the topics hold, with its offsets, in offset order within each partition."""
    own = {"group.id": prefix + "reader", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**config, **own})
    try:
        places = [place for place, _ in _ends(consumer, prefix, topics)]
        consumer.assign(places)
        log: list[Entry] = []
        left = {(place.topic, place.partition) for place in places}
        while left:
            for message in consumer.consume(1_000, 0.2):
                topic, partition, offset = str(message.topic()), int(message.partition()), int(message.offset())
                if (error := message.error()) is None:
                    kind, written_at = message.timestamp()
                    stamp = written_at if kind != TIMESTAMP_NOT_AVAILABLE and written_at > 0 else None
                    log.append(Entry(topic.removeprefix(prefix), partition, offset, message.value(), stamp))
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((topic, partition))
                else:
                    raise KafkaException(error)
        return log
    finally:
        consumer.close()
