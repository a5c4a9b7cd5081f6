from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from producer.sources import download, tlc
from producer.sources import selection as source
from producer.sources.canonical import SCHEMA, conform
from runtime.connections import ROOT
from schemas.durations import moment_ms
from schemas.errors import SourceUnusable, UsageError
from tests.producer.trips import FIELDS

DATA = Path(os.environ.get("DRIFTLINE_DATA", ROOT / "../shared/data/tlc")).resolve()


def green(path: Path, *pickups: str) -> Path:
    stamps = pa.array([moment_ms(t) * 1_000 for t in pickups], pa.timestamp("us"))
    fields = {name: pa.array([value] * len(pickups)) for name, value in FIELDS.items()}
    pq.write_table(pa.table({"lpep_pickup_datetime": stamps, "lpep_dropoff_datetime": stamps, **fields}), path)
    return path


def pickups(found: source.Source) -> list[int]:
    return [at for table in found.tables() for at in table["pickup_at"].to_pylist()]


def test_months_are_merged_in_event_order_strays_included(tmp_path: Path) -> None:
    january = green(
        tmp_path / "green_2022-01.parquet", "2022-01-05", "2041-01-01", "2022-02-01T00:00:01", "2022-01-31"
    )
    february = green(
        tmp_path / "green_2022-02.parquet",
        "2022-01-31T23:59",
        "2022-02-01",
        "2008-12-31",
        "2022-01-05",
        "2022-02-02",
        "2022-02-02",
    )
    found = source.from_files([february, january])
    assert pickups(found) == sorted(pickups(found))
    assert len(pickups(found)) == found.events == 10
    assert found.period == (moment_ms("2022-01-01"), moment_ms("2022-03-01"))
    assert found.name == "TLC green-2022-01, TLC green-2022-02"
    ids = [i for table in found.tables() for i in table["trip_id"].to_pylist()]
    assert ids[:3] == ["green-2022-02-0000000", "green-2022-01-0000000", "green-2022-02-0000001"]
    assert len(set(ids)) == 10


def test_the_order_of_the_options_changes_nothing(tmp_path: Path) -> None:
    paths = [green(tmp_path / f"green_2022-0{m}.parquet", f"2022-0{m}-03", f"2022-0{m}-02") for m in (1, 2, 3)]
    one, other = source.from_files(paths), source.from_files([*reversed(paths), paths[0]])
    assert one.name == other.name
    assert list(one.tables()) == list(other.tables())


def test_two_parts_of_a_month_have_different_ids(tmp_path: Path) -> None:
    parts = [green(tmp_path / f"part{n}_2022-02.parquet", "2022-02-03") for n in (1, 2)]
    (table,) = (t for t in source.from_files(parts).tables() if t.num_rows)
    assert table["trip_id"].to_pylist() == ["green-2022-02-0000000", "green-2022-02.2-0000000"]


def test_a_source_can_be_read_again(tmp_path: Path) -> None:
    found = source.from_files([green(tmp_path / "green_2022-02.parquet", "2022-02-03")])
    assert list(found.tables()) == list(found.tables())


def test_one_unusable_file_among_many_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    good = green(tmp_path / "green_2022-02.parquet", "2022-02-03")
    with pytest.raises(SourceUnusable, match=r"absent\.parquet"):
        source.from_files([good, tmp_path / "absent.parquet"])


@pytest.mark.parametrize("other", [{"month": "2022-02"}, {"synthetic": True}])
def test_options_that_exclude_one_another_are_a_wrong_use(tmp_path: Path, other: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        source.choose(files=[tmp_path / "x.parquet"], **other)  # type: ignore[arg-type]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(month: str, **_: object) -> Path:
        raise SourceUnusable(f"{month} could not be fetched", "give --file, or --synthetic")

    monkeypatch.setattr(download, "fetch", unreachable)


@pytest.mark.usefixtures("offline")
def test_without_options_and_network_trips_are_synthetic_and_it_says_so(tmp_path: Path) -> None:
    with capture_logs() as logged:
        found = source.choose(cache=tmp_path)
    assert not logged, "once is enough: whoever chooses says the note"
    assert found.name.startswith("synthetic 2022-02-01 to 2022-03-01")
    assert found.note == "2022-02 could not be fetched: synthetic trips instead"
    assert found.period == tlc.month_period("2022-02")


@pytest.mark.usefixtures("offline")
def test_a_month_that_was_asked_for_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match="give --file, or --synthetic"):
        source.choose(month="2022-02", cache=tmp_path)


