"""The sequence of a run's records in each partition: data records and scheduled heartbeats. Pure.

Heartbeats are scheduled on a fixed grid of event time. They go to every partition, each after the records with a
smaller clock and before all others. So the sequence depends only on the source and the number of partitions, not
on speed, chunk sizes or crashes. A producer that died has sent a prefix of it, and resuming sends the rest.
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
class LaneBatch:
    """Consecutive records of one lane; all sequences have the same length, at least 1.

    Attributes:
        lane: Where they are sent.
        clocks: Replay clock of each record, ascending, ms since the epoch.
        keys: Kafka keys; None for heartbeats.
        values: Encoded records.
        seqs: `seq` of the lane's Position once that record is sent.
        heartbeats_at: `heartbeat_at` of that Position.
        final: Whether this is the final heartbeat.
    """

    lane: Lane
    clocks: Ints
    keys: list[bytes | None]
    values: list[bytes]
    seqs: Ints
    heartbeats_at: Ints
    final: bool = False

    def count_until(self, clock: float) -> int:
        """Count the records with a clock ≤ this."""
        return int(np.searchsorted(self.clocks, clock, side="right"))


def replay(
    plan: ReplayPlan, tables: Iterable[pa.Table], sent: Mapping[Lane, Position]
) -> Iterator[list[LaneBatch]]:
    """Yield the records of the run that were not sent yet, a list of batches at a time.

    Args:
        plan: The plan of the replay.
        tables: In event order, with the fields of events and labels.
        sent: Position of each lane that holds records of the run; empty for a new run.

    Yields:
        At most one batch per lane; the lists follow one another in time. The first list holds only the first
        heartbeat of the first lane, or nothing if that was sent.

    Raises:
        RunConflict: More records were sent than the tables contain.
    """
    starts = [
        _single_heartbeat(lane, plan.start, plan.first_heartbeat(), -1) for lane in plan.lanes if lane not in sent
    ]
    alone = starts[:1] if plan.lanes[0] not in sent else []
    yield alone
    yield starts[len(alone) :]
    sequence = _Sequence(plan, sent)
    for step in steps(plan, tables):
        yield sequence.advance(step)
    yield sequence.finish()


class _LaneRows(NamedTuple):
    """The rows of one lane, in a chunk sorted by lane, that are still to be sent, and the seq of the first."""

    lane: Lane
    begin: int
    end: int
    seq: int


class _Sequence:
    """What is kept from step to step: each lane's number of records and its last scheduled heartbeat."""

    def __init__(self, plan: ReplayPlan, sent: Mapping[Lane, Position]) -> None:
        self._plan = plan
        self._sent = {lane: sent.get(lane, Position(-1, plan.start)) for lane in plan.lanes}
        self._last_heartbeats = {lane: position.heartbeat_at for lane, position in self._sent.items()}
        self._counts = dict.fromkeys(plan.lanes, 0)
        self._until = plan.start

    def advance(self, step: Step) -> list[LaneBatch]:
        """Make the batches of the next step."""
        grid = self._plan.grid(self._until, step.until)
        self._until = step.until
        topics = zip(self._plan.stream.topics, step.rows, strict=True)
        return [batch for records, rows in topics for batch in self._split_by_lane(records, rows, grid)]

    def finish(self) -> list[LaneBatch]:
        """Make the final heartbeat of each lane that has none yet."""
        return [self._final(lane) for lane in self._plan.lanes if not self._sent[lane].finished]

    def _final(self, lane: Lane) -> LaneBatch:
        given, sent = self._counts[lane], self._sent[lane].seq + 1
        if given < sent:
            raise RunConflict(
                f"{lane.topic}/{lane.partition} has {sent} records of this run, the source gives {given}",
                "name the source that the run began with, or choose another --run",
            )
        value = self._plan.heartbeat(given - 1, self._until, final=True)
        return _single_heartbeat(lane, self._until, value, given - 1, final=True)

    def _split_by_lane(self, records: Records, rows: pa.Table, grid: Ints) -> Iterator[LaneBatch]:
        """Sort rows by lane, number them, and encode all at once, since encoding costs per column and call."""
        parts = rows[PARTITION].to_numpy()
        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(self._plan.partitions + 1)).tolist()
        cuts = [
            self._lane_rows(Lane(records.topic, p), bounds[p], bounds[p + 1]) for p in range(self._plan.partitions)
        ]
        rows = rows.take(pa.array(np.concatenate([order[cut.begin : cut.end] for cut in cuts])))
        seqs = [seq for cut in cuts for seq in range(cut.seq, cut.seq + cut.end - cut.begin)]
        clocks, keys = rows[CLOCK].to_numpy(), encode.keys(rows[records.id])
        values = encode.records(records, rows, self._plan.run_id, seqs)
        at = 0
        for cut in cuts:
            part = slice(at, at + cut.end - cut.begin)
            at = part.stop
            yield from self._interleave(cut, clocks[part], keys[part], values[part], grid)

    def _lane_rows(self, lane: Lane, begin: int, end: int) -> _LaneRows:
        count, size = self._counts[lane], end - begin
        skipped = min(max(self._sent[lane].seq + 1 - count, 0), size)
        self._counts[lane] = count + size
        return _LaneRows(lane, begin + skipped, end, count + skipped)

    def _interleave(
        self, cut: _LaneRows, clocks: Ints, keys: list[Any], values: list[bytes], grid: Ints
    ) -> Iterator[LaneBatch]:
        """Merge the records of one lane with its scheduled heartbeats."""
        last = self._last_heartbeats[cut.lane]
        grid = grid[grid > last]
        if not values and not len(grid):
            return
        places = np.searchsorted(clocks, grid, side="left")
        before = cut.seq + places - 1
        heartbeats = [self._plan.heartbeat(seq, at) for seq, at in zip(before.tolist(), grid.tolist(), strict=True)]
        last_heartbeats = np.maximum.accumulate(np.insert(np.full(len(values), last), places, grid))
        self._last_heartbeats[cut.lane] = int(last_heartbeats[-1])
        yield LaneBatch(
            cut.lane,
            clocks=np.insert(clocks, places, grid),
            keys=_insert(keys, places, [None] * len(heartbeats)),
            values=_insert(values, places, heartbeats),
            seqs=np.insert(np.arange(cut.seq, cut.seq + len(values)), places, before),
            heartbeats_at=last_heartbeats,
        )


def _single_heartbeat(lane: Lane, clock: int, value: bytes, seq: int, *, final: bool = False) -> LaneBatch:
    """Make a batch of one heartbeat."""
    at = np.array([clock])
    return LaneBatch(
        lane, clocks=at, keys=[None], values=[value], seqs=np.array([seq]), heartbeats_at=at, final=final
    )


def _insert(items: list[Any], places: Ints, more: list[Any]) -> list[Any]:
    """Insert each of `more` before the item at its place."""
    if not more:
        return items
    merged: list[Any] = np.insert(np.array(items, dtype=object), places, more).tolist()
    return merged
