"""Trip records as the NYC Taxi & Limousine Commission publishes them: green and yellow, one parquet file a month.

Files differ from month to month: whole numbers come as floats, columns are missing, all-null or new. They are
read by what their columns mean, and refused only where something is missing that no trip can do without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from producer import columns
from producer.canonical import DROPOFF, REQUIRED, SCHEMA
from schemas.durations import moment
from schemas.errors import SourceUnusable
from schemas.taxi import TRIPS

log = structlog.get_logger()

_PREFIXES = {"green": "lpep", "yellow": "tpep"}
_MONTH = re.compile(r"(?<!\d)(\d{4})-(0[1-9]|1[0-2])(?!\d)")
_DO = "give a file of green or yellow trips as TLC publishes them, or --synthetic"


@dataclass(frozen=True)
class File:
    """One month of one kind of taxi, surveyed but not yet read.

    kind: green or yellow. period: event time, ms since the epoch, end exclusive.
    rows: trips that have a pickup time. unplaced: rows that have none, and so no place in the replay.
    """

    path: Path
    kind: str
    period: tuple[int, int]
    rows: int
    unplaced: int

    @property
    def label(self) -> str:
        """`green-2022-02`."""
        return f"{self.kind}-{moment(self.period[0]):%Y-%m}"


def month_period(month: str) -> tuple[int, int]:
    """`2022-02` as event time, ms since the epoch, end exclusive. Raises SourceUnusable for anything else."""
    match = _MONTH.fullmatch(month)
    if match is None:
        raise SourceUnusable(f"{month!r} is not a month", "write it as 2022-02")
    year, number = int(match[1]), int(match[2])
    start = datetime(year, number, 1, tzinfo=UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return round(start.timestamp() * 1_000), round(end.timestamp() * 1_000)


def survey(path: Path) -> File:
    """What a file holds, from its columns and pickup times. Raises SourceUnusable where it is no file of trips."""
    schema = _schema(path)
    kind = _kind(path, schema)
    pickups = columns_of(path, kind, (TRIPS.time,))[TRIPS.time].drop_null().to_numpy()
    rows = _rows(path)
    if not len(pickups):
        raise SourceUnusable(f"{path} holds no trip" + (" with a pickup time" if rows else ""), _DO)
    return File(
        path=path, kind=kind, period=_period(path, pickups), rows=len(pickups), unplaced=rows - len(pickups)
    )


def read(file: File, label: str) -> pa.Table:
    """All trips with a pickup time: canonical, sorted by it (ties as in the file), their ids made from `label`."""
    named = columns_of(file.path, file.kind, SCHEMA.names[1:])
    order = np.argsort(named[TRIPS.time].fill_null(np.iinfo(np.int64).max).to_numpy(), kind="stable")[: file.rows]
    ids = pa.array([f"{label}-{number:07d}" for number in range(file.rows)], pa.string())
    rest = pa.table(list(named.values()), names=list(named)).take(pa.array(order))
    return pa.table([ids, *rest.columns], schema=SCHEMA)


def columns_of(path: Path, kind: str, names: tuple[str, ...] | list[str]) -> dict[str, pa.Array]:
    """Columns of a file by their canonical names, whole and in canonical types. Raises SourceUnusable."""
    theirs = _their_names(kind, _schema(path))
    try:
        raw = pq.read_table(path, columns=[theirs[name] for name in names if name in theirs])
    except (OSError, pa.ArrowException) as error:
        raise SourceUnusable(f"{path} is damaged ({_brief(error)})", "fetch it again") from error
    return {name: _column(path, name, raw, theirs.get(name)) for name in names}


def _column(path: Path, name: str, raw: pa.Table, theirs: str | None) -> pa.Array:
    kind = SCHEMA.field(name).type
    if theirs is None:
        return pa.nulls(raw.num_rows, kind)
    column = _one_chunk(raw[theirs])
    if name in (TRIPS.time, DROPOFF):
        values = _times(path, theirs, column)
    else:
        values = columns.READERS[next(f.type for f in TRIPS.fields if f.name == name)](column)
    unread = values.null_count - columns.missing(column)
    if unread > 0:
        log.warning("values_unreadable", file=str(path), column=theirs, rows=unread, sent_as="missing")
    if name in REQUIRED and values.null_count == len(values):
        raise SourceUnusable(f"{path}: column {theirs} holds no value", _DO)
    return values


def _times(path: Path, name: str, column: pa.Array) -> pa.Array:
    try:
        return columns.times(column)
    except ValueError as error:
        raise SourceUnusable(f"{path}: column {name}: {error}", _DO) from error


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        what = "cannot be read" if isinstance(error, OSError) and error.errno else "is no parquet file"
        raise SourceUnusable(f"{path} {what} ({_brief(error)})", _DO) from error


def _rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def _kind(path: Path, schema: pa.Schema) -> str:
    """green or yellow. Raises SourceUnusable naming the columns that are missing."""
    for kind in _PREFIXES:
        theirs = _their_names(kind, schema)
        if TRIPS.time in theirs:
            absent = [name for name in (DROPOFF, *REQUIRED) if name not in theirs]
            if absent:
                raise SourceUnusable(f"{path} lacks columns: {', '.join(absent)}", _DO)
            return kind
    raise SourceUnusable(f"{path} has no column of pickup times (lpep_ or tpep_pickup_datetime)", _DO)


def _their_names(kind: str, schema: pa.Schema) -> dict[str, str]:
    """Canonical name → name in the file, for those that it has; case does not matter."""
    known = {name.lower(): name for name in schema.names}
    wanted = {name: name.lower() for name in SCHEMA.names[1:]}
    wanted[TRIPS.time] = f"{_PREFIXES[kind]}_pickup_datetime"
    wanted[DROPOFF] = f"{_PREFIXES[kind]}_dropoff_datetime"
    return {name: known[theirs] for name, theirs in wanted.items() if theirs in known}


def _period(path: Path, pickups: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, int]:
    """The month in the file's name, else that of the median pickup: a few rows carry years like 2008 or 2041."""
    if match := _MONTH.search(path.name):
        return month_period(match[0])
    middle = int(np.partition(pickups, len(pickups) // 2)[len(pickups) // 2])
    return month_period(f"{moment(middle):%Y-%m}")


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def _brief(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
