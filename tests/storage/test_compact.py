"""Small chunks made into larger ones: what a window holds stays the same, whoever reads meanwhile."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from storage.chunk import OFFSET
from storage.compact import ENOUGH, SMALL, TOGETHER, Chunk, groups, merged
from storage.panes import ChunkCache, load_rows
from storage.results import ResultStore, open_store
from storage.windows import StoredRun, WindowKey
from tests.monitor.feed import (
    FORGET_RESULTS,
    HOUR,
    LATENESS,
    MODEL,
    PANE,
    T0,
    Feed,
    Running,
    StubEngine,
    monitor,
    results,
    rows_at,
    settings,
    until,
)

RUN = StoredRun("r", TAXI, PANE, {"events": LATENESS["trips"], "labels": LATENESS["outcomes"]}, MODEL)

sizes = st.lists(st.sampled_from([1, 2, 63, 64, 500, 1_023, 1_024, 20_000]), max_size=300)


def chunks_of(rows: list[int]) -> list[Chunk]:
    """Neighbours, with a gap of one record between them."""
    starts = np.cumsum([0, *(n + 1 for n in rows)])
    return [Chunk(int(start), n) for start, n in zip(starts, rows, strict=False)]


@given(sizes)
@example([*[1] * 40, 20_000, *[1] * 40])
def test_groups_are_neighbours_that_are_small(rows: list[int]) -> None:
    chunks = chunks_of(rows)
    taken = [chunk for group in groups(chunks) for chunk in group]
    assert len(set(taken)) == len(taken)
    for group in groups(chunks):
        at = chunks.index(group[0])
        assert chunks[at : at + len(group)] == group
        assert all(chunk.rows < SMALL[-1] for chunk in group)
        assert 1 < len(group) <= TOGETHER
        assert sum(chunk.rows for chunk in group) < ENOUGH + SMALL[-1]


@given(sizes)
def test_merging_comes_to_an_end_and_leaves_few_small_ones(rows: list[int]) -> None:
    chunks, copied = chunks_of(rows), 0
    while found := groups(chunks):
        for group in found:
            at = chunks.index(group[0])
            whole = Chunk(group[0].first_offset, sum(chunk.rows for chunk in group))
            chunks[at : at + len(group)] = [whole]
            copied += whole.rows
    assert sum(chunk.rows for chunk in chunks) == sum(rows)
    assert copied <= len(SMALL) * sum(rows)
    large = sum(chunk.rows >= SMALL[-1] for chunk in chunks)
    assert len(chunks) <= (large + 1) * len(SMALL) * TOGETHER + large


@given(st.lists(st.lists(st.integers(T0, T0 + 3 * PANE - 1), min_size=1, max_size=5), min_size=1, max_size=5))
def test_merged_rows_are_sorted_by_pane_and_offset_and_indexed(times: list[list[int]]) -> None:
    batches, at = [], 0
    for part in times:
        batches.append(rows_at(TRIPS, part, range(at, at + len(part)), 0))
        at += len(part)
    made = merged(TRIPS, PANE, batches)
    everything = pa.Table.from_batches(batches)
    order = sorted(range(at), key=lambda n: (everything[TRIPS.time][n].as_py() // PANE, n))
    assert pa.Table.from_batches([made.batch]).equals(everything.take(order).combine_chunks())
    for start, first, count in zip(made.starts, made.firsts, made.counts, strict=True):
        panes = made.batch[TRIPS.time].to_numpy() // PANE * PANE
        assert np.flatnonzero(panes == start).tolist() == [*range(first, first + count)]
    assert sum(made.counts) == at


def trickle(feed: Feed, count: int, partition: int = 0) -> list[Chunk]:
    """A row every two minutes, each a chunk of its own."""
    for n in range(count):
        feed.flush(TRIPS, partition, [T0 + n * 120_000])
    return [Chunk(n, 1) for n in range(count)]


def loaded(store: ResultStore, start: int = T0) -> pa.Table:
    with store.snapshot() as snapshot:
        return load_rows(snapshot, WindowKey("r", TRIPS, HOUR, start), ChunkCache(0)).table


@pytest.mark.integration
def test_windows_hold_the_same_rows_before_and_after(feed: Feed, store: ResultStore) -> None:
    chunks = trickle(feed, 70)
    before = [loaded(store, T0 + hour * HOUR) for hour in range(3)]
    assert [table.num_rows for table in before] == [30, 30, 10]
    assert store.merge(RUN, TRIPS, 0, chunks[3:67])
    assert [loaded(store, T0 + hour * HOUR) for hour in range(3)] == before
    with store.snapshot() as snapshot:
        found = snapshot.chunk_sizes("r", "trips")
    assert found == {0: [*chunks[:3], Chunk(3, 64), *chunks[67:]]}
    ends = feed.connection.execute(
        "SELECT first_offset, last_offset FROM driftline.chunk WHERE rows > 1"
    ).fetchall()
    assert ends == [(3, 66)]


@pytest.mark.integration
def test_a_snapshot_that_is_open_still_reads_what_was_there(feed: Feed, store: ResultStore) -> None:
    chunks = trickle(feed, 5)
    with open_store(feed.url) as other, other.snapshot() as snapshot:
        window = WindowKey("r", TRIPS, HOUR, T0)
        assert len(snapshot.index(window)) == 5
        assert store.merge(RUN, TRIPS, 0, chunks)
        assert load_rows(snapshot, window, ChunkCache(0)).table.num_rows == 5
    assert loaded(store)[OFFSET].to_pylist() == [0, 1, 2, 3, 4]


@pytest.mark.integration
def test_who_comes_second_merges_nothing(feed: Feed, store: ResultStore) -> None:
    chunks = trickle(feed, 5)
    assert store.merge(RUN, TRIPS, 0, chunks[:3])
    assert not store.merge(RUN, TRIPS, 0, chunks[1:])
    assert loaded(store).num_rows == 5


@pytest.mark.integration
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE driftline.chunk SET payload = 'x' WHERE first_offset = 2",
        "UPDATE driftline.pane SET rows = 2 WHERE first_offset = 2",
        "DELETE FROM driftline.pane WHERE first_offset = 2",
    ],
)
def test_what_cannot_be_read_or_does_not_fit_stays_as_it_is(feed: Feed, store: ResultStore, damage: str) -> None:
    chunks = trickle(feed, 5)
    feed.connection.execute(damage)
    everything = "SELECT c.*, p.* FROM driftline.chunk c FULL JOIN driftline.pane p USING (first_offset) ORDER BY 1"
    before = feed.connection.execute(everything).fetchall()
    with pytest.raises(ValueError, match="trips/0@"):
        store.merge(RUN, TRIPS, 0, chunks)
    assert feed.connection.execute(everything).fetchall() == before


@pytest.mark.integration
def test_a_monitor_merges_when_it_has_nothing_else_to_do(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.scheduling.scheduler.COMPACT_S", 0.1)
    for partition in (0, 1):
        trickle(feed, 70, partition)
    feed.flush(OUTCOMES, 0, [T0])
    with Running(settings(feed.url), StubEngine()) as running:
        until(lambda: chunk_count(feed) == 2 * 7 + 1)
        feed.finish()
        running.join()
    expected = results(feed.connection)
    feed.connection.execute(FORGET_RESULTS)
    monitor(feed.url)
    assert results(feed.connection) == expected
    assert expected


@pytest.mark.integration
def test_chunks_that_cannot_be_merged_are_said_once(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.scheduling.scheduler.COMPACT_S", 0.01)
    trickle(feed, 70, 0)
    feed.connection.execute("UPDATE driftline.chunk SET payload = 'x' WHERE first_offset = 2")
    with capture_logs() as logs, Running(settings(feed.url), StubEngine()):
        trickle(feed, 70, 1)
        until(lambda: chunk_count(feed) == 70 + 7)
    assert [entry["event"] for entry in logs].count("chunks_not_merged") == 1


def chunk_count(feed: Feed) -> int:
    row = feed.connection.execute("SELECT count(*) FROM driftline.chunk").fetchone()
    return int(row[0]) if row else 0
