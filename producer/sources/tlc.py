"""Trip records as the NYC Taxi & Limousine Commission publishes them: green and yellow, one parquet file a month.

Files differ from month to month: whole numbers come as floats, columns are missing, all-null or new. They are
read by what their columns mean, and refused only where something is missing that no trip can do without.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from producer.sources import columns
from producer.sources.canonical import DROPOFF, REQUIRED, SCHEMA
from schemas.durations import moment
from schemas.errors import SourceUnusable
from schemas.streams.taxi import TRIPS

log = structlog.get_logger()

TRIP = pa.schema(list(SCHEMA)[1:])
"""A trip as a file has it: canonical, but without an id."""

BATCH = 16_384
"""Rows decoded at a time. TLC's months are one row group each, of up to millions of rows."""

_PREFIXES = {"green": "lpep", "yellow": "tpep"}
_MONTH = re.compile(r"(?<!\d)(\d{4})-(0[1-9]|1[0-2])(?!\d)")
_DO = "give a file of green or yellow trips as TLC publishes them, or --synthetic"
_TYPES = {f.name: f.type for f in TRIPS.fields}
_FEWER = 0.05
"""A month with less than this share of the next one's trips does not belong to a file's period: they are strays."""


class FileColumn(NamedTuple):
    """One column of a file: its name, and which one of that name, from 0."""

    name: str
    number: int = 0


@dataclass(frozen=True)
class File:
    """Trips of one kind of taxi, surveyed but not yet read.

    kind: green or yellow. period: whole months of event time, ms since the epoch, end exclusive.
    rows: trips that have a pickup time. unplaced: rows that have none, and so no place in the replay.
    columns: where the file has each canonical column that it has.
    """

    path: Path
    kind: str
    period: tuple[int, int]
    rows: int
    unplaced: int
    columns: Mapping[str, FileColumn] = field(repr=False)

    @property
    def label(self) -> str:
        """`green-2022-02`; `green-2022-01-to-2022-03` of a file of several months."""
        first, last = (f"{moment(at):%Y-%m}" for at in (self.period[0], self.period[1] - 1))
        return f"{self.kind}-{first}" if first == last else f"{self.kind}-{first}-to-{last}"


