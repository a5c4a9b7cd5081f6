"""External merge sort of tables in bounded memory: sorted runs in a file, merged block by block.

A sliding buffer cannot sort a month of TLC: at the end of the file some vendors' trips start again on the first
day.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from schemas.errors import SourceUnusable

RUN, BLOCK, TABLE = 32_768, 4_096, 10_000


def sort_tables(
    tables: Iterable[pa.Table], by: str, folder: Path, *, run: int = RUN, block: int = BLOCK
) -> Iterator[pa.Table]:
    """Yield the rows of all tables, ascending by a column; ties stay as they came.

    Args:
        tables: Of one schema.
        by: Name of the column; integers, none missing.
        folder: Holds the runs, in a temporary file without a name, which disappears however the process ends.
        run: Rows that are sorted in memory; tables of no more rows than this need no file.
        block: Rows of each run that are in memory while they are merged.

    Raises:
        SourceUnusable: The file cannot be written.
    """
    runs = _runs(tables, by, run)
    first = [*islice(runs, 2)]
    if len(first) < 2:
        yield from first
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        places = _write(_drain(first, runs), file, by, block, folder)
        with pa.ipc.open_file(file) as blocks:
            yield from _merge([_Run(number, *place, blocks, by) for number, place in enumerate(places)], by, TABLE)


def _drain(first: list[pa.Table], rest: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the tables without keeping any of them in memory."""
    while first:
        yield first.pop(0)
    yield from rest


def _runs(tables: Iterable[pa.Table], by: str, rows: int) -> Iterator[pa.Table]:
    """Yield sorted tables of about `rows` rows each."""
    buffered: list[pa.Table] = []
    for table in tables:
        buffered.append(table)
        if sum(map(len, buffered)) >= rows:
            yield _sorted(buffered, by)
    if buffered:
        yield _sorted(buffered, by)


def _sorted(tables: list[pa.Table], by: str) -> pa.Table:
    """Return all rows in order. Empties the list, so that at most two copies are in memory."""
    whole = pa.concat_tables(tables).combine_chunks()
    tables.clear()
    times = whole[by].to_numpy()
    return whole if (np.diff(times) >= 0).all() else whole.take(pa.array(np.argsort(times, kind="stable")))


def _write(runs: Iterable[pa.Table], file: IO[bytes], by: str, block: int, folder: Path) -> list[tuple[range, int]]:
    """Write the runs one after the other; return the blocks of each in the file, and the time of its first row."""
    places: list[tuple[range, int]] = []
    begin, writer = 0, None
    try:
        for run in runs:
            writer = writer or pa.ipc.new_file(file, run.schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
            batches = run.combine_chunks().to_batches(block)
            for batch in batches:
                writer.write_batch(batch)
            places.append((range(begin, begin + len(batches)), run[by][0].as_py()))
            begin += len(batches)
            del run, batches, batch  # free it before the next one is read and sorted
        if writer is not None:
            writer.close()
    except OSError as error:
        what = f"trips cannot be sorted in {folder} ({error.strerror or error})"
        raise SourceUnusable(what, "free 100 bytes per trip there") from error
    return places


class _Run:
    """One sorted run, read a block at a time; the first once its turn comes, since most begin where others end.

    first: time of its first row.
    """

    def __init__(self, number: int, places: range, first: int, blocks: Any, by: str) -> None:
        self.number, self._by, self._first = number, by, first
        self._blocks, self._unread = blocks, iter(places)
        self._none = self._rows = blocks.schema.empty_table()
        self._times = np.empty(0, np.int64)
        self.is_read = False

    @property
    def last(self) -> tuple[int, int]:
        """Sort key of the last row in memory; before the first block is loaded, of the first in the file."""
        return int(self._times[-1]) if len(self._times) else self._first, self.number

    def load(self) -> None:
        """Replace the rows in memory by the next block."""
        place = next(self._unread, None)
        self.is_read = place is None
        if place is not None:
            self._rows = pa.Table.from_batches([self._blocks.get_batch(place)])
            self._times = self._rows[self._by].to_numpy()

    def up_to(self, limit: tuple[int, int]) -> pa.Table:
        """Remove and return the rows in memory that sort no later than `limit` among all runs."""
        time, number = limit
        if not len(self._times) or self._times[0] > time:
            return self._none
        count = int(np.searchsorted(self._times, time, side="right" if self.number <= number else "left"))
        found, self._rows, self._times = self._rows.slice(0, count), self._rows.slice(count), self._times[count:]
        return found


def _merge(runs: list[_Run], by: str, rows: int) -> Iterator[pa.Table]:
    """Yield all rows in order, in tables of `rows` rows or some more.

    Rows in memory may be yielded up to the smallest last row of all blocks: no row still in the file sorts before
    it.
    """
    buffered: list[pa.Table] = []
    while runs:
        first = min(runs, key=lambda run: run.last)
        limit = first.last
        buffered += filter(len, [run.up_to(limit) for run in runs])
        first.load()
        runs = [run for run in runs if not run.is_read]
        if sum(map(len, buffered)) >= rows or not runs:
            yield _sorted(buffered, by)