@pytest.mark.usefixtures("offline")
def test_synthetic_trips_do_not_stand_in_where_they_may_not(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match="give --file, or --synthetic"):
        source.choose(or_synthetic=False, cache=tmp_path)


@pytest.mark.parametrize("month", ["2022-13", "22-02", "february"])
def test_what_is_no_month_is_not_looked_for(month: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source.download, "fetch", lambda *_, **__: pytest.fail("looked for it"))
    with pytest.raises(SourceUnusable, match="is not a month"):
        source.choose(month=month, cache=tmp_path)


def test_the_default_month_is_taken_from_the_cache_without_network(tmp_path: Path) -> None:
    green(tmp_path / "green_tripdata_2022-02.parquet", "2022-02-03")
    found = source.choose(cache=tmp_path)
    assert (found.name, found.note) == ("TLC green-2022-02", "")


def test_synthetic_trips_are_canonical_in_event_order_and_the_same_again() -> None:
    start = moment_ms("2022-02-01")
    found = source.from_generator(start, start + 2 * 86_400_000, seed=3, volume=0.2)
    days = list(found.tables())
    assert all(day.schema == SCHEMA for day in days)
    at = np.concatenate([day["pickup_at"].to_numpy() for day in days])
    assert (np.diff(at) >= 0).all()
    assert list(found.tables()) == days


def test_a_model_is_made_from_all_trips_or_a_sample_that_is_always_the_same() -> None:
    start = moment_ms("2022-02-01")
    drawn = source.from_generator(start, start + 3 * 86_400_000)
    whole = pa.concat_tables(drawn.tables())
    known = replace(drawn, events=len(whole))
    assert source.sample(drawn) == source.sample(known) == source.sample(known, len(whole)) == whole
    some = source.sample(known, 1_000)
    assert len(some) == pytest.approx(1_000, rel=0.15)
    assert some == source.sample(known, 1_000)
    assert (np.diff(some["pickup_at"].to_numpy()) >= 0).all()


def test_synthetic_takes_the_month_that_is_named() -> None:
    assert source.choose(synthetic=True, month="2021-12").period == tlc.month_period("2021-12")


def test_a_table_of_another_shape_is_no_canonical_table() -> None:
    with pytest.raises(KeyError):
        conform(pa.table({"trip_id": ["a"]}))


REAL = {"2020-03": 223_406, "2022-02": 69_399, "2023-01": 68_211}


@pytest.mark.real
@pytest.mark.parametrize(("month", "rows"), REAL.items())
def test_real_months_load_whole_and_in_order(month: str, rows: int) -> None:
    path = DATA / f"green_tripdata_{month}.parquet"
    if not path.exists():
        pytest.skip(f"no real trips at {path}: set DRIFTLINE_DATA")
    found = source.from_files([path])
    table = pa.concat_tables(found.tables())
    at = table["pickup_at"].to_numpy()
    assert table.num_rows == found.events == rows
    assert (np.diff(at) >= 0).all()
    assert found.period == tlc.month_period(month)
    assert at[0] < moment_ms("2010-01-01")  # a stray year comes first
    assert np.mean((at >= found.period[0]) & (at < found.period[1])) > 0.999


def test_a_month_in_one_row_group_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    rows, start = 300_000, moment_ms("2022-02-01")
    at = (
        np.concatenate([np.arange(0, rows, 2), np.arange(1, rows, 2)]) * 8_000 + start
    )  # its end goes back to its start
    stamps = pa.array(at * 1_000, pa.timestamp("us"))
    fields = {name: pa.repeat(pa.scalar(value), rows) for name, value in FIELDS.items()}
    path = tmp_path / "yellow_2022-02.parquet"
    table = pa.table({"tpep_pickup_datetime": stamps, "tpep_dropoff_datetime": stamps, **fields})
    pq.write_table(table, path, row_group_size=rows)
    del stamps, fields, table
    before, held, seen = pa.total_allocated_bytes(), [], []
    for part in source.from_files([path]).tables():
        held.append(pa.total_allocated_bytes() - before)
        seen.append(part["pickup_at"].to_numpy())
    assert np.array_equal(np.concatenate(seen), np.sort(at))
    assert max(held) < 16_000_000 < rows * len(SCHEMA) * 8