def month_period(month: str) -> tuple[int, int]:
    """Parse a month such as `2022-02` into event time, ms since the epoch, end exclusive.

    Raises:
        SourceUnusable: It is no month.
    """
    match = _MONTH.fullmatch(month)
    if match is None:
        raise SourceUnusable(f"{month!r} is not a month", "write it as 2022-02")
    year, number = int(match[1]), int(match[2])
    start = datetime(year, number, 1, tzinfo=UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return round(start.timestamp() * 1_000), round(end.timestamp() * 1_000)


def survey(path: Path) -> File:
    """Survey a file by its columns and pickup times.

    Raises:
        SourceUnusable: It is no file of trips.
    """
    with _open(path) as parquet:
        kind, found = _kind(path, parquet)
        months: Counter[int] = Counter()
        for batch in _batches(path, parquet, [found[TRIPS.time]]):
            pickups = _times(path, found[TRIPS.time].name, batch.column(0)).drop_null()
            months.update(_months(pickups.to_numpy()))
        rows = parquet.metadata.num_rows
    placed = months.total()
    if not placed:
        raise SourceUnusable(f"{path} holds no trip" + (" with a pickup time" if rows else ""), _DO)
    return File(
        path=path, kind=kind, period=_period(path, months), rows=placed, unplaced=rows - placed, columns=found
    )


def trips(file: File) -> Iterator[pa.Table]:
    """Yield the trips with a pickup time, in the order of the file and of schema TRIP, some ten thousand at a time.

    At the end it warns of values that could not be read.

    Raises:
        SourceUnusable: The file is damaged or, at the end, a required column is empty.
    """
    unread: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    names = [name for name in TRIP.names if name in file.columns]
    with _open(file.path) as parquet:
        for batch in _batches(file.path, parquet, [file.columns[name] for name in names]):
            found = {}
            for name, column in zip(names, batch.columns, strict=True):
                values = found[name] = _read(file.path, name, file.columns[name].name, column)
                unread[name] += values.null_count - columns.missing(column)
                filled[name] += len(values) - values.null_count
            absent = {name: pa.nulls(len(batch), TRIP.field(name).type) for name in TRIP.names if name not in found}
            table = pa.table([(found | absent)[name] for name in TRIP.names], schema=TRIP)
            yield table.filter(pc.is_valid(table[TRIPS.time])) if table[TRIPS.time].null_count else table
    for name, rows in unread.items():
        if rows > 0:
            theirs = file.columns[name].name
            log.warning("values_unreadable", file=str(file.path), column=theirs, rows=rows, sent_as="missing")
    for name in REQUIRED:
        if not filled[name]:
            raise SourceUnusable(f"{file.path}: column {file.columns[name].name} contains no values", _DO)


def _read(path: Path, name: str, theirs: str, column: pa.Array) -> pa.Array:
    """A column in its canonical type. name: canonical; theirs: the file's."""
    if name in (TRIPS.time, DROPOFF):
        return _times(path, theirs, column)
    return columns.READERS[_TYPES[name]](column)


def _times(path: Path, name: str, column: pa.Array) -> pa.Array:
    try:
        return columns.times(column)
    except ValueError as error:
        raise SourceUnusable(f"{path}: column {name}: {error}", _DO) from error


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False)  # else it reads whole row groups
    except (OSError, pa.ArrowException) as error:
        what = "cannot be read" if isinstance(error, OSError) and error.errno else "is no parquet file"
        raise SourceUnusable(f"{path} {what} ({_brief(error)})", _DO) from error


def _batches(path: Path, parquet: pq.ParquetFile, wanted: Sequence[FileColumn]) -> Iterator[pa.RecordBatch]:
    """These columns, in this order, some rows at a time. Raises SourceUnusable for a damaged file."""
    names = list(dict.fromkeys(column.name for column in wanted))
    try:
        # By name it gives all that are called so. Its threads would each keep memory of their own.
        for batch in parquet.iter_batches(BATCH, columns=names, use_threads=False):
            places: dict[str, list[int]] = {name: [] for name in names}
            for place, name in enumerate(batch.schema.names):
                places[name].append(place)
            arrays = [batch.column(places[column.name][column.number]) for column in wanted]
            yield pa.record_batch(arrays, names=[str(number) for number in range(len(wanted))])
    except (OSError, pa.ArrowException) as error:
        raise SourceUnusable(f"{path} is damaged ({_brief(error)})", "fetch it again") from error


def _kind(path: Path, parquet: pq.ParquetFile) -> tuple[str, dict[str, FileColumn]]:
    """green or yellow, and its columns. Raises SourceUnusable naming those that are missing, or there twice."""
    pickups = {kind: _their_names(kind)[TRIPS.time] for kind in _PREFIXES}
    kinds = [kind for kind, name in pickups.items() if _columns_named(parquet, name)]
    if len(filled := [kind for kind in kinds if _with_values(parquet, _columns_named(parquet, pickups[kind]))]) > 1:
        raise SourceUnusable(f"{path} contains green and yellow trips", "put each kind into a separate file")
    if not kinds:
        raise SourceUnusable(f"{path} has no column of pickup times (lpep_ or tpep_pickup_datetime)", _DO)
    kind = (filled or kinds)[0]
    named = {name: _columns_named(parquet, theirs) for name, theirs in _their_names(kind).items()}
    if absent := [name for name in (DROPOFF, *REQUIRED) if not named[name]]:
        raise SourceUnusable(f"{path} lacks columns: {', '.join(absent)}", _DO)
    return kind, {name: _choose_column(path, parquet, name, found) for name, found in named.items() if found}


