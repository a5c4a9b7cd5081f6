from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer import windows
from consumer.windows import (
    ACCEPTED,
    DUPLICATE,
    FUTURE,
    HEARTBEAT,
    LATE,
    UNNUMBERED,
    LatenessPolicy,
    RecordSequence,
    State,
)
from schemas.streams.taxi import TRIPS
from tests import oracle

PANE, LATENESS, AHEAD = 10, 20, 100
AGREEING = 4
RULES = LatenessPolicy(pane=PANE, lateness=LATENESS, max_ahead=AHEAD, agreeing=AGREEING)
NAMES = {
    "accepted": ACCEPTED,
    None: ACCEPTED,
    "duplicates": DUPLICATE,
    "late": LATE,
    "future": FUTURE,
    "heartbeats": HEARTBEAT,
}


def trip(time: int, seq: int | None, written_at: int | None = None) -> dict[str, Any]:
    return {"run_id": "r", "seq": seq, "pickup_at": time, "written_at": written_at}


def trips(*times: int) -> list[dict[str, Any]]:
    """One after the other, unnumbered."""
    return [trip(time, None) for time in times]


def beat(at: int, seq: int = -1, final: bool = False, written_at: int | None = None) -> dict[str, Any]:
    return {
        "kind": "heartbeat",
        "run_id": "r",
        "seq": seq,
        "at": at,
        "final": final,
        "written_at": written_at,
    }


def stretch(records: list[dict[str, Any]]) -> RecordSequence:
    beats = [r.get("kind") == "heartbeat" for r in records]
    return RecordSequence(
        times=np.array([r["at"] if b else r["pickup_at"] for r, b in zip(records, beats, strict=True)], np.int64),
        seqs=np.array([UNNUMBERED if r["seq"] is None else r["seq"] for r in records], np.int64),
        beats=np.array(beats, bool),
        finals=np.array([r.get("final", False) for r in records], bool),
        written_at=lambda index: records[index]["written_at"],
    )


def verdicts(*records: dict[str, Any], state: State | None = None) -> list[int]:
    return windows.classify(state or State(), RULES, stretch(list(records))).verdicts.tolist()


@pytest.mark.parametrize(
    ("max_time", "expected"), [(129, ACCEPTED), (130, LATE), (131, LATE)], ids=["1 ms before", "at", "1 ms after"]
)
def test_a_trip_is_late_from_the_very_moment_its_pane_ends_at_m_less_lateness(max_time: int, expected: int) -> None:
    """Its pane is [100, 110): 110 <= M - 20 from M = 130 on."""
    for time in (100, 109):
        assert verdicts(beat(max_time), trip(time, 0)) == [HEARTBEAT, expected]


@pytest.mark.parametrize(("time", "expected"), [(200, ACCEPTED), (201, FUTURE)])
def test_a_trip_may_be_ahead_by_max_ahead_and_not_a_millisecond_more(time: int, expected: int) -> None:
    assert verdicts(beat(100), trip(time, 0)) == [HEARTBEAT, expected]


@pytest.mark.parametrize("wrong", [5_000_000_000, 0], ids=["2088", "epoch seconds"])
def test_a_first_record_with_a_wrong_clock_harms_none_of_those_after_it(wrong: int) -> None:
    classified = windows.classify(State(), RULES, stretch(trips(wrong, 2_000, 2_010, 2_020)))
    assert classified.verdicts.tolist() == [ACCEPTED] * 4
    assert classified.state == State(max_time=2_020)


def test_the_clock_is_unset_until_a_second_record_agrees() -> None:
    first = windows.classify(State(), RULES, stretch([trip(1_000, 0)])).state
    assert first == State(last_seq=0, candidate=1_000, agreed=1)
    assert windows.classify(first, RULES, stretch([trip(900, 1)])).state == State(max_time=1_000, last_seq=1)
    assert windows.classify(first, RULES, stretch([trip(899, 1)])).state == State(None, 1, False, 899, 1)


def test_the_same_record_twice_does_not_agree_with_itself() -> None:
    records = [trip(5_000, 0), trip(5_000, 0), trip(100, 1), trip(100, 2)]
    classified = windows.classify(State(), RULES, stretch(records))
    assert classified.verdicts.tolist() == [ACCEPTED, DUPLICATE, ACCEPTED, ACCEPTED]
    assert classified.state.max_time == 100


