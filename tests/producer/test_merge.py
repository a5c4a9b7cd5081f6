from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer import merge
from producer.merge import sort_tables
from schemas.errors import SourceUnusable


def tables(times: Sequence[int], cut: int) -> list[pa.Table]:
    """Rows numbered in the order in which they come, in tables of `cut` rows."""
    whole = pa.table({"at": pa.array(times, pa.int64()), "row": pa.array(range(len(times)), pa.int64())})
    return [whole.slice(begin, cut) for begin in range(0, len(times), cut)]


def sorted_rows(times: Sequence[int], folder: Path, **limits: int) -> list[int]:
    found = sort_tables(tables(times, cut=7), "at", folder, **limits)
    return [row for table in found for row in table["row"].to_pylist()]


@settings(max_examples=200, deadline=None)
@given(
    times=st.lists(st.integers(0, 20), max_size=200),
    run=st.integers(1, 60),
    block=st.integers(1, 20),
)
def test_rows_come_in_order_with_ties_as_they_came_whatever_is_in_memory(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], run: int, block: int
) -> None:
    expected = np.argsort(times, kind="stable").tolist()
    assert sorted_rows(times, tmp_path_factory.getbasetemp(), run=run, block=block) == expected


def test_a_file_whose_end_goes_back_to_its_start_is_merged_a_block_at_a_time(tmp_path: Path) -> None:
    times = [*range(50_000), *range(0, 50_000, 5)]
    found = list(sort_tables(tables(times, cut=500), "at", tmp_path, run=5_000, block=100))
    assert pa.concat_tables(found)["at"].to_pylist() == sorted(times)
    assert max(map(len, found)) <= merge.TABLE + 12 * 100, "no more than a block of each run"


def test_runs_that_follow_one_another_are_read_one_at_a_time(tmp_path: Path) -> None:
    """Of a month in order no more is in memory the longer it is."""
    peaks = []
    for rows in (20_000, 200_000):
        times = (pa.table({"at": pa.array(range(at, at + 500), pa.int64())}) for at in range(0, rows, 500))
        before, peak = pa.total_allocated_bytes(), 0
        for _ in sort_tables(times, "at", tmp_path, run=2_000, block=1_000):
            peak = max(peak, pa.total_allocated_bytes() - before)
        peaks.append(peak)
    assert peaks[1] <= peaks[0] * 1.5


def test_what_is_sorted_in_memory_touches_no_disk(tmp_path: Path) -> None:
    assert sorted_rows([3, 1, 2], tmp_path / "absent") == [1, 2, 0]
    assert sorted_rows([], tmp_path / "absent") == []


def test_nothing_is_left_on_disk_even_when_the_reader_stops_half_way(tmp_path: Path) -> None:
    merging = sort_tables(tables([*range(100, 0, -1)], cut=7), "at", tmp_path, run=10, block=3)
    next(merging)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_says_where_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """A file on a disk without room."""

        def __init__(self, file: IO[bytes]) -> None:
            self.file = file

        def write(self, content: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    write = merge._write
    monkeypatch.setattr(merge, "_write", lambda runs, file, *rest: write(runs, Full(file), *rest))  # type: ignore[arg-type]
    with pytest.raises(SourceUnusable, match=rf"{tmp_path} .*No space left on device.*: free"):
        sorted_rows([3, 2, 1] * 10, tmp_path, run=5, block=5)