def _their_names(kind: str) -> dict[str, str]:
    """Canonical name → name in a file, lower case, since TLC's own files differ in it."""
    names = {name: name.lower() for name in TRIP.names}
    prefix = _PREFIXES[kind]
    return names | {TRIPS.time: f"{prefix}_pickup_datetime", DROPOFF: f"{prefix}_dropoff_datetime"}


def _columns_named(parquet: pq.ParquetFile, name: str) -> list[FileColumn]:
    """The columns of that name, whatever their case."""
    seen: Counter[str] = Counter()
    found = []
    for theirs in parquet.schema_arrow.names:
        if theirs.lower() == name:
            found.append(FileColumn(theirs, seen[theirs]))
            seen[theirs] += 1
    return found


def _choose_column(path: Path, parquet: pq.ParquetFile, name: str, found: list[FileColumn]) -> FileColumn:
    """The one to read of columns with the same name: all others are empty or equal. Raises SourceUnusable."""
    if len(found) == 1:
        return found[0]
    holding = _with_values(parquet, found) or found[:1]
    for batch in _batches(path, parquet, holding) if len(holding) > 1 else ():
        first, *others = (
            _read(path, name, column.name, values) for column, values in zip(holding, batch.columns, strict=True)
        )
        if any(not first.equals(other) for other in others):
            names = " and ".join(column.name for column in holding)
            raise SourceUnusable(f"{path} has columns {names}, which differ", "leave one of them in the file")
    log.warning("column_repeated", file=str(path), columns=[c.name for c in found], taken=holding[0].name)
    return holding[0]


def _with_values(parquet: pq.ParquetFile, found: list[FileColumn]) -> list[FileColumn]:
    """Those of them that hold any value, as far as the file's statistics say."""
    return [column for column in found if not _is_empty(parquet, column)]


def _is_empty(parquet: pq.ParquetFile, column: FileColumn) -> bool:
    metadata = parquet.metadata
    leaves = [i for i in range(metadata.num_columns) if metadata.schema.column(i).path == column.name]
    parts = (metadata.row_group(group).column(leaves[column.number]) for group in range(metadata.num_row_groups))
    return all((s := part.statistics) is not None and s.null_count == part.num_values for part in parts)


def _months(pickups: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[int, int]:
    """Month since January 1970 → pickups in it."""
    months, counts = np.unique(pickups.astype("M8[ms]").astype("M8[M]").astype(np.int64), return_counts=True)
    return dict(zip(months.tolist(), counts.tolist(), strict=True))


def _period(path: Path, months: Counter[int]) -> tuple[int, int]:
    """The months that the trips are of: a few rows carry years like 2008 or 2041.

    The month in the file's name, where half of the trips or more are of it: names also carry the day of an export.
    Else the month of the median pickup, and those beside it that are not much thinner.
    """
    named = [(int(year) - 1970) * 12 + int(month) - 1 for year, month in _MONTH.findall(path.name)]
    if agreeing := [month for month in named if months[month] * 2 >= months.total()]:
        return _start(agreeing[0]), _start(agreeing[0] + 1)
    first = last = _median(months)
    while months[first - 1] >= months[first] * _FEWER:
        first -= 1
    while months[last + 1] >= months[last] * _FEWER:
        last += 1
    if named and not any(first <= month <= last for month in named):
        log.warning("name_disagrees", file=str(path), trips_of=f"{moment(_start(_median(months))):%Y-%m}")
    return _start(first), _start(last + 1)


def _median(months: Counter[int]) -> int:
    """The month of the median pickup."""
    seen = 0
    for month in sorted(months):
        seen += months[month]
        if seen * 2 > months.total():
            return month
    raise ValueError("no pickups")


def _start(month: int) -> int:
    """Begin of a month since January 1970, ms."""
    return int(np.datetime64(month, "M").astype("M8[ms]").astype(np.int64))


def _brief(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
