from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.definition import Field
from schemas.streams.taxi import TRIPS
from storage import panes
from storage.chunk import OFFSET, PREDICTION, encode, layout
from storage.panes import ChunkCache, RowCollector, load_rows
from storage.windows import ChunkSlice, WindowKey
from tests.monitor.feed import HOUR, PANE, T0, in_pane_order, rows_at

Log = list[list[int]]  # per partition the event times, by offset


class Chunked:
    """A snapshot of a log that was flushed in some way."""

    def __init__(self, log: Log, cuts: Sequence[Sequence[int]]) -> None:
        self.payloads: dict[tuple[int, int], bytes] = {}
        self.panes: list[tuple[int, int, int, int, int]] = []
        self.asked: list[tuple[int, int]] = []
        for partition, times in enumerate(log):
            edges = sorted({0, len(times), *(cut for cut in cuts[partition] if cut < len(times))})
            for first, last in pairwise(edges):
                batch, index = in_pane_order(
                    rows_at(TRIPS, times[first:last], range(first, last), partition), TRIPS
                )
                self.payloads[partition, first] = encode(batch)
                self.panes += [(start, partition, first, row, rows) for start, row, rows in index]

    def index(self, window: WindowKey) -> list[ChunkSlice]:
        found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for start, partition, first, row, rows in self.panes:
            if window.start <= start < window.end:
                found.setdefault((partition, first), []).append((row, rows))
        return [
            ChunkSlice(*at, min(row for row, _ in parts), sum(rows for _, rows in parts), "1")
            for at, parts in found.items()
        ]

    def chunks(
        self, run_id: str, stream: str, places: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int, bytes]]:
        self.asked += places
        return [(*place, self.payloads[place]) for place in reversed(places)]


WINDOW = WindowKey("r", TRIPS, HOUR, T0)


def expected(log: Log, window: WindowKey = WINDOW) -> pa.Table:
    """The window's rows, sorted by partition and offset, without a chunk anywhere."""
    parts = []
    for partition, times in enumerate(log):
        offsets = [n for n, time in enumerate(times) if window.start <= time < window.end]
        parts.append(pa.table(rows_at(TRIPS, [times[n] for n in offsets], offsets, partition)))
    return pa.concat_tables(parts).combine_chunks()


times = st.integers(T0 - HOUR, T0 + 2 * HOUR - 1)
logs = st.lists(st.lists(times, max_size=12), min_size=1, max_size=3)
cuts = st.lists(st.sets(st.integers(1, 11)).map(sorted), min_size=3, max_size=3)


@given(logs, cuts, st.sampled_from([0, 10**9]))
def test_rows_come_in_one_order_however_they_were_flushed(log: Log, cut: list[list[int]], cache: int) -> None:
    found = load_rows(Chunked(log, cut), WINDOW, ChunkCache(cache))
    assert found.table.equals(expected(log))


@given(logs, cuts)
def test_offsets_are_the_range_of_the_windows_own_rows(log: Log, cut: list[list[int]]) -> None:
    own = {
        str(partition): [n for n, time in enumerate(times) if WINDOW.start <= time < WINDOW.end]
        for partition, times in enumerate(log)
    }
    found = load_rows(Chunked(log, cut), WINDOW, ChunkCache(10**9))
    assert found.offsets == {partition: (min(ns), max(ns)) for partition, ns in own.items() if ns}


def test_a_large_window_is_made_smaller_while_it_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panes, "REDUCE_FROM", 20)
    sizes = []

    def lowest(table: pa.Table) -> pa.Table:
        sizes.append(table.num_rows)
        return table.filter(pa.array(table[PREDICTION].to_numpy() < 4))

    log = [[T0 + n for n in range(200)]] * 2
    seen: list[pa.Table] = []
    chunked = Chunked(log, [range(0, 200, 10)] * 2)
    found = load_rows(chunked, WINDOW, ChunkCache(10**9), reduce=lowest, observe=seen.append)
    everything = expected(log)
    assert sorted(pa.concat_tables(seen)[PREDICTION].to_pylist()) == sorted(everything[PREDICTION].to_pylist())
    assert max(sizes) < 200
    kept = found.table.filter(pa.array(found.table[PREDICTION].to_numpy() < 4))
    assert kept.equals(everything.filter(pa.array(everything[PREDICTION].to_numpy() < 4)).combine_chunks())
    assert found.offsets == {"0": (0, 199), "1": (0, 199)}


