"""The one sequence of records that a run is in each partition: data, and marks in their places. Pure.

Marks are heartbeats on a fixed grid of event time. They go to every partition, each after the records with a
smaller clock and before all others. So the sequence is a function of the source and the partition count: not of
speed, chunk sizes or crashes. What a dead producer has sent is a prefix of it; resuming leaves that prefix out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from producer import encode
from producer.order import CLOCK, PARTITION, Step, steps
from producer.plan import Ints, Lane, Position, ReplayPlan
from schemas.definition import Records
from schemas.errors import RunConflict


@dataclass(frozen=True)
class Stretch:
    """Consecutive records of one lane; all of the same length, at least 1.

    clocks: ascending. keys: None for heartbeats.
    seqs, marks: the lane's Position once that record is sent.
    final: it is the final heartbeat.
    """

    lane: Lane
    clocks: Ints
    keys: list[bytes | None]
    values: list[bytes]
    seqs: Ints
    marks: Ints
    final: bool = False

    def until(self, clock: float) -> int:
        """How many of its records have a clock ≤ this."""
        return int(np.searchsorted(self.clocks, clock, side="right"))


def replay(plan: ReplayPlan, tables: Iterable[pa.Table], sent: Mapping[Lane, Position]) -> Iterator[list[Stretch]]:
    """The run's records that follow what was sent (nothing: all of them), a list of stretches at a time.

    tables: in event order, with the fields of events and labels.
    In a list each lane comes once at most; the lists follow one another in time.
    The first list holds the start of the first lane alone, or nothing if that was sent.
    Raises RunConflict where more was sent than these tables give.
    """
    starts = [_single(lane, plan.start, plan.first_heartbeat(), -1) for lane in plan.lanes if lane not in sent]
    alone = starts[:1] if plan.lanes[0] not in sent else []
    yield alone
    yield starts[len(alone) :]
    sequence = _Sequence(plan, sent)
    for step in steps(plan, tables):
        yield sequence.follow(step)
    yield sequence.end()


class _Cut(NamedTuple):
    """The rows of one lane in a chunk sorted by lane: those still to be sent, and the seq of the first of them."""

    lane: Lane
    begin: int
    end: int
    seq: int


class _Sequence:
    """What has to be remembered from step to step: of each lane how many records it has had, and its last mark."""

    def __init__(self, plan: ReplayPlan, sent: Mapping[Lane, Position]) -> None:
        self._plan = plan
        self._sent = {lane: sent.get(lane, Position(-1, plan.start)) for lane in plan.lanes}
        self._marks = {lane: position.mark for lane, position in self._sent.items()}
        self._counts = dict.fromkeys(plan.lanes, 0)
        self._until = plan.start

    def follow(self, step: Step) -> list[Stretch]:
        marks = self._plan.marks(self._until, step.until)
        self._until = step.until
        topics = zip(self._plan.stream.topics, step.rows, strict=True)
        return [stretch for records, rows in topics for stretch in self._laid(records, rows, marks)]

    def end(self) -> list[Stretch]:
        """The final heartbeat of each lane that has none yet."""
        return [self._final(lane) for lane in self._plan.lanes if not self._sent[lane].finished]

    def _final(self, lane: Lane) -> Stretch:
        given, sent = self._counts[lane], self._sent[lane].seq + 1
        if given < sent:
            raise RunConflict(
                f"{lane.topic}/{lane.partition} has {sent} records of this run, the source gives {given}",
                "name the source that the run began with, or choose another --run",
            )
        value = self._plan.heartbeat(given - 1, self._until, final=True)
        return _single(lane, self._until, value, given - 1, final=True)

    def _laid(self, records: Records, rows: pa.Table, marks: Ints) -> Iterator[Stretch]:
        """Rows laid out lane by lane, numbered, and encoded in one go, for its price is per column and call."""
        parts = rows[PARTITION].to_numpy()
        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(self._plan.partitions + 1)).tolist()
        cuts = [self._cut(Lane(records.topic, p), bounds[p], bounds[p + 1]) for p in range(self._plan.partitions)]
        rows = rows.take(pa.array(np.concatenate([order[cut.begin : cut.end] for cut in cuts])))
        seqs = [seq for cut in cuts for seq in range(cut.seq, cut.seq + cut.end - cut.begin)]
        clocks, keys = rows[CLOCK].to_numpy(), encode.keys(rows[records.id])
        values = encode.records(records, rows, self._plan.run_id, seqs)
        at = 0
        for cut in cuts:
            part = slice(at, at + cut.end - cut.begin)
            at = part.stop
            yield from self._woven(cut, clocks[part], keys[part], values[part], marks)

    def _cut(self, lane: Lane, begin: int, end: int) -> _Cut:
        count, size = self._counts[lane], end - begin
        skipped = min(max(self._sent[lane].seq + 1 - count, 0), size)
        self._counts[lane] = count + size
        return _Cut(lane, begin + skipped, end, count + skipped)

    def _woven(
        self, cut: _Cut, clocks: Ints, keys: list[Any], values: list[bytes], marks: Ints
    ) -> Iterator[Stretch]:
        """The records of one lane with the marks put between them."""
        last = self._marks[cut.lane]
        marks = marks[marks > last]
        if not values and not len(marks):
            return
        places = np.searchsorted(clocks, marks, side="left")
        before = cut.seq + places - 1
        beats = [self._plan.heartbeat(seq, at) for seq, at in zip(before.tolist(), marks.tolist(), strict=True)]
        stand = np.maximum.accumulate(np.insert(np.full(len(values), last), places, marks))
        self._marks[cut.lane] = int(stand[-1])
        yield Stretch(
            cut.lane,
            clocks=np.insert(clocks, places, marks),
            keys=_inserted(keys, places, [None] * len(beats)),
            values=_inserted(values, places, beats),
            seqs=np.insert(np.arange(cut.seq, cut.seq + len(values)), places, before),
            marks=stand,
        )


def _single(lane: Lane, clock: int, value: bytes, seq: int, *, final: bool = False) -> Stretch:
    """One heartbeat as a stretch of its own."""
    at = np.array([clock])
    return Stretch(lane, clocks=at, keys=[None], values=[value], seqs=np.array([seq]), marks=at, final=final)


def _inserted(items: list[Any], places: Ints, more: list[Any]) -> list[Any]:
    """`more` put into `items`, each before the item at its place."""
    if not more:
        return items
    woven: list[Any] = np.insert(np.array(items, dtype=object), places, more).tolist()
    return woven
