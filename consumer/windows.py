"""Decides whether each record of a run joins a window. Pure; how the log is cut into batches changes nothing.

The rules, in offset order, with M the largest event time believed and L the allowed lateness:

1. records that cannot be decoded are rejected earlier (`consumer.decode`)
2. `seq` not beyond the last one: a duplicate (a jump in `seq` is a gap, and reported)
3. after the final heartbeat: late, and M stays
4. event time more than `max_ahead` beyond M: from the future, and M stays
5. end of its pane at or before M - L: late
6. else accepted: it joins its pane

A record that passes 2 to 4 moves M if its event time is larger. So do heartbeats, which are exempt from 2 and 4.

M is unset until a heartbeat, or until two data records in a row agree, which means that the second lies within
`max_ahead` of the first: one record alone may have a wrong clock. Until then data records are accepted.

A stream may have paused for longer than `max_ahead`. Once `agreeing` data records in a row have failed rule 4, each
within `max_ahead` of the largest before it, the last of them moves M to that largest, and is then checked against
the new M. A data record that passes rule 4 ends such a row; one that does not agree begins another.

Where M is unset, or would jump by more than `max_ahead`, an event time more than `max_ahead` beyond the Kafka
timestamp of its own record is not believed: such a data record is from the future and counts for nothing above,
such a heartbeat leaves M alone. The bound is only from above, since the event times of a replay lie years before.

All times are ms since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ACCEPTED, DUPLICATE, LATE, FUTURE, HEARTBEAT = range(5)

UNNUMBERED = -2
"""The `seq` of a record that has none: never a duplicate, never a gap."""

UNSET = -(2**62)
"""Stands for M before the first record: below every time, and still far from overflow when L is taken off."""

AGREEING = 100
"""So many data records in a row, all too far ahead of M, move M to them: the stream has rested, or M was wrong."""

_FIRST_AGREEING = 2
"""The same where M is unset: a single wrong clock sets nothing."""


@dataclass(frozen=True)
class LatenessPolicy:
    """When a record is late or too far ahead, in one run and topic.

    Attributes:
        pane: Length of a pane, ms.
        lateness: L, the allowed lateness, ms.
        max_ahead: How far beyond M a record may be, ms.
        agreeing: So many data records in a row move M; 2 or more.
    """

    pane: int
    lateness: int
    max_ahead: int
    agreeing: int = AGREEING


@dataclass(frozen=True)
class State:
    """How far one run has come in one partition.

    Attributes:
        max_time: M, ms; None while unset.
        last_seq: The largest `seq`; -1 before the first.
        finished: Whether the final heartbeat was seen.
        candidate: The largest event time of the agreeing records that M may move to, ms; None without any.
        agreed: How many agreeing records there are in a row.
    """

    max_time: int | None = None
    last_seq: int = -1
    finished: bool = False
    candidate: int | None = None
    agreed: int = 0


def _no_timestamp(_: int) -> None:
    return None


@dataclass(frozen=True)
class RecordSequence:
    """Consecutive records of one run in one partition, in offset order.

    Attributes:
        times: Event time of each record, of a heartbeat its `at`, ms, shape (records,).
        seqs: `seq` of each, UNNUMBERED where there is none, shape (records,).
        beats: Which are heartbeats, shape (records,).
        finals: Which are final heartbeats, shape (records,).
        written_at: Returns the Kafka timestamp of the record with this index, ms, None without one. Called only
            where it matters.
    """

    times: Ints
    seqs: Ints
    beats: Flags
    finals: Flags
    written_at: Callable[[int], int | None] = _no_timestamp


@dataclass(frozen=True)
class Gap:
    """Sequence numbers first..last, both inclusive, are missing; record `index` of the sequence shows it."""

    index: int
    first: int
    last: int


@dataclass(frozen=True)
class Classification:
    """The verdict on each record of a sequence, and the state after them.

    Attributes:
        verdicts: ACCEPTED … HEARTBEAT of each record, shape (records,).
        max_times: M before each record, UNSET without one, ms, shape (records,).
        state: After the last record.
        gaps: Ascending.
    """

    verdicts: npt.NDArray[np.uint8]
    max_times: Ints
    state: State
    gaps: tuple[Gap, ...]


def pane_starts(times: Ints, pane: int) -> Ints:
    """Return the start of the pane that each time falls in: a multiple of `pane`, ms."""
    return times // pane * pane


def classify(state: State, policy: LatenessPolicy, sequence: RecordSequence) -> Classification:
    """Classify records: accepted, late, duplicate, from the future or a heartbeat.

    The result does not depend on how the log is cut into sequences.

    Args:
        state: Before the first record.
        policy: Of the run and topic.
        sequence: The records.
    """
    if not len(sequence.times):
        return Classification(np.empty(0, np.uint8), np.empty(0, np.int64), state, ())
    last = _largest_before(state.last_seq, sequence.seqs)
    data = ~sequence.beats
    duplicates = data & (sequence.seqs != UNNUMBERED) & (sequence.seqs <= last)
    gaps = _gaps(sequence.seqs - last - data, last)
    over = _over_before(state, sequence)
    path = _run_clock(state, policy, sequence, inert=duplicates | over)
    late = data & (over | (pane_starts(sequence.times, policy.pane) + policy.pane <= path.before - policy.lateness))
    verdicts = np.select(
        [sequence.beats, duplicates, path.future, late], [HEARTBEAT, DUPLICATE, FUTURE, LATE], ACCEPTED
    ).astype(np.uint8)
    after = State(
        max_time=None if path.after.max_time == UNSET else path.after.max_time,
        last_seq=max(state.last_seq, int(sequence.seqs.max())),
        finished=state.finished or bool(sequence.finals.any()),
        candidate=path.after.candidate,
        agreed=path.after.agreed,
    )
    return Classification(verdicts, path.before, after, gaps)


@dataclass
class _Clock:
    """M of one run in one partition, record by record. max_time: M, or UNSET; candidate, agreed: as in State."""

    policy: LatenessPolicy
    max_time: int
    candidate: int | None
    agreed: int

    def is_ahead(self, time: int) -> bool:
        return self.max_time == UNSET or time > self.max_time + self.policy.max_ahead

    def is_believable(self, time: int, written_at: int | None) -> bool:
        return written_at is None or time <= written_at + self.policy.max_ahead

    def heartbeat(self, at: int) -> None:
        """Move M to a heartbeat; where it is the first to set M, with the record that waits for one that agrees."""
        if self.max_time == UNSET:
            at = max(at, self.candidate) if self.candidate is not None and self._agrees(at) else at
            self.forget()
        self.max_time = max(self.max_time, at)

    def take_ahead(self, time: int) -> None:
        """Take in a data record that is ahead. If enough of them agree now, M moves to those before it."""
        agrees = self._agrees(time)
        largest, self.agreed = (self.candidate, self.agreed + 1) if agrees else (None, 1)
        if largest is not None and self.agreed >= self._enough():
            self.max_time = largest  # which is beyond it
            self.forget()
        else:
            self.candidate = time if largest is None else max(largest, time)

    def forget(self) -> None:
        self.candidate, self.agreed = None, 0

    def _agrees(self, time: int) -> bool:
        return self.candidate is not None and abs(time - self.candidate) <= self.policy.max_ahead

    def _enough(self) -> int:
        return _FIRST_AGREEING if self.max_time == UNSET else self.policy.agreeing


@dataclass(frozen=True)
class _ClockPath:
    """The clock over a sequence.

    before: M that each record is judged by. future: which are too far ahead. after: the clock at the end.
    """

    before: Ints
    future: Flags
    after: _Clock


def _run_clock(state: State, policy: LatenessPolicy, sequence: RecordSequence, inert: Flags) -> _ClockPath:
    """Run M over the records. Supposes that none is ahead of it, and goes one by one only if some are.

    inert: records that neither move M nor are judged by it.
    """
    clock = _Clock(policy, UNSET if state.max_time is None else state.max_time, state.candidate, state.agreed)
    moving = np.where(inert, UNSET, sequence.times)
    before = _largest_before(clock.max_time, moving)
    if (moving > before + policy.max_ahead).any():
        return _one_by_one(clock, sequence, inert)
    if not (inert | sequence.beats).all():
        clock.forget()
    clock.max_time = max(int(before[-1]), int(moving[-1]))
    return _ClockPath(before, np.zeros(len(moving), bool), clock)


def _one_by_one(clock: _Clock, sequence: RecordSequence, inert: Flags) -> _ClockPath:
    before, future = np.empty_like(sequence.times), np.zeros(len(sequence.times), bool)
    each = zip(sequence.times.tolist(), sequence.beats.tolist(), inert.tolist(), strict=True)
    for i, (time, beat, stays) in enumerate(each):
        before[i] = clock.max_time
        if stays:
            continue
        ahead = clock.is_ahead(time)
        if ahead and not clock.is_believable(time, sequence.written_at(i)):
            future[i] = not beat
        elif beat:
            clock.heartbeat(time)
        else:
            before[i], future[i] = _data(clock, time, ahead)
    return _ClockPath(before, future, clock)


def _data(clock: _Clock, time: int, ahead: bool) -> tuple[int, bool]:
    """Move the clock by a data record; returns M that it is judged by, and whether it is from the future."""
    if ahead:
        clock.take_ahead(time)
    else:
        clock.forget()
    judged_by = clock.max_time
    if judged_by == UNSET or clock.is_ahead(time):
        return judged_by, judged_by != UNSET
    clock.max_time = max(judged_by, time)
    return judged_by, False


def _largest_before(start: int, values: Ints) -> Ints:
    """For each value the largest of `start` and all values before it."""
    before = np.empty_like(values)
    before[0] = start
    np.maximum.accumulate(values[:-1], out=before[1:])
    return np.maximum(before, start, out=before)


def _over_before(state: State, sequence: RecordSequence) -> Flags:
    """Whether the run was finished before each record."""
    over = np.full(len(sequence.finals), state.finished)
    if sequence.finals.any():
        over[int(sequence.finals.argmax()) + 1 :] = True
    return over


def _gaps(jumps: Ints, last: Ints) -> tuple[Gap, ...]:
    """jumps: how many sequence numbers each record skips; negative for duplicates and the unnumbered."""
    return tuple(
        Gap(index=i, first=int(last[i]) + 1, last=int(last[i] + jumps[i]))
        for i in np.flatnonzero(jumps > 0).tolist()
    )