def test_only_the_columns_asked_for_are_gathered() -> None:
    found = load_rows(Chunked([[T0]], [[]]), WINDOW, ChunkCache(0), columns=(TRIPS.id, PREDICTION))
    assert found.table.column_names == [OFFSET, TRIPS.id, PREDICTION]


def test_a_window_without_rows_has_the_columns_all_the_same() -> None:
    assert RowCollector(TRIPS).loaded().table.schema == layout(TRIPS)


def test_a_field_may_be_called_partition() -> None:
    records = replace(TRIPS, fields=(Field(name="partition", type="int", role="category"),))
    gathered = RowCollector(records)
    for partition, offsets in ((1, (4, 5)), (0, (7,))):
        gathered.add(partition, rows_at(records, [T0] * len(offsets), offsets, partition))
    found = gathered.loaded()
    assert found.table.schema == layout(records)
    assert found.table[OFFSET].to_pylist() == [7, 4, 5]
    assert found.offsets == {"0": (7, 7), "1": (4, 5)}


def test_neighbouring_windows_share_decoded_chunks() -> None:
    log = [[T0 + n * PANE for n in range(24)]]
    snapshot, cache = Chunked(log, [[]]), ChunkCache(10**9)
    for hour in (0, 1, 0):
        load_rows(snapshot, WindowKey("r", TRIPS, HOUR, T0 + hour * HOUR), cache)
    assert snapshot.asked == [(0, 0)]


def test_the_cache_drops_what_was_used_the_longest_ago() -> None:
    batch = rows_at(TRIPS, [T0] * 100, range(100), 0)
    cache = ChunkCache(int(2.5 * (batch.nbytes + 16_384)))
    places = [("r", "trips", 0, n, "1") for n in range(3)]
    cache.put(places[0], batch)
    cache.put(places[1], batch)
    assert cache.get(places[0]) is batch
    cache.put(places[2], batch)
    assert [cache.get(place) is not None for place in places] == [True, False, True]


def test_a_chunk_of_another_stream_is_refused() -> None:
    snapshot = Chunked([[T0]], [[]])
    batch = rows_at(TRIPS, [T0], [0], 0)
    snapshot.payloads[0, 0] = encode(batch.select([OFFSET]))
    with pytest.raises(ValueError, match="other columns"):
        load_rows(snapshot, WINDOW, ChunkCache(0))


def test_text_that_points_outside_its_chunk_is_refused() -> None:
    snapshot = Chunked([[T0, T0]], [[]])
    batch = rows_at(TRIPS, [T0, T0], [0, 1], 0)
    far = pa.py_buffer(np.array([0, 1_000_000, 1], np.int32).tobytes())
    ids = pa.Array.from_buffers(pa.string(), 2, [None, far, pa.py_buffer(b"x")])
    forged = [ids if name == TRIPS.id else batch[name] for name in batch.schema.names]
    snapshot.payloads[0, 0] = encode(pa.RecordBatch.from_arrays(forged, schema=batch.schema))
    with pytest.raises(ValueError, match="trips/0@0 cannot be read"):
        load_rows(snapshot, WINDOW, ChunkCache(0))


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_a_damaged_chunk_is_refused_or_read_but_never_kills(place: int, byte: int) -> None:
    snapshot = Chunked([[T0 + n for n in range(50)]], [[]])
    payload = bytearray(snapshot.payloads[0, 0])
    payload[place % len(payload)] = byte
    snapshot.payloads[0, 0] = bytes(payload)
    try:
        found = load_rows(snapshot, WINDOW, ChunkCache(0))
    except ValueError as error:
        assert "trips/0@0" in str(error)  # noqa: PT017
    else:
        assert found.table.num_rows == 50