@pytest.mark.parametrize(("at", "expected"), [(1_000, 1_050), (1_100, 1_100), (2_000, 2_000), (100, 100)])
def test_a_first_heartbeat_sets_the_clock_with_a_record_that_agrees(at: int, expected: int) -> None:
    state = windows.classify(State(), RULES, stretch([trip(1_050, 0), beat(at)])).state
    assert state == State(max_time=expected, last_seq=0)


@pytest.mark.parametrize(("ahead", "expected"), [(AHEAD, ACCEPTED), (AHEAD + 1, FUTURE)])
def test_a_first_record_beyond_its_kafka_timestamp_is_from_the_future(ahead: int, expected: int) -> None:
    records = [trip(1_000 + ahead, 0, written_at=1_000), trip(1_095, 1, written_at=1_000)]
    assert verdicts(*records) == [expected, ACCEPTED]


def test_a_first_record_years_before_its_kafka_timestamp_is_that_of_a_replay() -> None:
    classified = windows.classify(State(), RULES, stretch([trip(1_000, n, written_at=10**12) for n in range(2)]))
    assert classified.verdicts.tolist() == [ACCEPTED, ACCEPTED]
    assert classified.state.max_time == 1_000


@pytest.mark.parametrize("before", [[], [beat(100)]], ids=["no clock", "a clock"])
def test_a_heartbeat_beyond_its_kafka_timestamp_moves_nothing(before: list[dict[str, Any]]) -> None:
    records = [*before, beat(1_101, written_at=1_000), trip(100, 0), trip(101, 1)]
    classified = windows.classify(State(), RULES, stretch(records))
    assert classified.verdicts.tolist()[-3:] == [HEARTBEAT, ACCEPTED, ACCEPTED]
    assert classified.state.max_time == 101


def test_a_stray_year_does_not_move_the_watermark() -> None:
    records = [beat(100), trip(100, 0), trip(10**12, 1), trip(10**12, 2), trip(101, 3)]
    classified = windows.classify(State(), RULES, stretch(records))
    assert classified.verdicts.tolist() == [HEARTBEAT, ACCEPTED, FUTURE, FUTURE, ACCEPTED]
    assert classified.state == State(max_time=101, last_seq=3)


def test_after_a_rest_longer_than_max_ahead_enough_records_that_agree_move_the_clock() -> None:
    classified = windows.classify(State(max_time=100), RULES, stretch(trips(1_000, 1_010, 990, 1_020, 1_030, 980)))
    assert classified.verdicts.tolist() == [FUTURE] * (AGREEING - 1) + [ACCEPTED, ACCEPTED, LATE]
    assert classified.state == State(max_time=1_030)


def test_a_hundred_records_that_agree_are_enough() -> None:
    rules = LatenessPolicy(PANE, LATENESS, AHEAD)
    classified = windows.classify(State(max_time=100), rules, stretch(trips(*[10_000] * 120)))
    assert classified.verdicts.tolist() == [FUTURE] * 99 + [ACCEPTED] * 21


@pytest.mark.parametrize(
    "between",
    [[trip(101, None)], [trip(5_000, None)], trips(-50)],
    ids=["in time", "of yet another time", "late"],
)
def test_a_row_of_records_ahead_ends_with_one_that_does_not_agree(between: list[dict[str, Any]]) -> None:
    records = [*trips(1_000, 1_000, 1_000), *between, *trips(1_000, 1_000, 1_000)]
    classified = windows.classify(State(max_time=100), RULES, stretch(records))
    assert classified.verdicts.tolist()[-3:] == [FUTURE] * 3
    assert (classified.state.candidate, classified.state.agreed) == (1_000, 3)


def test_a_row_of_records_ahead_ends_with_a_stretch_that_is_not() -> None:
    before = State(max_time=100, candidate=1_000, agreed=3)
    assert windows.classify(before, RULES, stretch(trips(101, 102))).state == State(max_time=102)
    waiting = windows.classify(before, RULES, stretch([beat(150)])).state
    assert waiting == State(max_time=150, candidate=1_000, agreed=3)


def test_records_beyond_their_kafka_timestamp_never_move_the_clock_nor_end_a_row() -> None:
    wrong = [trip(9_000, None, written_at=500)] * 20
    classified = windows.classify(
        State(max_time=100), RULES, stretch([*trips(1_000, 1_000), *wrong, *trips(1_000, 1_000)])
    )
    assert classified.verdicts.tolist() == [FUTURE] * 23 + [ACCEPTED]
    assert classified.state == State(max_time=1_000)


