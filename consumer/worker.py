"""One consumer at work: keeps what it reads, and flushes it. Holds nothing that matters: all of it may be lost."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
from confluent_kafka import KafkaException, Message

from consumer.decode import Decoder
from consumer.flush import Pending, take_apart
from consumer.gauges import Gauges
from consumer.health import Meter
from consumer.ledger import Claim, Flush, Partition
from consumer.scoring import Score, Unscorable, predict_each
from consumer.settings import Settings
from consumer.source import Source, deleted, recreated, unreadable
from consumer.store import Beat, Store, Terms
from consumer.windows import Rules
from runtime.failpoint import reach
from schemas.definition import Stream
from schemas.durations import misread_unit, moment
from schemas.errors import RunConflict
from schemas.records import LIVE

log = structlog.get_logger()


HOPELESS = 100
"""Records in a row on which the model fails: from there on the consumer is not well."""

_ANOTHER_RUN = "replay its records under another --run, or send them on under another run_id"
_ANEW = "stop the consumers, `driftline runs rm live` a minute later, start them: the next record begins it anew"
"""For records that name no run."""


_RUNS = 500
"""Runs after which a partition is flushed: each costs statements of its own, and signs of life wait for a flush."""


class Model(Protocol):
    """What scores trips."""

    @property
    def hash(self) -> str: ...
    @property
    def predict(self) -> Score: ...


@dataclass
class _Held:
    """A partition of ours. pending: what came since its last flush. since: monotonic seconds of the oldest of it.

    confirmed: whether the first record after the claim was the expected one.
    """

    pending: Pending
    since: float = 0.0
    confirmed: bool = False

    @property
    def moved(self) -> bool:
        """Whether there is anything to commit: records, or a place that was passed without any."""
        return self.pending.expected > self.pending.claim.next_offset

    def touched(self, now: float) -> None:
        """Something is about to be added."""
        if not self.moved:
            self.since = now


class Worker:
    """Of one membership in the group and one database connection; both end with the first error.

    done: whether the run that was to be waited for is finished.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        store: Store,
        model: Model | None,
        now: float,
        *,
        gauges: Gauges | None = None,
    ) -> None:
        self._settings = settings
        self._source = source
        self._store = store
        self._score = model.predict if model else None
        self._terms = Terms(
            settings.pane_ms,
            settings.lateness_ms,
            settings.outcome_lateness_ms,
            settings.max_ahead_ms,
            model.hash if model else None,
        )
        self._streams = {stream.topic: stream for stream in settings.streams}
        self._decoders = {stream.topic: Decoder(stream) for stream in settings.streams}
        self._held: dict[Partition, _Held] = {}
        self._generation = source.generation
        self._meter = Meter(now)
        self._gauges = gauges or Gauges()
        self._heard = True  # of Kafka, since the last beat
        self._failed = 0
        self._next_beat = now
        self._next_report = now + settings.report_ms / 1_000
        self._topics: set[str] = set()  # in which there are positions
        self._said_missing: list[str] = []
        self._told_waiting = self.done = False
        self._misread: set[str] = set()

    def step(self, now: float) -> None:
        """Read for up to a tenth of a second, flush what is due, give signs of life. now: monotonic seconds.

        Raises Fenced, LogUnreadable, RunConflict, BrokerUnreachable; psycopg.OperationalError and KafkaException
        where Postgres or Kafka went away.
        """
        read = self._source.read(self._settings.read_rows, 0.1)
        if self._source.generation != self._generation:
            self._take_over()  # what was read along with a rebalance is nobody's
            return
        for partition, messages in read:
            self._heard = True
            self._keep(partition, messages, now)
        for partition, offset in list(self._source.reached.items()):
            self._pass(partition, offset, now)
        for held in self._held.values():
            if self._is_due(held, now) and not self._flush(held):
                break
        if now >= self._next_beat:
            self._beat(now)

    def drain(self) -> None:
        """Flush what was read. Raises as `step`."""
        if self._source.generation == self._generation:
            for held in self._held.values():
                if not self._flush(held):
                    return

    def _take_over(self) -> None:
        """Drop what is not flushed, claim what is assigned, and start where each claim says."""
        generation, assigned = self._source.generation, self._source.assigned
        if not assigned:
            self._held, self._generation = {}, generation
            return
        self._topics = self._store.topics() & {*self._streams} | {partition.topic for partition in assigned}
        ids = self._source.ids(self._streams)()
        self._seed(ids)
        claims = [self._store.claim(partition, ids.get(partition.topic)) for partition in assigned]
        starts, ends = self._source.starts(assigned), self._source.ends(assigned)
        for claim in claims:
            _check_topic(claim, ids)
            first, end = starts[claim.partition], ends[claim.partition]
            if not first <= claim.next_offset <= end:
                raise unreadable(claim.partition, f"offset {claim.next_offset} of a log from {first} to {end}")
        self._held = {c.partition: _Held(Pending(self._streams[c.partition.topic], c)) for c in claims}
        self._generation = generation
        self._source.start_at({claim.partition: claim.next_offset for claim in claims})
        log.info("assigned", partitions=[str(partition) for partition in assigned])

    def _seed(self, ids: Mapping[str, str | None]) -> None:
        """Give every partition of the topics its row: one that nobody has read yet holds the watermark back.

        ids: of the topics, asked before the offsets that are written down with them.
        """
        new = self._store.unseeded(self._source.partitions())
        starts, ends = self._source.starts(new), self._source.ends(new)
        for partition in new:
            self._store.seed(partition, starts[partition], ends[partition], ids.get(partition.topic))

    def _keep(self, partition: Partition, messages: Sequence[Message], now: float) -> None:
        """Take in consecutive messages of a partition, if they are those that come next."""
        held = self._held.get(partition)
        if held is None:
            return
        if messages[0].offset() < held.pending.expected:
            messages = [m for m in messages if m.offset() >= held.pending.expected]
        if not messages or not self._is_confirmed(held, messages[0].offset()):
            return
        held.touched(now)
        batch = take_apart(self._decoders[partition.topic], messages)
        stream = self._streams[partition.topic]
        self._store.meet(batch.runs, self._terms)
        rules = {run_id: self._rules(run_id, stream) for run_id in batch.runs}
        held.pending.add(batch, rules, self._foreign(batch.runs, stream))

    def _pass(self, partition: Partition, end: int, now: float) -> None:
        """Move over what is no record, up to where reading came to the end of a log: markers of transactions, what
        they aborted, what compaction took. Otherwise nobody could tell that all is read.
        """
        held = self._held.get(partition)
        if held is None or end < held.pending.expected or not self._is_confirmed(held, end):
            return
        if end > held.pending.expected:
            held.touched(now)
            held.pending.expected = end

    def _is_confirmed(self, held: _Held, offset: int) -> bool:
        """Whether reading may go on at this offset: a jump is believed when it comes a second time.

        Behind a jump there may be nothing, in a compacted or transactional topic, or else records that the client
        had fetched for an earlier assignment.
        """
        confirmed, held.confirmed = held.confirmed, True
        if confirmed or offset == held.pending.expected:
            return True
        self._seek()
        return False

    def _seek(self) -> None:
        """Read every partition of ours from what it expects next."""
        self._source.start_at({partition: held.pending.expected for partition, held in self._held.items()})

    def _is_due(self, held: _Held, now: float) -> bool:
        pending = held.pending
        return held.moved and (
            now - held.since >= self._settings.flush_ms / 1_000
            or pending.records >= self._settings.flush_rows
            or pending.size >= self._settings.flush_bytes
            or pending.runs >= _RUNS
            or pending.ends_a_run
        )

    def _flush(self, held: _Held) -> bool:
        """Score what is pending and commit it. False where Kafka does not say that it is of the topic that the
        position is of: it is tried again then.
        """
        if not held.moved:
            return True
        reach("consumer.before_flush")
        began = time.perf_counter()
        topics = self._source.ids([held.pending.claim.partition.topic], 1.0)  # answered while we score
        try:
            work = held.pending.seal(self._score)
        except Unscorable as error:
            self._read_again(held, error)
            return True
        if not self._is_same_topic(work.claim, topics):
            return False
        self._store.commit(work, [*self._streams])
        reach("consumer.after_commit")
        partition, claim = work.claim.partition, work.committed()
        if any(not each.foreign for each in work.unscored):
            held.pending = self._isolating(claim)
        else:
            held.pending = Pending(self._streams[partition.topic], claim)
        self._source.acknowledge({partition: claim.next_offset})
        self._gauges.flushed(work, time.perf_counter() - began)
        self._tell(work)
        return True

    def _is_same_topic(self, claim: Claim, answer: Callable[[], Mapping[str, str | None]]) -> bool:
        """Whether what was read before the question may follow the claim; raises LogUnreadable where it must not.

        librdkafka goes on at its offset in a recreated topic, without an error. A topic that is gone has no
        successor yet, so that what was read is still of the one before.
        """
        try:
            _check_topic(claim, answer())
        except KafkaException as error:
            self._source.complain(error.args[0])
            return False
        return True

    def _read_again(self, held: _Held, error: Unscorable) -> None:
        """Go back to the last flush: this time batches are scored as they come, so that bad records can be kept."""
        claim = held.pending.claim
        log.warning("model_fails_on_batch", place=str(claim.partition), error=str(error), next="read it again")
        held.pending = self._isolating(claim)
        for each in self._held.values():
            each.confirmed = False
        self._seek()

    def _isolating(self, claim: Claim) -> Pending:
        stream = self._streams[claim.partition.topic]
        return Pending(stream, claim, partial(predict_each, stream, score=self._score))

    def _rules(self, run_id: str, stream: Stream) -> Rules:
        terms = self._store.terms(run_id, self._terms)
        lateness = terms.lateness_ms if stream.label is None else terms.outcome_lateness_ms
        return Rules(terms.pane_ms, lateness, terms.max_ahead_ms)

    def _foreign(self, runs: Iterable[str], stream: Stream) -> dict[str, str]:
        """Runs that another model scores than ours, each with the detail of its dead letters.

        Raises RunConflict where the operator waits for one of them.
        """
        if not stream.needs_model:
            return {}
        scored_by = {run_id: self._store.terms(run_id, self._terms).model for run_id in runs}
        foreign = {
            run_id: f"run {run_id} is scored by model {_short(model)}, not by {_short(self._terms.model)} as here"
            for run_id, model in scored_by.items()
            if model != self._terms.model
        }
        if (awaited := self._settings.until_done) in foreign:
            raise RunConflict(foreign[awaited], f"name its model with --model, or {another_run(awaited)}")
        return {run_id: f"{what}: {another_run(run_id)}" for run_id, what in foreign.items()}

    def _tell(self, work: Flush) -> None:
        stream = self._streams[work.claim.partition.topic]
        begun = [run.run_id for run in work.runs if run.state.max_time is not None]
        self._meter.count(work, {run_id: self._rules(run_id, stream) for run_id in begun})
        place = str(work.claim.partition)
        if work.losses:
            missing = sum(loss.last - loss.first + 1 for loss in work.losses)
            log.warning("gap", place=place, gaps=len(work.losses), missing=missing, first_seq=work.losses[0].first)
        if work.dead:
            reasons, first = _reasons(work), work.dead[0].detail
            log.warning("dead_letters", place=place, count=len(work.dead), reasons=reasons, first=first)
        for unscored in work.unscored:
            event = "run_of_another_model" if unscored.foreign else "model_fails"
            log.error(event, run=unscored.run_id, place=place, records=unscored.count, why=unscored.why)
        self._judge_model(work)
        self._check_unit(work)
        for run_id in work.finished:
            log.info("finished", run=run_id, place=place)
            self._next_beat = 0.0

    def _judge_model(self, work: Flush) -> None:
        """Count the records on which the model failed since it last scored one."""
        if self._streams[work.claim.partition.topic].needs_model and work.chunks:
            self._failed = 0
        else:
            self._failed += sum(each.count for each in work.unscored if not each.foreign)

    def _check_unit(self, work: Flush) -> None:
        """Say once of each run that its event times are in 1970: the windows are right, and not what was meant."""
        for run in work.runs:
            if run.state.max_time is None or run.run_id in self._misread:
                continue
            if advice := misread_unit(run.state.max_time):
                self._misread.add(run.run_id)
                at = moment(run.state.max_time).isoformat(timespec="seconds")
                log.warning("event_times_in_another_unit", run=run.run_id, newest=at, do=advice)

    def _beat(self, now: float) -> None:
        """Say that we live, how far the log goes, and where nothing is left to read; report."""
        self._next_beat = now + self._settings.beat_ms / 1_000
        missing = self._missing_topics()
        beats = self._signs_of_life()
        self._store.beat(beats)
        if run_id := self._settings.until_done:
            self.done = self._store.is_finished(run_id)
            self._say_waiting(run_id)
        claims = [held.pending.claim for held in self._held.values()]
        measures = self._meter.measures(now, claims, [beat.log_end for beat in beats])
        self._store.report(self._meter.run_id, measures)
        self._gauges.measured(
            measures,
            {b.partition: b.log_end - c.next_offset for b, c in zip(beats, claims, strict=True)},
            {partition: held.pending.records for partition, held in self._held.items()},
        )
        if missing:
            self._gauges.health.trouble(f"topic_deleted: {', '.join(missing)}")
        elif self._failed >= HOPELESS:
            self._gauges.health.trouble(f"model_fails: on the last {self._failed:,} records, on every one")
        elif self._heard or not claims:
            self._gauges.health.well()
        else:
            self._gauges.health.trouble("kafka_silent: nothing comes, and it does not say that there is no more")
        self._heard = False
        if now >= self._next_report:
            self._next_report = now + self._settings.report_ms / 1_000
            known = {"run": self._meter.run_id} | measures
            log.info("consuming", **{name: value for name, value in known.items() if value is not None})
            gc.collect()  # it is off, see `consumer.stage`

    def _missing_topics(self) -> list[str]:
        """Topics that were there and are not any more. Raises LogUnreadable where another one has their name."""
        try:
            ids = self._source.ids(self._topics, 1.0)()
        except KafkaException as error:
            self._source.complain(error.args[0])
            return []
        for held in self._held.values():
            _check_topic(held.pending.claim, ids)
        missing = sorted(self._topics - ids.keys())
        if missing and missing != self._said_missing:
            log.error("topic_deleted", **deleted(missing))
        self._said_missing = missing
        return missing

    def _say_waiting(self, run_id: str) -> None:
        """Say once that nobody has met the run yet that we are to end with: it may have another name."""
        if self._told_waiting:
            return
        self._told_waiting = True
        if not self._store.knows(run_id):
            log.info("waiting_for_run", run=run_id, do="start `driftline produce`, or look at `driftline runs`")

    def _signs_of_life(self) -> list[Beat]:
        """For each partition of ours; caught up are those that were read to their end and committed.

        By the broker's own word only: what the client knows of the end may be old.
        """
        known = {p: max(self._source.log_end(p), h.pending.expected) for p, h in self._held.items()}
        claims = {p: h.pending.claim for p, h in self._held.items()}
        try:
            at_end = [p for p, end in self._source.reached.items() if p in claims and end == claims[p].next_offset]
            asked = self._source.ends(at_end, 1.0)
        except KafkaException as error:
            self._source.complain(error.args[0])
            asked = {}
        self._heard = self._heard or bool(asked)
        ends = known | asked
        return [Beat(p, c.epoch, ends[p], asked.get(p) == c.next_offset) for p, c in claims.items()]


def another_run(run_id: str) -> str:
    """How the records of a run come to be scored by another model than the one that it belongs to."""
    return _ANEW if run_id == LIVE else _ANOTHER_RUN


def _short(model: str | None) -> str:
    return "none" if model is None else model[:12]


def _check_topic(claim: Claim, ids: Mapping[str, str | None]) -> None:
    """Raises LogUnreadable unless the claim's offsets are of the topic that is there now. ids: of what exists."""
    now = ids.get(claim.partition.topic)
    if now is not None and claim.topic_id is not None and now != claim.topic_id:
        raise recreated(claim.partition.topic, claim.topic_id, now)


def _reasons(work: Flush) -> dict[str, int]:
    reasons = [letter.reason for letter in work.dead]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}
