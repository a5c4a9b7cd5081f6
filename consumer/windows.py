"""What becomes of each record of one run in one partition: pure, and the same for every way of cutting the log.

The rules, in offset order, with M the largest event time seen and L the allowed lateness:

1. what cannot be decoded never comes here
2. `seq` not beyond the last one: a duplicate (a jump in `seq` is a gap, and reported)
3. event time more than `max_ahead` beyond M: from the future; M does not move
4. end of its pane at or before M - L: late
5. else accepted: it joins its pane

What passes 2 and 3 moves M. Heartbeats move M too; they are exempt from 2 and 3. After the final heartbeat
everything is late. All times are ms since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ACCEPTED, DUPLICATE, LATE, FUTURE, HEARTBEAT = range(5)

UNNUMBERED = -2
"""The `seq` of a record that has none: never a duplicate, never a gap."""

_UNSET = -(2**62)
"""Stands for M before the first record: below every time, and still far from overflow when L is taken off."""


@dataclass(frozen=True)
class Rules:
    """Of one run and topic, in ms."""

    pane: int
    lateness: int
    max_ahead: int


@dataclass(frozen=True)
class State:
    """Of one run in one partition, after some offset. max_time: M, None before the first record."""

    max_time: int | None = None
    last_seq: int = -1
    finished: bool = False


@dataclass(frozen=True)
class Stretch:
    """Consecutive records of one run in one partition, in offset order; all arrays of shape (records,).

    times: event time; of a heartbeat its `at`. seqs: UNNUMBERED where there is none.
    """

    times: Ints
    seqs: Ints
    beats: Flags
    finals: Flags


@dataclass(frozen=True)
class Gap:
    """Sequence numbers first..last, both inclusive, never came; record `index` of the stretch shows it."""

    index: int
    first: int
    last: int


@dataclass(frozen=True)
class Judgement:
    """verdicts: ACCEPTED … HEARTBEAT. reach: M before each record, far below zero while unset. Shape (records,)."""

    verdicts: npt.NDArray[np.uint8]
    reach: Ints
    state: State
    gaps: tuple[Gap, ...]


def pane_starts(times: Ints, pane: int) -> Ints:
    """Start of the pane that each time falls in: a multiple of `pane`."""
    return times // pane * pane


def judge(state: State, rules: Rules, stretch: Stretch) -> Judgement:
    """What becomes of each record, and the state after the last. A stretch cut in two gives the same."""
    if not len(stretch.times):
        return Judgement(np.empty(0, np.uint8), np.empty(0, np.int64), state, ())
    last = _largest_before(state.last_seq, stretch.seqs)
    data = ~stretch.beats
    duplicates = data & (stretch.seqs != UNNUMBERED) & (stretch.seqs <= last)
    gaps = _gaps(stretch.seqs - last - data, last)
    over = _over_before(state, stretch)
    moving = np.where(duplicates, _UNSET, stretch.times)
    reach = _reach(state, rules, moving, exempt=stretch.beats | duplicates | over)
    future = reach.future
    late = data & (over | (pane_starts(stretch.times, rules.pane) + rules.pane <= reach.before - rules.lateness))
    verdicts = np.select(
        [stretch.beats, duplicates, future, late], [HEARTBEAT, DUPLICATE, FUTURE, LATE], ACCEPTED
    ).astype(np.uint8)
    after = State(
        max_time=None if reach.after == _UNSET else reach.after,
        last_seq=max(state.last_seq, int(stretch.seqs.max())),
        finished=state.finished or bool(stretch.finals.any()),
    )
    return Judgement(verdicts, reach.before, after, gaps)


@dataclass(frozen=True)
class _Reach:
    """before: M before each record. future: which are too far ahead of it. after: M at the end."""

    before: Ints
    future: Flags
    after: int


def _reach(state: State, rules: Rules, moving: Ints, exempt: Flags) -> _Reach:
    """Run M over the times. Supposes that nothing is from the future, and goes one by one only if something is."""
    start = _UNSET if state.max_time is None else state.max_time
    before = _largest_before(start, moving)
    future = ~exempt & (before != _UNSET) & (moving > before + rules.max_ahead)
    if not future.any():
        return _Reach(before, future, max(int(before[-1]), int(moving[-1])))
    return _reach_one_by_one(start, rules.max_ahead, moving, exempt)


def _reach_one_by_one(reach: int, max_ahead: int, moving: Ints, exempt: Flags) -> _Reach:
    before, future = np.empty_like(moving), np.zeros(len(moving), bool)
    for i, (time, free) in enumerate(zip(moving.tolist(), exempt.tolist(), strict=True)):
        before[i] = reach
        if not free and reach != _UNSET and time > reach + max_ahead:
            future[i] = True
        else:
            reach = max(reach, time)
    return _Reach(before, future, reach)


def _largest_before(start: int, values: Ints) -> Ints:
    """For each value the largest of `start` and all values before it."""
    before = np.empty_like(values)
    before[0] = start
    np.maximum.accumulate(values[:-1], out=before[1:])
    return np.maximum(before, start, out=before)


def _over_before(state: State, stretch: Stretch) -> Flags:
    """Whether the run was finished before each record."""
    over = np.full(len(stretch.finals), state.finished)
    if stretch.finals.any():
        over[int(stretch.finals.argmax()) + 1 :] = True
    return over


def _gaps(jumps: Ints, last: Ints) -> tuple[Gap, ...]:
    """jumps: how many sequence numbers each record skips; negative for duplicates and the unnumbered."""
    return tuple(
        Gap(index=i, first=int(last[i]) + 1, last=int(last[i] + jumps[i]))
        for i in np.flatnonzero(jumps > 0).tolist()
    )
