"""Prometheus metrics of a producer, updated a few times per second."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import isfinite

from runtime.health import Health
from runtime.metrics import Instruments

LIMIT_S = 15.0
"""A producer is unhealthy if Kafka has accepted nothing from it for so long. It sends a heartbeat every second."""


class Gauges:
    """The metrics. due: when the next record is to be sent, monotonic seconds; infinite if there is none."""

    def __init__(self) -> None:
        self.health = Health("producer", LIMIT_S)
        made = self.instruments = Instruments(self.health)
        self._records = made.counter("records_sent", "Data records queued for Kafka, since the start.", "topic")
        self._clock = made.gauge("replay_clock_timestamp_seconds", "Event time that the replay has reached.")
        self._errors = made.counter("delivery_errors", "Records that Kafka has refused for good.")
        self._queued = made.gauge("records_queued", "Records and requests that Kafka has not acknowledged.")
        made.gauge("pace_lag_seconds", "How long the next record has been due.").set_function(self._lag_s)
        self._sent: dict[str, int] = {}
        self.due = float("inf")

    def start_from(self, counts: Mapping[str, int]) -> None:
        """Set how many records each topic holds before this producer sends any."""
        self._sent = dict(counts)

    def update(self, counts: Mapping[str, int], clock: int) -> None:
        """Update the counters. counts: records of the run by topic. clock: event time, ms since the epoch."""
        for topic, count in counts.items():
            self._records.labels(topic).inc(count - self._sent.get(topic, 0))
        self._sent = dict(counts)
        self._clock.set(clock / 1_000)

    def set_queued(self, records: int) -> None:
        """Set how many records Kafka has not acknowledged."""
        self._queued.set(records)

    def count_delivery_error(self) -> None:
        """Count a record that Kafka has rejected for good."""
        self._errors.inc()

    def _lag_s(self) -> float:
        """Return 0 at full speed, where every record is due from the start."""
        return max(0.0, time.monotonic() - self.due) if isfinite(self.due) else 0.0
