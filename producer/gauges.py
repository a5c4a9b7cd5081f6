"""Prometheus metrics of a producer, updated a few times per second."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import isfinite

from runtime.health import Health
from runtime.metrics import Instruments

LIMIT_S = 15.0
"""A producer of which Kafka has taken nothing for so long is not well. It beats each second."""


class Gauges:
    """due: the moment at which the next record is to be sent, monotonic seconds; infinite where none is."""

    def __init__(self) -> None:
        self.health = Health("producer", LIMIT_S)
        made = self.instruments = Instruments(self.health)
        self._records = made.counter("records_sent", "Data records queued for Kafka, since the start.", "topic")
        self._clock = made.gauge("replay_clock_timestamp_seconds", "Event time that the replay has reached.")
        self._errors = made.counter("delivery_errors", "Records that Kafka has refused for good.")
        self._queued = made.gauge("records_queued", "Records and requests that Kafka has not acknowledged.")
        made.gauge("pace_lag_seconds", "How long the next record has been due.").set_function(self._behind)
        self._sent: dict[str, int] = {}
        self.due = float("inf")

    def stands(self, counts: Mapping[str, int]) -> None:
        """How many records of each topic are in the log before this producer sends any."""
        self._sent = dict(counts)

    def progressed(self, counts: Mapping[str, int], clock: int) -> None:
        """counts: records of the run by topic. clock: event time, ms."""
        for topic, count in counts.items():
            self._records.labels(topic).inc(count - self._sent.get(topic, 0))
        self._sent = dict(counts)
        self._clock.set(clock / 1_000)

    def queue(self, records: int) -> None:
        self._queued.set(records)

    def refused(self) -> None:
        self._errors.inc()

    def _behind(self) -> float:
        """At full speed every record is due from the start on: nobody is late."""
        return max(0.0, time.monotonic() - self.due) if isfinite(self.due) else 0.0
