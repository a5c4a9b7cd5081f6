"""The log that all are measured on: synthetic trips as our producer writes them, in event-time order per partition.

    python -m benchmarks.log --trips 1000000 --topic bench-1000000-trips

31 trips per 5-minute window and partition, whatever their number: a tenth of the trips spans a tenth of the
time, so that window systems pay alike per record. The Kafka key is the partition's name, since Quix Streams and
Bytewax keep windows per key: with trip ids as keys each trip would be a window of its own. One heartbeat at the
start and one at the end of each partition, as our consumer needs; the peers skip them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.connections import kafka_config
from schemas.records import Heartbeat, Manifest, encode, encode_heartbeat
from schemas.topics import PARTITIONS

RUN = "bench"
START = 1_640_995_200_000  # 2022-01-01
GAP = 300_000 / (31 * PARTITIONS)
"""Milliseconds between trips, for 31 in five minutes and partition."""
_BATCH = 50_000


def key_of(partition: int) -> bytes:
    return f"p{partition}".encode()


def trips(count: int) -> Iterator[tuple[int, bytes]]:
    """(partition, value) of each trip: every field of a green trip, about 440 bytes; partitions in turn."""
    random = np.random.default_rng(20220101)
    for start in range(0, count, _BATCH):
        n = np.arange(start, min(start + _BATCH, count))
        columns = _columns(n, random)
        names = tuple(columns)
        for row in zip(*columns.values(), strict=True):
            number = row[0]
            identity = {
                "kind": "trip",
                "run_id": RUN,
                "seq": number // PARTITIONS,
                "trip_id": f"bench-{number:09d}",
            }
            yield number % PARTITIONS, encode(identity | dict(zip(names[1:], row[1:], strict=True)))


def _columns(n: np.ndarray, random: np.random.Generator) -> dict[str, list[object]]:
    size = len(n)
    distance = np.round(random.lognormal(0.7, 0.8, size), 2)
    fare = np.round(3 + 2.8 * distance + random.normal(0, 1, size), 2)
    tip = np.round(fare * random.choice([0.0, 0.0, 0.2], size), 2)
    zones = np.minimum(random.zipf(1.4, (2, size)), 265)
    columns = {
        "number": n,
        "pickup_at": (START + n * GAP).astype(np.int64),
        "VendorID": random.choice([1, 2], size, p=[0.15, 0.85]),
        "store_and_fwd_flag": random.choice(["N", "Y"], size, p=[0.99, 0.01]),
        "RatecodeID": random.choice([1, 5], size, p=[0.95, 0.05]),
        "PULocationID": zones[0],
        "DOLocationID": zones[1],
        "passenger_count": random.choice([1, 2, 5], size, p=[0.85, 0.1, 0.05]),
        "trip_distance": distance,
        "fare_amount": fare,
        "extra": random.choice([0.0, 0.5, 1.0], size),
        "mta_tax": np.full(size, 0.5),
        "tip_amount": tip,
        "tolls_amount": np.zeros(size),
        "improvement_surcharge": np.full(size, 0.3),
        "total_amount": np.round(fare + tip + 0.8, 2),
        "payment_type": random.choice([1, 2], size),
        "trip_type": random.choice([1, 2], size, p=[0.97, 0.03]),
        "congestion_surcharge": random.choice([0.0, 2.75], size, p=[0.7, 0.3]),
    }
    return {name: column.tolist() for name, column in columns.items()}


def fill(config: dict[str, str], topic: str, count: int) -> None:
    """Make the topic and write the trips into it. One that is there and whole is left alone: it is the same log."""
    admin = AdminClient(config)
    if (there := _records(config, topic)) == count + 2 * PARTITIONS:
        return
    if there is not None:
        admin.delete_topics([topic])[topic].result()
        while _records(config, topic) is not None:
            time.sleep(0.1)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()
    producer = Producer(config | {"enable.idempotence": "true", "compression.type": "lz4", "linger.ms": "20"})
    end = round(START + count * GAP)
    _beat(producer, topic, Heartbeat(run_id=RUN, seq=-1, at=START, manifest=_manifest(count, end)))
    for partition, value in trips(count):
        while True:
            try:
                producer.produce(topic, value, key_of(partition), partition)
                break
            except BufferError:
                producer.poll(0.1)
    _beat(producer, topic, Heartbeat(run_id=RUN, seq=(count - 1) // PARTITIONS, at=end, final=True))
    producer.flush()


def make_results_topic(config: dict[str, str], topic: str) -> None:
    """Where the peers put their means: Bytewax does not make its topics, and brokers need not."""
    admin, results = AdminClient(config), f"{topic}-means"
    if results not in admin.list_topics(timeout=10).topics:
        admin.create_topics([NewTopic(results, PARTITIONS, 1)])[results].result()


def _records(config: dict[str, str], topic: str) -> int | None:
    """How many there are, None without the topic."""
    consumer = Consumer(config | {"group.id": "none"})
    try:
        if topic not in consumer.list_topics(timeout=10).topics:
            return None
        bounds = [consumer.get_watermark_offsets(TopicPartition(topic, p), 10) for p in range(PARTITIONS)]
        return sum(int(high) - int(low) for low, high in bounds)
    finally:
        consumer.close()


def _beat(producer: Producer, topic: str, beat: Heartbeat) -> None:
    for partition in range(PARTITIONS):
        producer.produce(topic, encode_heartbeat(beat), key_of(partition), partition)


def _manifest(count: int, end: int) -> Manifest:
    return Manifest(source="benchmark", period=(START, end), events=count, partitions=PARTITIONS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trips", type=int, default=1_000_000)
    parser.add_argument("--topic", required=True)
    options = parser.parse_args()
    fill(kafka_config(os.environ), options.topic, options.trips)
