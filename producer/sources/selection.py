"""Where trips come from: files, a month of TLC's, or the generator; always in event order, in canonical tables."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from producer import encode
from producer.merge import sort_tables
from producer.source import Source
from producer.sources import download, tlc
from producer.sources.canonical import SCHEMA, conform, with_durations
from producer.sources.defaults import KIND, MONTH, MONTHS, SEED, VOLUME
from runtime.connections import STATE, make_folder
from schemas.durations import moment
from schemas.errors import SourceMissing, SourceUnusable, UsageError
from schemas.streams.taxi import TRIPS

log = structlog.get_logger()

LEARNT = 500_000
"""Trips that a model is made from: more than any recent month of green taxis, and 100 MB."""

_FILE = "file"
"""Column of the number of a trip's file, while they are sorted."""


def choose(
    *,
    files: Sequence[Path] = (),
    month: str | None = None,
    synthetic: bool = False,
    kind: str = KIND,
    default_month: str = MONTH,
    seed: int = SEED,
    volume: float = VOLUME,
    or_synthetic: bool = True,
    cache: Path = download.CACHE,
    progress: download.Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Source:
    """Choose the source: files, a month of TLC's, or synthetic trips (of the month, if named).

    Without any of them it is the default month if that is cached or can be downloaded, else synthetic trips, with a
    `note`.

    Args:
        files: TLC files.
        month: Such as `2022-02`.
        synthetic: Whether to generate the trips.
        kind: green or yellow, for a month.
        default_month: Taken without files, month and synthetic.
        seed: Of synthetic trips.
        volume: Of synthetic trips; 1 is the real number of trips.
        or_synthetic: Whether synthetic trips may replace a default month that cannot be downloaded.
        cache: Folder of downloads.
        progress: Called with (bytes so far, bytes in all or None).
        say: Called with a line about the download.

    Raises:
        UsageError: The options exclude one another, or what they name is no source.
        SourceUnusable: The source cannot be downloaded.
    """
    if files and (month or synthetic):
        raise UsageError("--file with --month or --synthetic", "name one source")
    if files:
        try:
            return from_files(files)
        except SourceUnusable as error:
            raise SourceMissing(error.what, error.do) from error
    period = tlc.month_period(month or default_month)
    if synthetic:
        return from_generator(*period, seed=seed, volume=volume)
    try:
        wanted = month or default_month
        return from_files([download.fetch(wanted, kind=kind, cache=cache, progress=progress, say=say)])
    except SourceUnusable as error:
        if month or not or_synthetic:
            raise
        return from_generator(*period, seed=seed, volume=volume, note=_instead(error))


def choose_months(
    *,
    files: Sequence[Path] = (),
    months: Sequence[str] = (),
    synthetic: bool = False,
    kind: str = KIND,
    default_months: Sequence[str] = MONTHS,
    seed: int = SEED,
    volume: float = VOLUME,
    progress: download.Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Source:
    """Choose a source of several months, as `choose` does of one.

    Args:
        files: TLC files.
        months: Such as `2022-02`; synthetic trips are made from the first to the last.
        synthetic: As for `choose`.
        kind: As for `choose`.
        default_months: Taken without files and months.
        seed: As for `choose`.
        volume: As for `choose`.
        progress: As for `choose`.
        say: As for `choose`.

    Raises:
        UsageError: The options exclude one another.
        SourceUnusable: A month cannot be downloaded, or a file not be used.
    """
    if files:
        return choose(files=files, month=next(iter(months), None), synthetic=synthetic)
    wanted = sorted(months or default_months)
    period = tlc.month_period(wanted[0])[0], tlc.month_period(wanted[-1])[1]
    if synthetic:
        return from_generator(*period, seed=seed, volume=volume)
    try:
        return from_files([download.fetch(month, kind=kind, progress=progress, say=say) for month in wanted])
    except SourceUnusable as error:
        if months:
            raise
        return from_generator(*period, seed=seed, volume=volume, note=_instead(error))


def from_files(paths: Sequence[Path]) -> Source:
    """Make a source from TLC files, merged in event order.

    Raises:
        SourceUnusable: One of them cannot be used.
    """
    surveyed = [tlc.survey(path) for path in sorted({path.resolve() for path in paths})]
    files = sorted(surveyed, key=attrgetter("period", "kind", "path"))
    for file in files:
        if file.unplaced:
            log.warning("rows_without_pickup_time", file=str(file.path), rows=file.unplaced, left="out")
    labels = _labels(files)
    return Source(
        name=", ".join(f"TLC {label}" for label in labels),
        period=(min(f.period[0] for f in files), max(f.period[1] for f in files)),
        events=sum(f.rows for f in files),
        tables=lambda: _merged(list(zip(files, labels, strict=True))),
        labelled=with_durations,
    )


def from_generator(
    start_ms: int, end_ms: int, *, seed: int = SEED, volume: float = VOLUME, note: str = ""
) -> Source:
    """Make a source of synthetic trips from start to end (event time, ms since the epoch, end exclusive)."""
    from producer.sources.synthetic import generate  # noqa: PLC0415 - its tables are read at import: only where wanted

    return Source(
        name=f"synthetic {moment(start_ms):%Y-%m-%d} to {moment(end_ms):%Y-%m-%d}, seed {seed}, volume {volume:g}",
        period=(start_ms, end_ms),
        events=None,
        tables=lambda: map(conform, generate(start_ms, end_ms, seed=seed, volume=volume)),
        labelled=with_durations,
        note=note,
    )


def sample(source: Source, most: int = LEARNT) -> pa.Table:
    """Read all trips of a source, or about `most` of them if it has more, in bounded memory.

    The choice depends on the ids alone, so that the same source gives the same sample.
    """
    if source.events is None or source.events <= most:
        return pa.concat_tables(source.tables())
    bound = 2**32 * most // source.events
    return pa.concat_tables(
        table.filter(pa.array(encode.hashes(table[TRIPS.id]) < bound)) for table in source.tables()
    )


def _instead(error: SourceUnusable) -> str:
    return f"{error.what}: synthetic trips instead"


def _labels(files: Sequence[tlc.File]) -> list[str]:
    """One prefix of trip ids for each file; a second file of the same month and kind gets `green-2022-02.2`."""
    seen: Counter[str] = Counter()
    labels = []
    for file in files:
        seen[file.label] += 1
        labels.append(file.label if seen[file.label] == 1 else f"{file.label}.{seen[file.label]}")
    return labels


def _merged(files: Sequence[tuple[tlc.File, str]]) -> Iterator[pa.Table]:
    """All trips in event order, ties in the order of the files; ids count a file's trips in that order."""
    tables = (
        trips.append_column(_FILE, pa.repeat(pa.scalar(number, pa.int16()), len(trips)))
        for number, (file, _) in enumerate(files)
        for trips in tlc.trips(file)
    )
    counts = [0] * len(files)
    for table in sort_tables(tables, TRIPS.time, _room()):
        yield _with_ids(table, [label for _, label in files], counts)


def _with_ids(table: pa.Table, labels: Sequence[str], counts: list[int]) -> pa.Table:
    """Canonical trips. counts: of each file's trips before these; brought up to date."""
    files = table[_FILE].to_numpy()
    numbers = np.empty(len(table), np.int64)
    for file in np.unique(files).tolist():
        places = np.flatnonzero(files == file)
        numbers[places] = np.arange(counts[file], counts[file] + len(places))
        counts[file] += len(places)
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 7, "0")
    ids = pc.binary_join_element_wise(pa.array(labels, pa.string()).take(table[_FILE]), digits, "-")
    return pa.table([ids, *table.drop_columns(_FILE).columns], schema=SCHEMA)


def _room() -> Path:
    """Where large months are sorted: beside our other files, since /tmp is often memory."""
    try:
        return make_folder(STATE)
    except OSError:
        return Path(tempfile.gettempdir())
