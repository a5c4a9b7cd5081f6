"""Quix Streams: the mean trip distance in tumbling windows of five minutes of event time, to a topic.

Its defaults: RocksDB state with a changelog topic; at-least-once, unless told otherwise. No validation, no model.
The last window of each partition stays open, since nothing follows it. The clock runs from the first record to the
end of the process, when all is committed, as ours does.
"""

from __future__ import annotations

import argparse
import tempfile
import uuid
from collections.abc import Callable
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.dataframe.windows import Count, Mean  # type: ignore[import-not-found]

from benchmarks.meter import Meter

WINDOW_MS = 300_000


class Run:
    """Starts the clock with the first record, and stops Quix with the last."""

    def __init__(self, trips: int) -> None:
        self.meter, self.trips, self.seen, self.counted = Meter(), trips, 0, 0
        self.stop: Callable[[], None] = lambda: None

    def event_time(self, value: dict[str, Any], *_: Any) -> int:
        """Quix asks for every record's time: here we see the first and the last."""
        if self.seen == 0:
            self.meter.start()
        if value["kind"] != "trip":
            return int(value["at"])
        self.seen += 1
        if self.seen == self.trips:
            self.stop()
        return int(value["pickup_at"])

    def window(self, value: dict[str, Any]) -> None:
        self.counted += value["count"]


def tumbling_mean(bootstrap: str, topic: str, trips: int, guarantee: str) -> None:
    run = Run(trips)
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            broker_address=bootstrap,
            consumer_group=f"quix-{uuid.uuid4().hex}",
            auto_offset_reset="earliest",
            state_dir=state,
            processing_guarantee=guarantee,
            loglevel="ERROR",
        )
        source = app.topic(topic, value_deserializer="json", timestamp_extractor=run.event_time)
        trips_only = app.dataframe(source).filter(lambda value: value["kind"] == "trip")
        windows = trips_only.tumbling_window(WINDOW_MS).agg(mean=Mean("trip_distance"), count=Count())
        windows.final().update(run.window).to_topic(app.topic(f"{topic}-means", value_serializer="json"))
        run.stop = app.stop
        app.run()
    run.meter.stop()
    run.meter.report(run.counted, trips)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("trips", type=int)
    parser.add_argument("--guarantee", choices=("at-least-once", "exactly-once"), default="at-least-once")
    options = parser.parse_args()
    tumbling_mean(options.bootstrap, options.topic, options.trips, options.guarantee)
