from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.scheduling.readiness import (
    END,
    NEVER,
    UNKNOWN,
    Patience,
    Watermarks,
    advanced,
    both,
    due,
    growing,
    is_due,
    is_idle,
    start_of,
    topic_watermarks,
)
from schemas.status import RANK
from storage.windows import PartitionProgress, RowCounts, WindowScan, WrittenResult

PATIENCE = Patience(alive=10_000, idle=30_000)
NOW = 1_000_000
L = 600

busy = PartitionProgress(next_offset=5, log_end=5, max_event_time=10_000, beat_at=NOW, caught_up_since=NOW - 10)
idle = PartitionProgress(next_offset=5, log_end=5, max_event_time=2_000, beat_at=NOW, caught_up_since=NOW - 30_001)


def test_the_watermark_is_the_minimum_over_partitions_less_the_lateness() -> None:
    ahead = PartitionProgress(next_offset=9, log_end=9, max_event_time=90_000, beat_at=NOW)
    assert topic_watermarks([busy, ahead], L, NOW, PATIENCE) == Watermarks(9_400, 9_400)


def test_a_window_closes_exactly_when_its_end_is_reached() -> None:
    at = topic_watermarks([busy], L, NOW, PATIENCE)
    assert [at.closing(end) for end in (9_399, 9_400, 9_401)] == ["final", "final", "open"]


def test_an_idle_partition_is_left_out_and_what_closes_is_provisional() -> None:
    at = topic_watermarks([busy, idle], L, NOW, PATIENCE)
    assert at == Watermarks(9_400, 1_400)
    assert [at.closing(end) for end in (1_400, 1_401, 9_400, 9_401)] == [
        "final",
        "provisional",
        "provisional",
        "open",
    ]


def test_idleness_begins_just_beyond_the_timeout() -> None:
    at_timeout = PartitionProgress(next_offset=5, log_end=5, beat_at=NOW, caught_up_since=NOW - 30_000)
    assert not is_idle(at_timeout, NOW, PATIENCE)
    assert is_idle(at_timeout, NOW + 1, PATIENCE)


def test_a_dead_consumer_does_not_live_on_because_the_clock_was_set_back() -> None:
    dead = PartitionProgress(next_offset=5, log_end=5, beat_at=NOW + 200_000, caught_up_since=NOW - 30_001)
    assert not is_idle(dead, NOW, PATIENCE)


def test_a_partition_with_more_to_read_is_not_idle() -> None:
    behind = PartitionProgress(next_offset=4, log_end=5, beat_at=NOW, caught_up_since=NOW - 99_000)
    assert not is_idle(behind, NOW, PATIENCE)


def test_a_partition_of_a_dead_owner_blocks_however_long_nothing_came() -> None:
    dead = PartitionProgress(
        next_offset=5, log_end=5, max_event_time=2_000, beat_at=NOW - 10_000, caught_up_since=0
    )
    assert topic_watermarks([busy, dead], L, NOW, PATIENCE) == Watermarks(1_400, 1_400)
    unowned = PartitionProgress(next_offset=0, log_end=0, caught_up_since=0)
    assert topic_watermarks([busy, unowned], L, NOW, PATIENCE) == UNKNOWN


def test_a_partition_never_written_to_blocks_until_it_is_idle() -> None:
    empty = PartitionProgress(next_offset=0, log_end=0, beat_at=NOW, caught_up_since=NOW - 50)
    assert topic_watermarks([busy, empty], L, NOW, PATIENCE) == UNKNOWN
    assert topic_watermarks([busy, empty], L, NOW, Patience(alive=10_000, idle=49)) == Watermarks(9_400, NEVER)


def test_when_all_are_idle_everything_closes_provisionally() -> None:
    at = topic_watermarks([idle, idle], L, NOW, PATIENCE)
    assert at == Watermarks(END, 1_400)
    assert at.closing(2**60) == "provisional"


def test_a_finished_run_closes_everything_for_good() -> None:
    done = PartitionProgress(next_offset=5, log_end=5, max_event_time=1, finished=True)
    assert topic_watermarks([done, done], L, NOW, PATIENCE) == Watermarks(END, END)
    assert topic_watermarks([done, busy], L, NOW, PATIENCE) == Watermarks(9_400, 9_400)


def test_nothing_is_known_of_a_topic_without_partitions() -> None:
    assert topic_watermarks([], L, NOW, PATIENCE) == UNKNOWN


def test_a_joined_stream_is_as_far_as_both() -> None:
    assert both(Watermarks(10, 8), Watermarks(9, 9)) == Watermarks(9, 8)


def test_starts_are_whole_windows_and_the_ends_of_time_stay() -> None:
    assert [start_of(t, 10) for t in (0, 9, 10, 11, NEVER, END)] == [0, 0, 10, 10, NEVER, END]


def test_a_provisional_window_that_got_more_rows_waits_until_it_closes_again() -> None:
    written = WrittenResult("provisional", RowCounts(3))
    assert not is_due(RowCounts(4), written, "open")
    assert is_due(RowCounts(4), written, "provisional")
    assert not is_due(RowCounts(3), written, "provisional")
    assert is_due(RowCounts(3), written, "final")


