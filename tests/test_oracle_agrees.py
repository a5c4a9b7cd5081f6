"""The consumer's vectorised rules against the oracle's record-by-record ones, on random stretches cut at random."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer import windows
from consumer.windows import ACCEPTED, DUPLICATE, FUTURE, HEARTBEAT, LATE, UNNUMBERED
from schemas.definition import Records
from tests.oracle import Entry, Rules, State, read

STREAM = Records(topic="t", kind="thing", id="id", time="at_ms", fields=())
PANE, LATENESS, AHEAD, AGREEING = 5, 7, 30, 4
NAMES = {ACCEPTED: "accepted", DUPLICATE: "duplicates", LATE: "late", FUTURE: "future", HEARTBEAT: "heartbeats"}


class Item(NamedTuple):
    at: int
    seq: int | None
    beat: bool = False
    final: bool = False
    written_at: int | None = None

    def value(self) -> bytes:
        if self.beat:
            record = {"kind": "heartbeat", "run_id": "r", "seq": self.seq, "at": self.at, "final": self.final}
        else:
            record = {"kind": "thing", "run_id": "r", "seq": self.seq, "id": "i", "at_ms": self.at}
        return json.dumps(record).encode()


times = st.integers(0, 100)
stamps = st.one_of(st.none(), times)
no, yes, seldom = st.just(False), st.just(True), st.sampled_from([False, False, True])
items = st.one_of(
    st.tuples(times, st.integers(0, 12), no, no, stamps),
    st.tuples(times, st.none(), no, no, stamps),
    st.tuples(st.integers(180, 215), st.none(), no, no, st.none()),
    st.tuples(times, st.integers(-1, 12), yes, seldom, stamps),
).map(lambda fields: Item(*fields))


def by_oracle(log: list[Item]) -> tuple[list[str], State]:
    """The verdict on each record, and the state after the last."""
    entries = [Entry("t", 0, offset, item.value(), item.written_at) for offset, item in enumerate(log)]
    reading = read(entries, {"t": STREAM}, Rules(PANE, {"t": LATENESS}, AHEAD, AGREEING))
    verdicts = {offset: reason for (_, _, offset), (_, reason) in reading.dead.items()}
    verdicts |= {offset: "accepted" for rows in reading.rows.values() for _, offset, _ in rows}
    rest = ["heartbeats" if item.beat else "duplicates" for item in log]
    return [verdicts.get(i, other) for i, other in enumerate(rest)], reading.states["r", "t", 0]


def by_consumer(log: list[Item], cuts: set[int]) -> tuple[list[str], windows.State, int]:
    state, verdicts, missing = windows.State(), [], 0
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    for start, end in pairwise(edges):
        classified = windows.classify(
            state, windows.LatenessPolicy(PANE, LATENESS, AHEAD, AGREEING), stretch(log[start:end])
        )
        state = classified.state
        verdicts += [NAMES[verdict] for verdict in classified.verdicts.tolist()]
        missing += sum(gap.last - gap.first + 1 for gap in classified.gaps)
    return verdicts, state, missing


def stretch(log: list[Item]) -> windows.RecordSequence:
    return windows.RecordSequence(
        times=np.array([item.at for item in log], np.int64),
        seqs=np.array([UNNUMBERED if item.seq is None else item.seq for item in log], np.int64),
        beats=np.array([item.beat for item in log]),
        finals=np.array([item.final for item in log]),
        written_at=lambda index: log[index].written_at,
    )


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(items, min_size=1, max_size=25), st.sets(st.integers(1, 24), max_size=4))
def test_the_consumers_rules_are_the_oracles_however_the_log_is_cut(log: list[Item], cuts: set[int]) -> None:
    expected, state = by_oracle(log)
    verdicts, after, missing = by_consumer(log, cuts)
    assert verdicts == expected
    assert after == windows.State(*state.stored)
    assert missing == state.tally["missing"]
    assert Counter(verdicts) == +Counter({k: n for k, n in state.tally.items() if k != "missing"})
