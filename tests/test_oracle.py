"""The oracle itself, on logs short enough to judge by eye. Pane 5 s, lateness 10 s, max_ahead 60 s."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from schemas.definition import Field, Records
from tests.oracle import Entry, Reading, Rules, read, windows

STREAM = Records(
    topic="t",
    kind="thing",
    id="id",
    time="at_ms",
    fields=(Field(name="x", type="float", role="number", low=0, high=9),),
)
RULES = Rules(pane=5_000, lateness={"t": 10_000}, max_ahead=60_000)


def thing(at: int, seq: int | None = None, run: str | None = "r", **more: Any) -> bytes:
    return json.dumps(
        {"kind": "thing", "run_id": run, "seq": seq, "id": "i", "at_ms": at, "x": 1.5, **more}
    ).encode()


def beat(at: int, seq: int, **more: Any) -> bytes:
    return json.dumps({"kind": "heartbeat", "run_id": "r", "seq": seq, "at": at, **more}).encode()


def reading(values: Iterable[bytes | None], written_at: int | None = None) -> Reading:
    log = (Entry("t", 0, offset, value, written_at) for offset, value in enumerate(values))
    return read(log, {"t": STREAM}, RULES)


def reasons(values: Iterable[bytes | None], written_at: int | None = None) -> dict[int, str]:
    return {offset: reason for (_, _, offset), (_, reason) in reading(values, written_at).dead.items()}


@pytest.mark.parametrize(("M", "late"), [(14_999, False), (15_000, True), (15_001, True)])
def test_a_record_is_late_from_the_moment_its_panes_end_meets_the_watermark(M: int, late: bool) -> None:
    for first in (thing(M, 0), beat(M, 0)):
        assert reasons([first, thing(4_999, 1)]) == ({1: "late"} if late else {})


@pytest.mark.parametrize(("at", "late"), [(4_999, True), (5_000, False), (5_001, False)])
def test_lateness_is_judged_by_the_end_of_the_pane_not_by_the_record(at: int, late: bool) -> None:
    assert reasons([thing(15_000, 0), thing(at, 1)]) == ({1: "late"} if late else {})


@pytest.mark.parametrize(("ahead", "future"), [(59_999, False), (60_000, False), (60_001, True)])
def test_a_record_more_than_max_ahead_is_future_and_does_not_move_the_watermark(ahead: int, future: bool) -> None:
    values = [beat(100_000, -1), thing(100_000 + ahead, 0), thing(100_000, 1)]
    assert reasons(values) == ({1: "future"} if future else {2: "late"})
    moved_to = reading(values).states["r", "t", 0].M
    assert moved_to == (100_000 if future else 100_000 + ahead)


@pytest.mark.parametrize("first", [3_723_840_000_000, 1_643_674], ids=["2088", "in seconds"])
def test_a_first_record_with_a_wrong_clock_is_a_row_and_its_neighbours_are_too(first: int) -> None:
    values = [thing(first, 0), *(thing(1_643_674_000_000 + n, 1 + n) for n in range(5))]
    assert reasons(values) == {}
    assert reading(values).states["r", "t", 0].M == 1_643_674_000_004


def test_a_first_record_is_future_if_it_lies_beyond_its_own_kafka_timestamp() -> None:
    values = [thing(160_001, 0), thing(160_000, 1), thing(101_000, 2)]
    assert reasons(values, written_at=100_000) == {0: "future", 2: "late"}


def test_a_heartbeat_beyond_its_own_kafka_timestamp_moves_nothing() -> None:
    assert reading([beat(160_001, -1)], written_at=100_000).states["r", "t", 0].M is None
    assert reading([beat(160_000, -1)], written_at=100_000).states["r", "t", 0].M == 160_000


def test_a_hundred_records_that_agree_end_a_rest() -> None:
    values = [beat(1, -1), *(thing(10**6 + n % 7, n) for n in range(120))]
    assert reasons(values) == {1 + n: "future" for n in range(99)}
    broken = [*values[:50], thing(2, 200), *(thing(10**6, 201 + n) for n in range(120))]
    assert reasons(broken) == {n: "future" for n in range(1, 150) if n != 50}


def test_a_heartbeat_moves_the_watermark_any_distance() -> None:
    assert reasons([beat(0, -1), beat(10**12, -1), thing(10**12 - 15_001, 0)]) == {2: "late"}


def test_a_repeated_sequence_number_is_a_duplicate_and_a_skipped_one_is_missing() -> None:
    tally = (
        reading([thing(1, 0), thing(1, 0), thing(1, 3), thing(1, 1), beat(1, 5), beat(1, 5)])
        .states["r", "t", 0]
        .tally
    )
    assert tally == {"accepted": 2, "duplicates": 2, "missing": 4, "heartbeats": 2}


def test_late_and_future_records_use_up_their_sequence_numbers() -> None:
    values = [beat(10**6, -1), thing(1, 0), thing(10**9, 1), thing(10**6, 2)]
    tally = reading(values).states["r", "t", 0].tally
    assert tally == {"heartbeats": 1, "accepted": 1, "late": 1, "future": 1, "missing": 0}


def test_after_the_final_heartbeat_every_new_record_is_late_and_every_old_one_a_duplicate() -> None:
    values = [thing(1, 0), beat(1, 0, final=True), thing(10**12, 1), thing(2, 2), thing(1, 0)]
    assert reasons(values) == {2: "late", 3: "late"}
    assert reading(values).states["r", "t", 0].tally["duplicates"] == 1


def test_runs_and_partitions_do_not_know_of_each_other() -> None:
    log = [Entry("t", 0, 0, thing(10**6, 0)), Entry("t", 1, 0, thing(1, 0)), Entry("t", 0, 1, thing(1, 0, run="s"))]
    assert read(log, {"t": STREAM}, RULES).dead == {}


def test_records_of_no_run_are_live_and_never_duplicates() -> None:
    result = reading([thing(1, run=None), thing(1, run=None), thing(1, seq=0, run=None), thing(1, seq=0, run=None)])
    assert {key: len(rows) for key, rows in result.rows.items()} == {("live", "t", 0): 4}


def test_integral_floats_are_integers_and_a_byte_order_mark_is_none_of_the_record() -> None:
    values = [thing(1, 0).replace(b'"at_ms": 1', b'"at_ms": 1e0'), b"\xef\xbb\xbf" + thing(1, 1), beat(1, 1)]
    values += [thing(1, 2).replace(b'"seq": 2', b'"seq": 2.0'), thing(1, 2)]
    assert reasons(values) == {}
    assert reading(values).states["r", "t", 0].tally == {
        "accepted": 3,
        "heartbeats": 1,
        "duplicates": 1,
        "missing": 0,
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "undecodable"),
        (b"", "undecodable"),
        (b"{", "undecodable"),
        (b"[" * 100_000, "undecodable"),
        (thing(1, 0)[:-1], "undecodable"),
        (b'{"id": "\xff"}', "undecodable"),
        (thing(1, 0, x=float("nan")), "undecodable"),
        (b"[]", "invalid"),
        (thing(1, 0).replace(b'"at_ms": 1', b'"at_ms": 1.5'), "invalid"),
        (thing(1, 0, x=True), "invalid"),
        (thing(1, 0, x="1"), "invalid"),
        (thing(1, 0, x=None), "invalid"),
        (thing(1, 0, x=9.1), "invalid"),
        (thing(-1, 0), "invalid"),
        (thing(4_102_444_800_001, 0), "invalid"),
        (thing(1, 0, run="a b"), "invalid"),
        (thing(1, 0, kind="other"), "invalid"),
        (beat(1, -2), "invalid"),
    ],
)
def test_what_is_no_json_is_undecodable_and_what_does_not_fit_is_invalid(value: bytes | None, reason: str) -> None:
    assert reasons([thing(1, 0), value, thing(1, 1)]) == {1: reason}


def test_windows_of_any_size_are_sums_of_panes() -> None:
    result = reading([thing(at, seq) for seq, at in enumerate([0, 4_999, 5_000, 9_999, 10_000])])
    assert windows(result, 5_000) == {("r", "t", 0): 2, ("r", "t", 5_000): 2, ("r", "t", 10_000): 1}
    assert windows(result, 10_000) == {("r", "t", 0): 4, ("r", "t", 10_000): 1}


def test_every_record_is_counted_once() -> None:
    values = [
        beat(10**6, -1),
        thing(10**6, 0),
        thing(10**6, 0),
        thing(1, 1),
        b"{",
        thing(10**9, 2),
        thing(10**6, 3, x=-1),
    ]
    tallies = [state.tally for state in reading(values).states.values()]
    assert sum(sum(t.values()) - t["missing"] for t in tallies) == len(values)