def test_an_open_window_is_shown_again_only_when_it_grew() -> None:
    assert is_due(RowCounts(1), None, "open")
    assert not is_due(RowCounts(1), WrittenResult("open", RowCounts(1)), "open")
    assert is_due(RowCounts(2), WrittenResult("open", RowCounts(1)), "open")
    assert is_due(RowCounts(1, joined=5), WrittenResult("open", RowCounts(1, joined=4)), "open")


def test_nothing_is_due_of_what_is_final() -> None:
    for status in ("final", "insufficient"):
        assert not is_due(RowCounts(3), WrittenResult(status, RowCounts(3)), "final")
        assert is_due(RowCounts(4), WrittenResult(status, RowCounts(3)), "final")


times = st.integers(min_value=0, max_value=100_000)
partitions = st.builds(
    PartitionProgress,
    next_offset=st.integers(0, 3),
    log_end=st.integers(0, 3),
    max_event_time=st.none() | times,
    finished=st.booleans(),
    beat_at=st.none() | st.integers(NOW - 20_000, NOW),
    caught_up_since=st.none() | st.integers(NOW - 60_000, NOW),
)


@given(st.lists(partitions, max_size=5), st.integers(0, 1_000))
def test_the_strict_watermark_never_leads(parts: list[PartitionProgress], lateness: int) -> None:
    at = topic_watermarks(parts, lateness, NOW, PATIENCE)
    assert at.strict <= at.watermark


@given(st.lists(partitions, min_size=1, max_size=5), st.integers(0, 1_000), times)
def test_a_final_window_is_one_that_every_partition_has_passed(
    parts: list[PartitionProgress], lateness: int, end: int
) -> None:
    passed = all(p.finished or (p.max_event_time is not None and end <= p.max_event_time - lateness) for p in parts)
    assert (topic_watermarks(parts, lateness, NOW, PATIENCE).closing(end) == "final") == passed


@given(st.lists(partitions, min_size=1, max_size=5), st.integers(0, 4))
def test_who_moves_on_never_lowers_the_strict_watermark(parts: list[PartitionProgress], which: int) -> None:
    before = topic_watermarks(parts, L, NOW, PATIENCE).strict
    mover = parts[which % len(parts)]
    moved = PartitionProgress(
        next_offset=9, log_end=9, max_event_time=(mover.max_event_time or 0) + 7, finished=mover.finished
    )
    assert topic_watermarks([moved if p is mover else p for p in parts], L, NOW, PATIENCE).strict >= before


rows = st.builds(RowCounts, st.integers(1, 3), st.integers(0, 2))
starts = st.integers(0, 9).map(lambda n: n * 10)
scans = st.builds(
    WindowScan,
    size=st.just(10),
    start=st.just(0),
    end=st.sampled_from([50, 100]),
    holds=st.dictionaries(starts, rows),
    written=st.dictionaries(starts, st.builds(WrittenResult, st.sampled_from([*RANK]), rows)),
)
both_marks = st.tuples(st.integers(0, 120), st.integers(0, 120)).map(lambda pair: Watermarks(max(pair), min(pair)))


@given(scans, both_marks, st.integers(0, 5))
def test_the_frontier_passes_only_what_is_final(scan: WindowScan, at: Watermarks, behind: int) -> None:
    frontier = advanced(behind * 10, scan, at)
    assert frontier >= behind * 10
    assert frontier % 10 == 0
    for start, holds in scan.holds.items():
        if behind * 10 <= start < frontier:
            assert at.closing(start + 10) == "final"
            assert RANK[scan.written[start].status] == 2
            assert not holds.more_than(scan.written[start].counts)
    assert frontier == behind * 10 or frontier <= min(scan.end, start_of(at.strict, 10))


@given(scans, both_marks, st.integers(1, 5))
def test_every_window_with_rows_is_due_or_growing_or_has_what_it_needs(
    scan: WindowScan, at: Watermarks, min_rows: int
) -> None:
    closed, filling = due(scan, at), growing(scan, at, min_rows)
    assert not set(closed) & set(filling)
    for start in scan.holds:
        closing = at.closing(start + 10)
        wanted = is_due(scan.holds[start], scan.written.get(start), closing)
        assert (start in closed) == (wanted and closing != "open")
        shown = scan.holds[start].rows >= min_rows or start in scan.written
        assert (start in filling) == (wanted and closing == "open" and shown)


def test_a_scan_that_begins_beyond_the_frontier_does_not_move_it() -> None:
    assert advanced(10, WindowScan(10, 20, 50, {}, {}), Watermarks(100, 100)) == 10


def test_windows_without_rows_are_passed_by() -> None:
    assert advanced(0, WindowScan(10, 0, END, {}, {}), Watermarks(END, END)) == END
    assert advanced(NEVER, WindowScan(10, NEVER, 40, {}, {}), Watermarks(57, 47)) == 40
