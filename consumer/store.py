"""Postgres: the position of every partition, together with whatever was made of the records before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec

from consumer.ledger import Claim, DeadLetter, Flush, Loss, Partition, PartitionRun, Tally, Unscored
from consumer.windows import State
from runtime.failpoint import failpoint
from schemas.definition import RunConfig, Stream
from schemas.durations import moment
from schemas.records import Manifest
from schemas.text import printable
from storage import streams
from storage.chunks import write_chunks
from storage.connect import Connection, Jsonb
from storage.health import forget_health, report_health
from storage.notices import notify_progress
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_name("queries.sql"))


_STATE = len(fields(State))

_STATEMENT_BYTES = 16 << 20
"""Of dead letters in one statement: far below what Postgres takes, and then any number of them can be written."""

MODEL_FAILED = "the model failed on records of this run: dead letters with reason 'model' hold them and say how"


class Fenced(Exception):
    """Another consumer has claimed the partition since: what was read of it here is no longer ours to write."""


class RunRemoved(Fenced):
    """The partition is still ours, but its runs in the tables are no longer those that are known here."""


@dataclass(frozen=True)
class RunBinding:
    """What a run was begun with, and keeps.

    Attributes:
        config: Pane, lateness and the like.
        model: Hash of the model that scores its events; None where they bring their predictions.
        stream: Name of its stream; None: the run was begun before definitions were kept.
        stream_hash: Of the definition that it was begun with; None as for `stream`.
        events_topic: The topic of its events; None where its definition names none.
        definition: That one, by which its records are judged; None: this version cannot read it, or the run belongs
            to another stream. Of a run that was begun before definitions were kept it is the consumer's own.
    """

    config: RunConfig
    model: str | None
    stream: str | None
    stream_hash: str | None
    events_topic: str | None
    definition: Stream | None = None

    @classmethod
    def from_stream(cls, stream: Stream, config: RunConfig, model: str | None) -> RunBinding:
        """What a new run of a stream is begun with."""
        return cls(config, model, stream.name, stream.hash, stream.events.topic, stream)

    def is_of(self, stream: Stream) -> bool:
        """Whether the run belongs to a stream; one that was begun before streams had names, by its topic."""
        return stream.events.topic == self.events_topic if self.stream is None else stream.name == self.stream


@dataclass(frozen=True)
class Beat:
    """A sign of life of a partition's owner.

    Attributes:
        partition: Which one.
        epoch: Of the owner's claim.
        log_end: The end of the log, exclusive.
        caught_up: Whether everything up to `log_end` is committed.
    """

    partition: Partition
    epoch: int
    log_end: int
    caught_up: bool


class Store:
    """One autocommitting connection, of one thread. Any method raises `storage.errors.Error` when it breaks."""

    def __init__(self, connection: Connection, instance: str) -> None:
        self._connection = connection
        self._instance = instance
        self._bindings: dict[str, RunBinding] = {}

    def unseeded(self, partitions: Iterable[Partition]) -> list[Partition]:
        """Return the partitions that have no row yet."""
        known = {Partition(*row) for row in self._run("known_partitions")}
        return [p for p in partitions if p not in known]

    def topics(self) -> set[str]:
        """Return the topics in which any consumer has a position."""
        return {topic for topic, _ in self._run("known_partitions")}

    def seed(self, partition: Partition, first: int, end: int, topic_id: str | None = None) -> None:
        """Give a partition its row, unless another consumer just did.

        Args:
            partition: Which one.
            first: The first offset of its log.
            end: The end of its log, exclusive.
            topic_id: Kafka's id of the topic; None where it is unknown.
        """
        place = {"topic": partition.topic, "partition": partition.number}
        self._do("seed_partition", **place, first=first, end=end, topic_id=topic_id)

    def claim(self, partition: Partition, topic_id: str | None = None) -> Claim:
        """Take a seeded partition over from its owner, whose flushes fail from now on.

        Args:
            partition: Which one.
            topic_id: Kafka's id of the topic, to be kept unless one is kept already; the claim has the one that is.
        """
        place = {"topic": partition.topic, "partition": partition.number}
        values = place | {"owner": self._instance, "topic_id": topic_id}
        ((epoch, next_offset, begun_in),) = self._run("claim_partition", **values)
        runs = (
            PartitionRun(run_id, first, State(*state), Tally(*counts))
            for run_id, first, *values in self._run("runs_of_partition", **place)
            for state, counts in [(values[:_STATE], values[_STATE:])]
        )
        return Claim(partition, epoch, next_offset, {run.run_id: run for run in runs}, begun_in)

    def register(self, run_ids: Iterable[str], ours: RunBinding, stream: Stream) -> None:
        """Begin runs that nobody has met yet, and learn what the others were begun with.

        A flood of names costs a fixed number of statements.

        Args:
            run_ids: Runs that records name.
            ours: What new runs are begun with.
            stream: Its definition is kept beside them.
        """
        names = [*run_ids]
        # More than once only where somebody removes a run meanwhile.
        while new := [run_id for run_id in names if run_id not in self._bindings]:
            with self._connection.transaction():
                streams.remember(self._connection, stream)
                values = msgspec.structs.asdict(ours.config) | {"model": ours.model}
                self._do("register_runs", run_ids=new, stream=ours.stream, stream_hash=ours.stream_hash, **values)
            self._learn(new, stream)

    def find_bindings(self, run_ids: Iterable[str], stream: Stream) -> dict[str, RunBinding]:
        """Return what runs were begun with, without those that nobody has begun.

        Args:
            run_ids: Runs that records name, valid or not.
            stream: As for `register`.
        """
        names = {*run_ids}
        if unknown := names - self._bindings.keys():
            self._learn(sorted(unknown), stream)
        return {run_id: self._bindings[run_id] for run_id in names if run_id in self._bindings}

    def _learn(self, run_ids: Sequence[str], stream: Stream) -> None:
        rows = self._run("runs", run_ids=run_ids)
        definitions = self._definitions(rows, stream)
        for run_id, *config, model, name, digest, topic in rows:
            fields = dict(zip(RunConfig.__struct_fields__, config, strict=True))
            definition = definitions.get(run_id)
            self._bindings[run_id] = RunBinding(RunConfig(**fields), model, name, digest, topic, definition)

    def _definitions(self, rows: Iterable[Any], stream: Stream) -> dict[str, Stream]:
        """The definition of each run of the stream, where it can be read. rows: of query `runs`."""
        ours = {run_id: digest for run_id, *_, name, digest, _ in rows if name in (None, stream.name)}
        changed = [run_id for run_id, digest in ours.items() if digest not in (None, stream.hash)]
        stored = streams.definitions_of(self._connection, changed, stream) if changed else {}
        return dict.fromkeys(ours.keys() - {*changed}, stream) | dict(stored)

    def binding(self, run_id: str) -> RunBinding:
        """Return what a registered run was begun with."""
        return self._bindings[run_id]

    def commit(self, flush: Flush, topics: Sequence[str]) -> None:
        """Write a flush, all or nothing.

        1. move the position, if epoch and position are what the flush builds on; runs that are new in this
           partition, whose removal raised no epoch here, must still be there
        2. event-time state and tallies of each run
        3. chunks, each with the index of its panes
        4. dead letters
        5. of runs, locked in one order: manifests with their injected drift; those that were over, and are not: a
           partition was added to the topic; the end, if this was the last partition
        6. gaps: an event and an alarm each; an alarm for each run whose records the model did not score
        7. wake the monitors

        Args:
            flush: What to write.
            topics: Of the stream: a run ends with its last partition in any of them.

        Raises:
            Fenced: The partition has another owner by now.
            RunRemoved: A run was removed, so that what is known here of runs is no longer true.
        """
        place = {"topic": flush.claim.partition.topic, "partition": flush.claim.partition.number}
        with self._connection.transaction():
            self._advance(flush, place)
            self._keep_runs(flush)
            failpoint("consumer.after_update")
            self._write_progress(flush.runs, place)
            write_chunks(self._connection, *flush.claim.partition, flush.chunks)
            self._write_dead_letters(flush.dead, flush.claim.partition)
            self._write_milestones(flush, topics)
            self._write_losses(flush.losses, flush.claim.partition)
            for unscored in flush.unscored:
                self._write_unscored(unscored)
            if flush.moved:
                notify_progress(self._connection, flush.moved)

    def beat(self, beats: Sequence[Beat]) -> None:
        """Record that the owner of these partitions is alive.

        Raises:
            Fenced: Some have another owner by now.
        """
        written = self._do(
            "beat",
            topics=[b.partition.topic for b in beats],
            partitions=[b.partition.number for b in beats],
            epochs=[b.epoch for b in beats],
            log_ends=[b.log_end for b in beats],
            caught_up=[b.caught_up for b in beats],
        )
        if written != len(beats):
            raise self._fenced(
                f"{len(beats) - written} of {len(beats)} partitions", {b.partition: b.epoch for b in beats}
            )

    def report(self, run_id: str | None, measures: Mapping[str, Any]) -> None:
        """Replace this consumer's row in `health`."""
        report_health(self._connection, "consumer", self._instance, run_id, measures)

    def forget_health(self) -> None:
        """Delete the rows in `health` of consumers that have been gone for a day."""
        forget_health(self._connection, "consumer")

    def is_finished(self, run_id: str) -> bool:
        """Whether the final heartbeat was read in each partition that the run waits for, by any consumer."""
        ((finished,),) = self._run("is_finished", run_id=run_id)
        return bool(finished)

    def knows(self, run_id: str) -> bool:
        """Whether any consumer has read a record of this run."""
        return bool(self._run("run", run_id=run_id))

    def _advance(self, flush: Flush, place: Mapping[str, Any]) -> None:
        claim = flush.claim
        moved = self._do(
            "advance", **place, epoch=claim.epoch, expected=claim.next_offset, next_offset=flush.next_offset
        )
        if moved != 1:
            place_and_epoch = f"{claim.partition} at {claim.next_offset}, epoch {claim.epoch}"
            raise self._fenced(place_and_epoch, {claim.partition: claim.epoch})

    def _keep_runs(self, flush: Flush) -> None:
        new = sorted({run.run_id for run in flush.runs} & self._bindings.keys() - flush.claim.runs.keys())
        if new and len(self._run("keep_runs", run_ids=new)) < len(new):
            raise RunRemoved(f"a run was removed before its first records were written ({flush.claim.partition})")

    def _fenced(self, what: str, epochs: Mapping[Partition, int]) -> Fenced:
        """Say who raised the epochs: another consumer, or `driftline runs rm`, which leaves the owner as it is."""
        topics, numbers = zip(*epochs, strict=True)
        ours = {"topics": [*topics], "partitions": [*numbers], "epochs": [*epochs.values()]}
        ((ours_still,),) = self._run("is_ours_still", **ours, instance=self._instance)
        return RunRemoved(f"a run was removed, or a backup restored ({what})") if ours_still else Fenced(what)

    def _write_progress(self, runs: Sequence[PartitionRun], place: Mapping[str, Any]) -> None:
        if runs:
            self._do("write_run_progress", **place, runs=Jsonb([_progress(run) for run in runs]))

    def _write_dead_letters(self, dead_letters: Sequence[DeadLetter], partition: Partition) -> None:
        for some in _statements(dead_letters):
            self._do(
                "write_dead_letters",
                topic=partition.topic,
                partition=partition.number,
                offsets=[d.offset for d in some],
                run_ids=[d.run_id for d in some],
                reasons=[d.reason for d in some],
                details=[d.detail for d in some],
                times=[None if d.event_time is None else moment(d.event_time) for d in some],
                keys=[d.key for d in some],
                raws=[d.raw for d in some],
                headers=[d.headers for d in some],
            )

    def _write_milestones(self, flush: Flush, topics: Sequence[str]) -> None:
        manifests, begun = dict(flush.manifests), flush.begun
        if touched := sorted({*manifests, *begun, *flush.finished}):
            self._do("lock_runs", run_ids=touched)
        topic = flush.claim.partition.topic
        for run_id, manifest in manifests.items():
            self._write_manifest(run_id, topic, manifest)
        if begun:
            self._do("reopen_runs", run_ids=list(begun), topic=topic)
        for run_id in flush.finished:
            self._do("finish_run", run_id=run_id, topics=list(topics))

    def _write_manifest(self, run_id: str, topic: str, manifest: Manifest) -> None:
        fields = _storable(msgspec.to_builtins(manifest))
        values = {"source": fields["source"], "manifest": Jsonb(fields)}
        if not self._do("write_manifest", run_id=run_id, topic=topic, **values):
            return
        for number, injected in enumerate(manifest.injected):
            if injected.starts_at > injected.ends_at:
                continue
            self._do(
                "write_event",
                event_id=f"injected:{run_id}:{number}",
                run_id=run_id,
                kind="injected",
                starts_at=injected.starts_at,
                ends_at=injected.ends_at,
                label=printable(injected.label),
            )

    def _write_losses(self, losses: Sequence[Loss], partition: Partition) -> None:
        """Each as an event and an alarm, whose names do not depend on how the log was cut into flushes."""
        if not losses:
            return
        rows: dict[str, list[Any]] = {
            "names": [f"gap:{loss.run_id}:{partition}:{loss.first}" for loss in losses],
            "runs": [loss.run_id for loss in losses],
            "times": [loss.at for loss in losses],
            "messages": [
                f"{loss.last - loss.first + 1} record(s) of {partition} never came: seq {loss.first} to {loss.last}"
                for loss in losses
            ],
        }
        self._do("write_gap_events", **rows)
        self._do("write_gap_alarms", **rows)

    def _write_unscored(self, unscored: Unscored) -> None:
        """One alarm for a run and cause, whose stretch of event time does not depend on the cut into flushes."""
        cause = "foreign" if unscored.foreign else "failed"
        self._do(
            "write_unscored_alarm",
            alarm_id=f"{unscored.reason}:{unscored.run_id}:{cause}",
            run_id=unscored.run_id,
            kind=unscored.reason,
            first=unscored.first,
            last=unscored.last,
            message=unscored.why if unscored.foreign else MODEL_FAILED,
        )

    def _run(self, name: str, **values: Any) -> list[Any]:
        return self._connection.execute(_SQL[name], values).fetchall()

    def _do(self, name: str, **values: Any) -> int:
        return self._connection.execute(_SQL[name], values).rowcount


def _statements(dead_letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    """Cut dead letters into what one statement each can write."""
    first = size = 0
    for i, letter in enumerate(dead_letters):
        size += len(letter.raw or b"") + len(letter.key or b"") + len(letter.headers or "")
        if size > _STATEMENT_BYTES or i + 1 == len(dead_letters):
            yield dead_letters[first : i + 1]
            first, size = i + 1, 0


def _progress(run: PartitionRun) -> dict[str, Any]:
    return vars(run.state) | vars(run.tally) | {"run_id": run.run_id, "first_offset": run.first_offset}


def _storable(value: Any) -> Any:
    """JSON with every text in it printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {name: _storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(inner) for inner in value]
    return value
