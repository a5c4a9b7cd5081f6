from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer import windows
from consumer.windows import ACCEPTED, DUPLICATE, FUTURE, HEARTBEAT, LATE, UNNUMBERED, Rules, State, Stretch
from schemas.taxi import TRIPS
from tests import oracle

PANE, LATENESS, AHEAD = 10, 20, 100
RULES = Rules(pane=PANE, lateness=LATENESS, max_ahead=AHEAD)
NAMES = {
    "accepted": ACCEPTED,
    None: ACCEPTED,
    "duplicates": DUPLICATE,
    "late": LATE,
    "future": FUTURE,
    "heartbeats": HEARTBEAT,
}


def trip(time: int, seq: int | None) -> dict[str, Any]:
    return {"run_id": "r", "seq": seq, "pickup_at": time}


def beat(at: int, seq: int = -1, final: bool = False) -> dict[str, Any]:
    return {"kind": "heartbeat", "run_id": "r", "seq": seq, "at": at, "final": final}


def stretch(records: list[dict[str, Any]]) -> Stretch:
    beats = [r.get("kind") == "heartbeat" for r in records]
    return Stretch(
        times=np.array([r["at"] if b else r["pickup_at"] for r, b in zip(records, beats, strict=True)], np.int64),
        seqs=np.array([UNNUMBERED if r["seq"] is None else r["seq"] for r in records], np.int64),
        beats=np.array(beats, bool),
        finals=np.array([r.get("final", False) for r in records], bool),
    )


def verdicts(*records: dict[str, Any], state: State | None = None) -> list[int]:
    return windows.judge(state or State(), RULES, stretch(list(records))).verdicts.tolist()


@pytest.mark.parametrize(
    ("max_time", "expected"), [(129, ACCEPTED), (130, LATE), (131, LATE)], ids=["1 ms before", "at", "1 ms after"]
)
def test_a_trip_is_late_from_the_very_moment_its_pane_ends_at_m_less_lateness(max_time: int, expected: int) -> None:
    """Its pane is [100, 110): 110 <= M - 20 from M = 130 on."""
    for time in (100, 109):
        assert verdicts(beat(max_time), trip(time, 0)) == [HEARTBEAT, expected]


@pytest.mark.parametrize(("time", "expected"), [(200, ACCEPTED), (201, FUTURE)])
def test_a_trip_may_be_ahead_by_max_ahead_and_not_a_millisecond_more(time: int, expected: int) -> None:
    assert verdicts(trip(100, 0), trip(time, 1)) == [ACCEPTED, expected]


def test_the_first_record_of_a_run_is_never_from_the_future() -> None:
    assert verdicts(trip(4_000_000_000_000, 0)) == [ACCEPTED]


def test_a_stray_year_does_not_move_the_watermark() -> None:
    judged = windows.judge(State(), RULES, stretch([trip(100, 0), trip(10**12, 1), trip(10**12, 2), trip(101, 3)]))
    assert judged.verdicts.tolist() == [ACCEPTED, FUTURE, FUTURE, ACCEPTED]
    assert judged.state == State(max_time=101, last_seq=3)


def test_a_heartbeat_moves_the_watermark_however_far() -> None:
    judged = windows.judge(State(), RULES, stretch([trip(100, 0), beat(10**12, 0), trip(101, 1)]))
    assert judged.verdicts.tolist() == [ACCEPTED, HEARTBEAT, LATE]


def test_a_duplicate_moves_nothing_even_with_another_time() -> None:
    judged = windows.judge(State(), RULES, stretch([trip(100, 0), trip(190, 0), trip(100, 1)]))
    assert judged.verdicts.tolist() == [ACCEPTED, DUPLICATE, ACCEPTED]
    assert judged.state.max_time == 100


def test_after_the_final_heartbeat_every_new_record_is_late() -> None:
    records = [trip(100, 0), beat(100, 0, final=True), trip(100, 1), trip(10**12, 2), trip(100, 1)]
    judged = windows.judge(State(), RULES, stretch(records))
    assert judged.verdicts.tolist() == [ACCEPTED, HEARTBEAT, LATE, LATE, DUPLICATE]
    assert judged.state.finished
    assert verdicts(trip(10**12, 3), state=judged.state) == [LATE]


def test_unnumbered_records_are_neither_duplicates_nor_gaps() -> None:
    judged = windows.judge(State(), RULES, stretch([trip(100, None), trip(100, None), trip(100, 0)]))
    assert judged.verdicts.tolist() == [ACCEPTED] * 3
    assert judged.gaps == ()


def test_a_gap_is_told_once_by_whichever_record_shows_it() -> None:
    judged = windows.judge(State(), RULES, stretch([trip(100, 0), trip(100, 3), beat(100, 6), trip(100, 7)]))
    assert judged.gaps == (windows.Gap(1, 1, 2), windows.Gap(2, 4, 6))


def test_nothing_leaves_the_state_as_it_was() -> None:
    state = State(max_time=5, last_seq=2, finished=True)
    assert windows.judge(state, RULES, stretch([])).state == state


times = st.one_of(st.integers(0, 250), st.integers(0, 40), st.integers(10_000, 10_300))
seqs = st.one_of(st.none(), st.integers(0, 12))
logs = st.lists(
    st.one_of(
        st.builds(trip, times, seqs),
        st.builds(beat, st.integers(0, 250), st.integers(-1, 12), st.sampled_from([False] * 12 + [True])),
    ),
    max_size=40,
)


@settings(max_examples=400, deadline=None)
@given(log=logs, cuts=st.lists(st.integers(0, 40), max_size=3))
def test_columns_at_a_time_are_judged_as_the_oracle_judges_one_by_one(
    log: list[dict[str, Any]], cuts: list[int]
) -> None:
    reference = oracle.State()
    rules = oracle.Rules(PANE, {TRIPS.topic: LATENESS}, AHEAD)
    expected = [NAMES[oracle.judged(record, reference, TRIPS, rules)] for record in log]

    state, found, missing = State(), [], 0
    bounds = [0, *sorted(min(c, len(log)) for c in cuts), len(log)]
    for start, end in pairwise(bounds):
        judged = windows.judge(state, RULES, stretch(log[start:end]))
        state = judged.state
        found += judged.verdicts.tolist()
        missing += sum(gap.last - gap.first + 1 for gap in judged.gaps)

    assert found == expected
    assert state == State(reference.M, reference.last_seq, reference.finished)
    assert missing == reference.tally["missing"]
