"""Liveness: signs of life in `partition_progress` and `health`, metrics, and /healthz.

Other processes rely on these: the monitor leaves an idle partition out of the watermark only while its owner is
alive and reports that everything in it is committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException

from consumer.assignment import Assignment
from consumer.gauges import ConsumerGauges
from consumer.ledger import Flush
from consumer.meter import ConsumerMeter
from consumer.source import KafkaSource
from consumer.store import Beat, Store
from consumer.windows import LatenessPolicy
from schemas.definition import Records

log = structlog.get_logger()

ASSIGNMENT_S = 30.0
"""A rebalance that takes longer is stuck: the group's coordinator does not answer."""

MODEL_FAILURES = 100
"""Records in a row that the model cannot score: from then on the consumer is unhealthy."""


class Liveness:
    """Reports at an interval that this consumer lives, and does its work. All times are monotonic seconds."""

    def __init__(
        self,
        source: KafkaSource,
        store: Store,
        assignment: Assignment,
        gauges: ConsumerGauges,
        *,
        now: float,
        interval_s: float,
    ) -> None:
        self._source = source
        self._store = store
        self._assignment = assignment
        self._gauges = gauges
        self._meter = ConsumerMeter(now)
        self._interval_s = interval_s
        self._next_beat = now
        self._kafka_answered = True  # since the last beat
        self._model_failures = 0
        self._unassigned_since: float | None = None
        self._reported_unassigned = False

    def received(self) -> None:
        """Note that Kafka handed out records."""
        self._kafka_answered = True

    def committed(
        self, flush: Flush, policies: Mapping[str, LatenessPolicy], records: Records, *, seconds: float
    ) -> None:
        """Count a flush that was committed.

        Args:
            flush: What was committed.
            policies: Of the runs in it that have begun.
            records: The topic that it is of.
            seconds: Scoring and committing took so long.
        """
        self._gauges.flushed(flush, seconds)
        self._meter.count(flush, policies, records.role)
        if records.needs_model and flush.chunks:
            self._model_failures = 0
        else:
            self._model_failures += sum(each.count for each in flush.unscored if not each.foreign)
        if flush.finished:
            self._next_beat = 0.0  # whoever waits for the end of a run learns of it at once

    def is_due(self, now: float) -> bool:
        """Whether it is time for `beat`."""
        return now >= self._next_beat

    def beat(self, now: float) -> dict[str, Any]:
        """Write the beats and the row in `health`, and update metrics and /healthz.

        Returns:
            What the row in `health` says, as `ConsumerMeter.measures`, with the run.

        Raises:
            Fenced: Another consumer owns a partition by now.
            LogUnreadable: A topic was recreated.
        """
        self._next_beat = now + self._interval_s
        missing = self._assignment.missing_topics()
        beats = self._beats()
        self._store.beat(beats)
        claims = [owned.claim for owned in self._assignment]
        trouble = self._trouble(missing, self._lacks_assignment(now))
        measures = self._meter.measures(now, claims, [beat.log_end for beat in beats]) | trouble
        self._store.report(self._meter.run_id, measures)
        self._gauges.measured(
            measures,
            {b.partition: b.log_end - c.next_offset for b, c in zip(beats, claims, strict=True)},
            {owned.claim.partition: owned.pending.records for owned in self._assignment},
        )
        if trouble:
            self._gauges.health.trouble(trouble["trouble"])
        else:
            self._gauges.health.well()
        return {"run": self._meter.run_id} | measures

    def _lacks_assignment(self, now: float) -> bool:
        """Whether a rebalance has taken too long; logged once each time."""
        if not self._source.awaits_assignment:
            self._unassigned_since, self._reported_unassigned = None, False
            return False
        since = self._unassigned_since = now if self._unassigned_since is None else self._unassigned_since
        lacks = now - since >= ASSIGNMENT_S
        if lacks and not self._reported_unassigned:
            advice = "look for __consumer_offsets in the brokers' logs, and restart the group's coordinator"
            log.error("no_assignment", waited_s=round(now - since), do=advice)
            self._reported_unassigned = True
        return lacks

    def _trouble(self, missing: list[str], lacks_assignment: bool) -> dict[str, str]:
        """Return what keeps this consumer from its work, as a field of `health`; empty if nothing does."""
        answered, self._kafka_answered = self._kafka_answered, False
        if missing:
            return {"trouble": f"topic_deleted: {', '.join(missing)}"}
        if lacks_assignment:
            return {"trouble": "no_assignment: Kafka's group coordinator does not say which partitions are ours"}
        if self._model_failures >= MODEL_FAILURES:
            return {"trouble": f"model_fails: on each of the last {self._model_failures:,} records"}
        if answered or not self._assignment:
            return {}
        return {"trouble": "kafka_silent: Kafka delivers no records, and does not confirm that there are none"}

    def _beats(self) -> list[Beat]:
        """Return one for each owned partition. Caught up: read and committed to the end of its log.

        Only an answer of the broker counts as the end: the one that the client has cached may be old.
        """
        claims = {owned.claim.partition: owned.claim for owned in self._assignment}
        known = {
            owned.claim.partition: max(self._source.log_end(owned.claim.partition), owned.pending.expected)
            for owned in self._assignment
        }
        try:
            at_end = [p for p, end in self._source.reached.items() if p in claims and end == claims[p].next_offset]
            confirmed = self._source.ends(at_end, 1.0)
        except KafkaException as error:
            self._source.complain(error.args[0])
            confirmed = {}
        self._kafka_answered = self._kafka_answered or bool(confirmed)
        ends = known | confirmed
        return [Beat(p, c.epoch, ends[p], confirmed.get(p) == c.next_offset) for p, c in claims.items()]
