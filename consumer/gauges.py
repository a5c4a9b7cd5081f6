"""Prometheus metrics of a consumer: updated once a flush and once a beat, never once a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import nan
from typing import Any

from consumer.ledger import Flush, Partition
from runtime.health import Health
from runtime.metrics import RECORDS, Instruments

LIMIT_S = 15.0
"""A consumer whose last beat is older is not well. It beats each second."""


class ConsumerGauges:
    """The metrics of this process. They outlive sessions: totals count from the start of the process."""

    def __init__(self) -> None:
        self.health = Health("consumer", LIMIT_S)
        made = self.instruments = Instruments(self.health)
        self._records = made.counter("records_read", "Records committed, whatever became of them.", "topic")
        self._rows = made.counter("rows_accepted", "Records that joined a pane.", "topic")
        self._dead = made.counter("dead_letters", "Records that went nowhere else.", "topic", "reason")
        self._duplicates = made.counter("duplicates", "Records that had been read before.", "topic")
        self._missing = made.counter("records_missing", "Sequence numbers that never came.", "topic")
        self._lag = made.gauge("lag_records", "Records in the log that are not committed.", "topic", "partition")
        self._pending = made.gauge("pending_records", "Records read that await their flush.", "topic", "partition")
        self._watermark = made.gauge(
            "watermark_timestamp_seconds", "Smallest M - L of the last run here, event time; NaN: unknown."
        )
        self._age = made.gauge("watermark_age_seconds", "Wall time since the watermark last moved.")
        self._seconds = made.histogram("flush_duration_seconds", "Scoring and committing a flush.", "topic")
        self._size = made.histogram("flush_rows", "Rows of a flush.", "topic", buckets=RECORDS)
        self._shown: set[Partition] = set()

    def flushed(self, flush: Flush, seconds: float) -> None:
        """Count a flush that was committed. seconds: how long scoring and committing it took."""
        topic, rows = flush.claim.partition.topic, sum(chunk.rows for chunk in flush.chunks)
        gained = flush.gained
        self._records.labels(topic).inc(gained.records)
        self._rows.labels(topic).inc(rows)
        self._duplicates.labels(topic).inc(gained.duplicates)
        self._missing.labels(topic).inc(gained.missing)
        for reason, count in Counter(dead_letter.reason for dead_letter in flush.dead).items():
            self._dead.labels(topic, reason).inc(count)
        self._seconds.labels(topic).observe(seconds)
        self._size.labels(topic).observe(rows)

    def measured(
        self, measures: Mapping[str, Any], lags: Mapping[Partition, int], pending: Mapping[Partition, int]
    ) -> None:
        """Show how the consumer is doing.

        Args:
            measures: As `ConsumerMeter.measures`.
            lags: Records in the log that are not committed, of each partition that is ours; no other is shown.
            pending: Records that await their flush, likewise.
        """
        watermark = measures["watermark_ms"]
        self._watermark.set(nan if watermark is None else watermark / 1_000)
        self._age.set(measures["watermark_age_s"])
        for partition, lag in lags.items():
            self._lag.labels(*partition).set(lag)
            self._pending.labels(*partition).set(pending[partition])
        for gone in self._shown - lags.keys():
            self._lag.remove(*gone)
            self._pending.remove(*gone)
        self._shown = set(lags)
