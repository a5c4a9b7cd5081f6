"""The ceiling: how fast librdkafka hands records to Python, none of them decoded."""

from __future__ import annotations

import argparse

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from benchmarks.meter import Meter


def consume(bootstrap: str, topic: str, records: int, partitions: int) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "raw",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 10,  # the default of 1000 stalls this loop: it looks 2 to 4 times slower
        }
    )
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    meter, seen = Meter(), 0
    while seen < records:
        batch = consumer.consume(1000, 0.1)
        if batch and not seen:
            meter.start()
        seen += len(batch)
    meter.stop()
    meter.report(seen, records)
    consumer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("records", type=int)
    parser.add_argument("--partitions", type=int, default=4)
    options = parser.parse_args()
    consume(options.bootstrap, options.topic, options.records, options.partitions)
