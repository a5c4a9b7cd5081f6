"""The state of a partition, and what one flush adds to it: frozen copies of rows in Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal, NamedTuple

from consumer.windows import State
from schemas.records import Manifest
from storage.chunk import EncodedChunk


class Partition(NamedTuple):
    """A partition of a topic. topic: without prefix."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True)
class Tally:
    """Counts of records by verdict. Each counts once; missing: sequence numbers that never arrived."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    future: int = 0
    invalid: int = 0
    heartbeats: int = 0
    missing: int = 0

    @property
    def records(self) -> int:
        """How many records were read; offsets between them may hold none."""
        return self.accepted + self.duplicates + self.late + self.future + self.invalid + self.heartbeats

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class PartitionRun:
    """How far one run has come in one partition.

    Attributes:
        run_id: The run; '' stands for records in which no run could be read.
        first_offset: Of its first record there.
        state: Of the lateness rules, before its next record.
        tally: Of its records so far.
    """

    run_id: str
    first_offset: int
    state: State = field(default_factory=State)
    tally: Tally = field(default_factory=Tally)

    @property
    def counts(self) -> bool:
        """Whether any record came that a window holds, or that closes one."""
        return self.state.max_time is not None or self.tally.accepted > 0


@dataclass(frozen=True)
class Claim:
    """A partition as its owner took it over, or left it at its last flush.

    Attributes:
        partition: Which one.
        epoch: Of this ownership: each takeover raises it, so that the owner before is fenced.
        next_offset: The first offset that is not committed.
        runs: How far each run has come there.
        topic_id: Kafka's id of the topic that the offsets are of; None where it is unknown.
    """

    partition: Partition
    epoch: int
    next_offset: int
    runs: Mapping[str, PartitionRun]
    topic_id: str | None = None


@dataclass(frozen=True)
class DeadLetter:
    """A record that did not become a row. event_time: ms. headers: JSON."""

    run_id: str
    offset: int
    reason: str
    detail: str
    event_time: int | None
    key: bytes | None
    raw: bytes | None
    headers: str | None


@dataclass(frozen=True)
class Loss:
    """Sequence numbers of a run that never arrived.

    Attributes:
        run_id: The run.
        first, last: The numbers, both inclusive.
        at: Event time of the record that shows the gap, ms.
    """

    run_id: str
    first: int
    last: int
    at: int


class Foreign(NamedTuple):
    """Why this consumer rejects a run. reason, detail: of the dead letters that its records become."""

    reason: Literal["model", "stream"]
    detail: str


@dataclass(frozen=True)
class Unscored:
    """Valid records, in time, that became dead letters since they have no prediction.

    Attributes:
        run_id: The run.
        reason: Of the dead letters: `model` or `stream`.
        foreign: Whether the run belongs to another model or stream; else the model failed on the records.
        count: How many there are.
        first, last: Their smallest and largest event time, ms.
        why: The detail of the first dead letter.
    """

    run_id: str
    reason: str
    foreign: bool
    count: int
    first: int
    last: int
    why: str

    def __add__(self, later: Unscored) -> Unscored:
        return replace(
            self,
            count=self.count + later.count,
            first=min(self.first, later.first),
            last=max(self.last, later.last),
        )


@dataclass(frozen=True)
class Flush:
    """What one transaction writes: the results of the records from `claim.next_offset` up to `next_offset`.

    Attributes:
        claim: The partition as it was before.
        next_offset: Exclusive.
        runs: Those that changed.
        chunks: Accepted rows, one chunk for each run.
        dead: Dead letters.
        losses: Gaps in sequence numbers.
        unscored: Ascending by run.
        manifests: Pairs of run and manifest, ascending.
        finished: Runs whose final heartbeat is among the records.
    """

    claim: Claim
    next_offset: int
    runs: tuple[PartitionRun, ...] = ()
    chunks: tuple[EncodedChunk, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    losses: tuple[Loss, ...] = ()
    unscored: tuple[Unscored, ...] = ()
    manifests: tuple[tuple[str, Manifest], ...] = ()
    finished: tuple[str, ...] = ()

    @property
    def moved(self) -> tuple[str, ...]:
        """Runs that gained rows or moved on in event time, ascending: windows of no other run can have changed."""
        before = {run_id: run.state for run_id, run in self.claim.runs.items()}
        changed = {run.run_id for run in self.runs if before.get(run.run_id, State()) != run.state}
        return tuple(sorted(changed | {chunk.run_id for chunk in self.chunks}))

    @property
    def begun(self) -> tuple[str, ...]:
        """Runs whose first record that counts in this partition is in this flush."""
        before = {run_id for run_id, run in self.claim.runs.items() if run.counts}
        return tuple(run.run_id for run in self.runs if run.counts and run.run_id not in before)

    @property
    def gained(self) -> Tally:
        """What it adds to the tallies, over all runs."""
        gained = Tally()
        for run in self.runs:
            before = self.claim.runs.get(run.run_id)
            gained += run.tally - before.tally if before else run.tally
        return gained

    def committed(self) -> Claim:
        """Return the claim as it is once this flush is committed."""
        runs = {**self.claim.runs, **{run.run_id: run for run in self.runs}}
        return replace(self.claim, next_offset=self.next_offset, runs=runs)