def test_a_heartbeat_within_a_row_never_lets_the_clock_go_back() -> None:
    records = [*trips(250, 250), beat(170), *trips(300, 300)]
    classified = windows.classify(State(max_time=100), RULES, stretch(records))
    assert classified.state.max_time == 300


def test_nobody_asks_for_kafka_timestamps_where_nothing_is_ahead() -> None:
    def never(_: int) -> int:
        raise AssertionError

    calm = stretch([beat(100), trip(100, 0), trip(150, 1)])
    classified = windows.classify(State(max_time=100), RULES, replace(calm, written_at=never))
    assert classified.verdicts.tolist() == [HEARTBEAT, ACCEPTED, ACCEPTED]


def test_a_heartbeat_moves_the_watermark_however_far() -> None:
    classified = windows.classify(State(), RULES, stretch([trip(100, 0), beat(10**12, 0), trip(101, 1)]))
    assert classified.verdicts.tolist() == [ACCEPTED, HEARTBEAT, LATE]


def test_a_duplicate_moves_nothing_even_with_another_time() -> None:
    classified = windows.classify(State(), RULES, stretch([trip(100, 0), trip(190, 0), trip(100, 1), trip(100, 2)]))
    assert classified.verdicts.tolist() == [ACCEPTED, DUPLICATE, ACCEPTED, ACCEPTED]
    assert classified.state.max_time == 100


def test_after_the_final_heartbeat_every_new_record_is_late() -> None:
    records = [trip(100, 0), beat(100, 0, final=True), trip(100, 1), trip(10**12, 2), trip(100, 1)]
    classified = windows.classify(State(), RULES, stretch(records))
    assert classified.verdicts.tolist() == [ACCEPTED, HEARTBEAT, LATE, LATE, DUPLICATE]
    assert (classified.state.finished, classified.state.max_time) == (True, 100)
    assert verdicts(trip(10**12, 3), state=classified.state) == [LATE]


def test_unnumbered_records_are_neither_duplicates_nor_gaps() -> None:
    classified = windows.classify(State(), RULES, stretch([trip(100, None), trip(100, None), trip(100, 0)]))
    assert classified.verdicts.tolist() == [ACCEPTED] * 3
    assert classified.gaps == ()


def test_a_gap_is_reported_once_by_whichever_record_shows_it() -> None:
    classified = windows.classify(State(), RULES, stretch([trip(100, 0), trip(100, 3), beat(100, 6), trip(100, 7)]))
    assert classified.gaps == (windows.Gap(1, 1, 2), windows.Gap(2, 4, 6))


def test_nothing_leaves_the_state_as_it_was() -> None:
    state = State(max_time=5, last_seq=2, finished=True)
    assert windows.classify(state, RULES, stretch([])).state == state


times = st.one_of(st.integers(0, 250), st.integers(0, 40), st.integers(10_000, 10_300))
seqs = st.one_of(st.none(), st.integers(0, 12))
stamps = st.one_of(st.none(), st.sampled_from([0, 100, 5_000, 10_100]))
ends = st.sampled_from([False] * 12 + [True])
logs = st.lists(
    st.one_of(
        st.builds(trip, times, seqs, stamps),
        st.builds(trip, st.one_of(st.integers(10_000, 10_120), st.integers(400, 450)), st.none(), st.none()),
        st.builds(beat, times, st.integers(-1, 12), ends, stamps),
    ),
    max_size=40,
)


@settings(max_examples=600, deadline=None)
@given(log=logs, cuts=st.lists(st.integers(0, 40), max_size=3))
def test_columns_at_a_time_are_judged_as_the_oracle_judges_one_by_one(
    log: list[dict[str, Any]], cuts: list[int]
) -> None:
    reference = oracle.State()
    rules = oracle.Rules(PANE, {TRIPS.topic: LATENESS}, AHEAD, AGREEING)
    expected = [NAMES[oracle.classify(r, reference, TRIPS, rules, r["written_at"])] for r in log]

    state, found, missing = State(), [], 0
    bounds = [0, *sorted(min(c, len(log)) for c in cuts), len(log)]
    for start, end in pairwise(bounds):
        classified = windows.classify(state, RULES, stretch(log[start:end]))
        state = classified.state
        found += classified.verdicts.tolist()
        missing += sum(gap.last - gap.first + 1 for gap in classified.gaps)

    assert found == expected
    assert state == State(*reference.stored)
    assert missing == reference.tally["missing"]
