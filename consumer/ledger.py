"""What a consumer knows of a partition, and what one flush adds to it. Frozen: the truth is in Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

from consumer.chunking import Chunk
from consumer.windows import State
from schemas.records import Manifest


class Partition(NamedTuple):
    """topic: without prefix."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True)
class Tally:
    """Records by what became of them: over all runs, every offset passed. missing: sequence numbers not seen."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    future: int = 0
    invalid: int = 0
    heartbeats: int = 0
    missing: int = 0

    @property
    def records(self) -> int:
        """Those that were read. Offsets between them may hold none."""
        return self.accepted + self.duplicates + self.late + self.future + self.invalid + self.heartbeats

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class RunProgress:
    """One run in one partition. run_id '': records that could not be told to any."""

    run_id: str
    first_offset: int
    state: State = field(default_factory=State)
    tally: Tally = field(default_factory=Tally)

    @property
    def counts(self) -> bool:
        """Whether anything came that windows hold, or close by."""
        return self.state.max_time is not None or self.tally.accepted > 0


@dataclass(frozen=True)
class Claim:
    """A partition as its owner took it over, or left it at its last flush.

    topic_id: Kafka's, of the topic that the offsets are of; None: unknown.
    """

    partition: Partition
    epoch: int
    next_offset: int
    runs: Mapping[str, RunProgress]
    topic_id: str | None = None


@dataclass(frozen=True)
class DeadLetter:
    """A record that went nowhere else. event_time: ms. headers: JSON."""

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
    """Sequence numbers first..last, inclusive, of a run never came. at: event time of the record that shows it."""

    run_id: str
    first: int
    last: int
    at: int


@dataclass(frozen=True)
class Unscored:
    """Records of a run that would be rows, had the model a prediction for them. They are dead letters.

    foreign: another model scores the run; else the model failed. first, last: event time, ms. why: of the first.
    """

    run_id: str
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
    """What one transaction writes: everything from claim.next_offset up to next_offset.

    runs: those that changed. unscored: ascending by run. manifests: by run.
    finished: runs whose final heartbeat is among the records.
    """

    claim: Claim
    next_offset: int
    runs: tuple[RunProgress, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    losses: tuple[Loss, ...] = ()
    unscored: tuple[Unscored, ...] = ()
    manifests: tuple[tuple[str, Manifest], ...] = ()
    finished: tuple[str, ...] = ()

    @property
    def moved(self) -> tuple[str, ...]:
        """The runs that got rows, or moved on in event time: those of which more than a sign of life came."""
        before = {run_id: run.state for run_id, run in self.claim.runs.items()}
        changed = {run.run_id for run in self.runs if before.get(run.run_id, State()) != run.state}
        return tuple(sorted(changed | {chunk.run_id for chunk in self.chunks}))

    @property
    def begun(self) -> tuple[str, ...]:
        """The runs of which these are the first records in the partition that count."""
        before = {run_id for run_id, run in self.claim.runs.items() if run.counts}
        return tuple(run.run_id for run in self.runs if run.counts and run.run_id not in before)

    @property
    def gained(self) -> Tally:
        """What it adds to the tallies of all its runs."""
        gained = Tally()
        for run in self.runs:
            before = self.claim.runs.get(run.run_id)
            gained += run.tally - before.tally if before else run.tally
        return gained

    def committed(self) -> Claim:
        """The claim after this flush."""
        runs = {**self.claim.runs, **{run.run_id: run for run in self.runs}}
        return replace(self.claim, next_offset=self.next_offset, runs=runs)
