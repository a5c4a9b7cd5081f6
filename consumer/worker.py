"""The consumer's loop: read records, hold them until a flush is due, commit them. What it holds may be lost."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import structlog
from confluent_kafka import Message

from consumer.assignment import Assignment, OwnedPartition
from consumer.decode import Decoder
from consumer.flush import Pending, decode_batch
from consumer.flush_log import FlushLog
from consumer.gauges import ConsumerGauges
from consumer.ledger import Claim, Flush, Partition
from consumer.liveness import Liveness
from consumer.runs import Runs
from consumer.scoring import Score, Unscorable, predict_each
from consumer.settings import Settings
from consumer.source import KafkaSource
from consumer.store import RunBinding, Store
from runtime.failpoint import failpoint
from schemas.advice import SHARED_PREFIX
from schemas.definition import Records

log = structlog.get_logger()

_READ_S = 0.1

_MOST_RUNS = 500
"""Runs after which a partition is flushed: each costs statements of its own, and signs of life wait for a flush."""


class Predictor(Protocol):
    """What makes predictions."""

    @property
    def hash(self) -> str: ...
    @property
    def predict(self) -> Score: ...


class Worker:
    """Consumes within one group membership and one database connection, and ends with the first error.

    Attributes:
        done: Whether the run that this consumer is to end with is finished.
    """

    def __init__(
        self,
        settings: Settings,
        source: KafkaSource,
        store: Store,
        model: Predictor | None,
        now: float,
        *,
        gauges: ConsumerGauges | None = None,
    ) -> None:
        """Make one that owns nothing yet. now: monotonic seconds, here and in `step`."""
        stream = settings.stream
        model = model if stream.needs_model else None
        self._settings = settings
        self._source = source
        self._store = store
        self._score = model.predict if model else None
        self._records: Mapping[str, Records] = {records.topic: records for records in stream.topics}
        self._decoders = {records.topic: Decoder(records, stream.default_run) for records in stream.topics}
        ours = RunBinding.from_stream(stream, settings.terms, model.hash if model else None)
        self._runs = Runs(store, stream, ours, settings.until_done, settings.run_config)
        self._assignment = Assignment(source, store, self._records)
        gauges, interval_s = gauges or ConsumerGauges(), settings.beat_ms / 1_000
        self._liveness = Liveness(source, store, self._assignment, gauges, now=now, interval_s=interval_s)
        self._flush_log = FlushLog()
        self._next_report = now + settings.report_ms / 1_000
        self._checked_awaited = self.done = False

    def step(self, now: float) -> None:
        """Do one round: read for up to a tenth of a second, flush what is due, report liveness when due.

        Raises:
            Fenced: Another consumer owns a partition by now.
            LogUnreadable: The log does not hold what is to be read next.
            RunConflict: The run that is waited for belongs to another model or stream.
            BrokerUnreachable: Kafka refuses this client.
            storage.errors.Error, KafkaException: The server went away.
        """
        read = self._source.read(self._settings.read_rows, _READ_S)
        if not self._assignment.is_current:
            self._assignment.take_over()  # which drops what was read along with a rebalance
            return
        for partition, messages in read:
            self._liveness.received()
            self._add_messages(partition, messages, now)
        for partition, offset in list(self._source.reached.items()):
            self._skip_to(partition, offset, now)
        for owned in self._assignment:
            if self._is_due(owned, now) and not self._flush(owned):
                break
        if self._liveness.is_due(now):
            self._beat(now)

    def drain(self) -> None:
        """Flush what was read. Raises as `step`."""
        if self._assignment.is_current:
            for owned in self._assignment:
                if not self._flush(owned):
                    return

    def _add_messages(self, partition: Partition, messages: Sequence[Message], now: float) -> None:
        """Add consecutive messages of a partition to what is pending, without those that are there already."""
        owned = self._assignment.get(partition)
        if owned is None:
            return
        if messages[0].offset() < owned.pending.expected:
            messages = [m for m in messages if m.offset() >= owned.pending.expected]
        if not messages or not self._assignment.confirm(owned, messages[0].offset()):
            return
        owned.start_waiting(now)
        records = self._records[partition.topic]
        batch = decode_batch(self._decoders[partition.topic], messages)
        self._runs.register(batch.runs)
        if earlier := self._runs.earlier_records(batch.named_runs, records):
            batch = decode_batch(self._decoders[partition.topic], messages, earlier)
        policies, foreign = self._runs.policies(batch.runs, records), self._runs.foreign(batch.runs, records)
        owned.pending.add(batch, policies, foreign)

    def _skip_to(self, partition: Partition, end: int, now: float) -> None:
        """Move the position over offsets that hold no record, to the end of the log.

        Those are markers of transactions, aborted records, and what compaction took. Left there, the position would
        never show that everything was read.
        """
        owned = self._assignment.get(partition)
        if owned is None or end < owned.pending.expected or not self._assignment.confirm(owned, end):
            return
        if end > owned.pending.expected:
            owned.start_waiting(now)
            owned.pending.expected = end

    def _is_due(self, owned: OwnedPartition, now: float) -> bool:
        pending = owned.pending
        return owned.has_progress and (
            now - owned.since >= self._settings.flush_ms / 1_000
            or pending.records >= self._settings.flush_rows
            or pending.size >= self._settings.flush_bytes
            or pending.runs >= _MOST_RUNS
            or pending.ends_a_run
        )

    def _flush(self, owned: OwnedPartition) -> bool:
        """Score what is pending and commit it, if there is anything.

        Returns:
            False where Kafka did not say which topic the records are of: try again later.
        """
        if not owned.has_progress:
            return True
        failpoint("consumer.before_flush")
        began = time.perf_counter()
        ids = self._assignment.request_ids(owned.claim)  # answered while we score
        try:
            flush = owned.pending.seal(self._score)
        except Unscorable as error:
            self._read_again(owned, error)
            return True
        if not self._assignment.is_same_topic(flush.claim, ids):
            return False
        self._store.commit(flush, [*self._records])
        failpoint("consumer.after_commit")
        claim = flush.committed()
        owned.pending = self._pending(claim, isolate=any(not each.foreign for each in flush.unscored))
        self._source.acknowledge({claim.partition: claim.next_offset})
        self._report(flush, time.perf_counter() - began)
        return True

    def _read_again(self, owned: OwnedPartition, error: Unscorable) -> None:
        """Go back to the last flush, and score each batch as it comes, so that bad records can be told apart."""
        log.warning(
            "model_fails_on_batch", place=str(owned.claim.partition), error=str(error), next="read it again"
        )
        self._assignment.rewind(owned, self._pending(owned.claim, isolate=True))

    def _pending(self, claim: Claim, *, isolate: bool) -> Pending:
        """Make an empty Pending. isolate: whether each batch is scored as it comes, to find what fails."""
        records = self._records[claim.partition.topic]
        return Pending(records, claim, partial(predict_each, records, score=self._score) if isolate else None)

    def _report(self, flush: Flush, seconds: float) -> None:
        """Count and log a flush that was committed."""
        records = self._records[flush.claim.partition.topic]
        begun = [run.run_id for run in flush.runs if run.state.max_time is not None]
        policies = self._runs.policies(begun, records)
        self._liveness.committed(flush, policies, records, seconds=seconds)
        self._flush_log.write(flush)

    def _beat(self, now: float) -> None:
        """Report liveness, check whether the awaited run is finished, and log progress when that is due."""
        measures = self._liveness.beat(now)
        if run_id := self._settings.until_done:
            self.done = self._store.is_finished(run_id)
            self._check_awaited(run_id)
        if now >= self._next_report:
            self._next_report = now + self._settings.report_ms / 1_000
            log.info("consuming", **{name: value for name, value in measures.items() if value is not None})
            gc.collect()  # it is off, see `consumer.stage`

    def _check_awaited(self, run_id: str) -> None:
        """Log once that nobody has met the awaited run yet: it may have another name."""
        if self._checked_awaited:
            return
        self._checked_awaited = True
        if not self._store.knows(run_id):
            do = f"start `driftline produce`, or look at `driftline runs`; {SHARED_PREFIX}"
            log.info("waiting_for_run", run=run_id, do=do)
