from __future__ import annotations

import pyarrow as pa
import pytest

from schemas.streams.taxi import OUTCOMES, TRIPS
from storage import chunk
from tests.partitioning import partition_of


def test_a_key_goes_where_librdkafka_would_send_it() -> None:
    assert [partition_of(key, 4) for key in (b"a", b"b", b"c")] == [3, 1, 3]  # crc32 & 3, from `zlib`'s tables


def test_a_chunk_reads_back_as_it_was_written() -> None:
    columns = {
        f.name: pa.nulls(2, f.type) if f.nullable else pa.array([1, 2]).cast(f.type) for f in chunk.layout(TRIPS)
    }
    batch = pa.RecordBatch.from_pydict(columns, schema=chunk.layout(TRIPS))
    assert chunk.decode(chunk.encode(batch)).equals(batch)


def test_only_trips_carry_a_prediction() -> None:
    assert chunk.PREDICTION in chunk.layout(TRIPS).names
    assert chunk.PREDICTION not in chunk.layout(OUTCOMES).names


def test_a_damaged_chunk_is_refused() -> None:
    with pytest.raises(pa.ArrowInvalid):
        chunk.decode(b"not arrow at all")
