"""Bytewax: the mean trip distance in tumbling windows of five minutes of event time, by key, to a topic.

No recovery store, no validation, no model.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op  # type: ignore[import-not-found]
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage  # type: ignore[import-not-found]
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
from bytewax.operators.windowing import EventClock, TumblingWindower, fold_window  # type: ignore[import-not-found]
from bytewax.run import cli_main  # type: ignore[import-not-found]

from benchmarks.meter import Meter

Trip = dict[str, Any]
Sum = tuple[int, float]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decoded(messages: Iterable[KafkaSourceMessage]) -> list[tuple[str, Trip]]:
    """Decoded a batch at a time: cheaper for Bytewax than a step per record."""
    records = [(message.key.decode(), orjson.loads(message.value)) for message in messages]
    return [(key, record) for key, record in records if record["kind"] == "trip"]


def event_time(trip: Trip) -> datetime:
    return EPOCH + timedelta(milliseconds=trip["pickup_at"])


def add(total: Sum, trip: Trip) -> Sum:
    return total[0] + 1, total[1] + trip["trip_distance"]


def merge(one: Sum, other: Sum) -> Sum:
    return one[0] + other[0], one[1] + other[1]


class Results:
    """Turns windows into messages, and adds up their rows."""

    rows = 0

    def message(self, window: tuple[str, tuple[int, Sum]]) -> KafkaSinkMessage:
        key, (number, (count, total)) = window
        self.rows += count
        return KafkaSinkMessage(key.encode(), orjson.dumps({"window": number, "mean": total / count}))


def tumbling_mean(bootstrap: str, topic: str, trips: int) -> None:
    meter, results = Meter(), Results()
    flow = Dataflow("mean")
    source = KafkaSource([bootstrap], [topic], tail=False, add_config={"fetch.queue.backoff.ms": "10"})
    messages = op.input("kafka", flow, source)
    keyed = op.flat_map_batch("decode", messages, decoded)
    clock = EventClock(event_time, wait_for_system_duration=timedelta(minutes=10))
    windower = TumblingWindower(length=timedelta(minutes=5), align_to=EPOCH)
    windows = fold_window("mean", keyed, clock, windower, lambda: (0, 0.0), add, merge, ordered=False)
    means = op.map("message", windows.down, results.message)
    op.output("out", means, KafkaSink([bootstrap], f"{topic}-means"))
    meter.start()
    cli_main(flow)
    meter.stop()
    meter.report(results.rows, trips)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("trips", type=int)
    options = parser.parse_args()
    tumbling_mean(options.bootstrap, options.topic, options.trips)
