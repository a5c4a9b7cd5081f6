from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from producer.sources import tlc
from producer.sources.canonical import SCHEMA
from producer.sources.selection import from_files
from schemas.durations import moment_ms
from schemas.errors import SourceUnusable
from tests.producer.trips import FIELDS

TIMES = ["2022-02-03 10:00:00", "2022-02-01 00:20:21", "2022-02-03 10:00:00"]


def green(**columns: Any) -> pa.Table:
    """Three trips as TLC writes them in 2022; `columns` replaces some, None removes one."""
    stamps = pa.array([moment_ms(t) * 1_000 for t in TIMES], pa.timestamp("us"))
    rows: dict[str, Any] = {"lpep_pickup_datetime": stamps, "lpep_dropoff_datetime": stamps}
    rows |= {name: pa.array([value] * 3) for name, value in FIELDS.items()}
    rows |= {"RatecodeID": pa.array([1.0, 5.0, None]), "passenger_count": pa.array([1.0, 2.0, float("nan")])}
    rows |= {"fare_amount": pa.array([1.0, 2.0, 3.0]), "ehail_fee": pa.nulls(3)}
    return pa.table({name: column for name, column in (rows | columns).items() if column is not None})


def written(folder: Path, table: pa.Table, name: str = "green_tripdata_2022-02.parquet") -> Path:
    pq.write_table(table, folder / name)
    return folder / name


def loaded(path: Path) -> pa.Table:
    return pa.concat_tables(from_files([path]).tables())


def test_trips_come_canonical_and_in_event_order_with_ties_as_in_the_file(tmp_path: Path) -> None:
    found = loaded(written(tmp_path, green()))
    assert found.schema == SCHEMA
    assert found["trip_id"].to_pylist() == [f"green-2022-02-000000{n}" for n in range(3)]
    assert found["pickup_at"].to_pylist() == sorted(moment_ms(t) for t in TIMES)
    assert found["fare_amount"].to_pylist() == [2.0, 1.0, 3.0]
    assert found["RatecodeID"].to_pylist() == [5, 1, None]
    assert found["passenger_count"].to_pylist() == [2, 1, None]


def test_trips_of_the_same_second_keep_the_order_of_the_file(tmp_path: Path) -> None:
    fares = pa.array([float(n) for n in range(3_000)])
    many = pa.concat_tables([green()] * 1_000).set_column(9, "fare_amount", fares)
    assert many.column_names.count("fare_amount") == 1
    found = loaded(written(tmp_path, many))
    assert found["fare_amount"].to_pylist() == [*range(1, 3_000, 3), *(n for n in range(3_000) if n % 3 != 1)]


OTHER_MONTHS = {
    "whole numbers as text": {"PULocationID": pa.array(["43"] * 3), "payment_type": pa.array(["1"] * 3)},
    "money as 32 bit floats": {"tip_amount": pa.array([1.5] * 3, pa.float32())},
    "times as text": {"lpep_pickup_datetime": pa.array(TIMES)},
    "times in nanoseconds": {
        "lpep_dropoff_datetime": pa.array([moment_ms(t) * 1_000_000 for t in TIMES], pa.timestamp("ns"))
    },
    "flags as a dictionary": {"store_and_fwd_flag": pa.array(["N"] * 3).dictionary_encode()},
    "other case": {"VendorID": None, "vendorid": pa.array([2] * 3)},
    "new columns": {"cbd_congestion_fee": pa.array([0.75] * 3), "Airport_fee": pa.array([0.0] * 3)},
    "one row group each": {},
}


@pytest.mark.parametrize("columns", OTHER_MONTHS.values(), ids=OTHER_MONTHS.keys())
def test_other_months_with_the_same_meaning_are_the_same_trips(tmp_path: Path, columns: dict[str, Any]) -> None:
    usual = loaded(written(tmp_path, green()))
    pq.write_table(green(**columns), tmp_path / "other-2022-02.parquet", row_group_size=1)
    other = loaded(tmp_path / "other-2022-02.parquet")
    changed = {"tip_amount"} if "tip_amount" in columns else set()
    assert other.drop_columns(sorted(changed)) == usual.drop_columns(sorted(changed))


@pytest.mark.parametrize("name", ["congestion_surcharge", "trip_type", "ehail_fee", "payment_type"])
def test_what_a_trip_can_do_without_may_be_missing_or_hold_nothing(tmp_path: Path, name: str) -> None:
    absent = loaded(written(tmp_path, green(**{name: None})))
    empty = loaded(written(tmp_path, green(**{name: pa.nulls(3)})))
    assert absent == empty
    if name in SCHEMA.names:
        assert absent[name].null_count == 3


def test_yellow_files_become_the_same_shape(tmp_path: Path) -> None:
    yellow = green(trip_type=None, ehail_fee=None).rename_columns(
        [n.replace("lpep", "tpep") for n in green(trip_type=None, ehail_fee=None).column_names]
    )
    path = written(tmp_path, yellow, "yellow_tripdata_2022-02.parquet")
    file = tlc.survey(path)
    assert (file.kind, file.label) == ("yellow", "yellow-2022-02")
    assert loaded(path).schema == SCHEMA


def picked_up(folder: Path, name: str, *pickups: str) -> Path:
    """A file of trips with these pickup times; how it is called."""
    stamps = pa.array([moment_ms(at) * 1_000 for at in pickups], pa.timestamp("us"))
    table = green().take(pa.array([0] * len(pickups)))
    return written(folder, table.set_column(0, "lpep_pickup_datetime", stamps).select(table.column_names), name)


def test_the_period_is_the_month_in_the_name_where_half_of_the_trips_are_of_it(tmp_path: Path) -> None:
    file = tlc.survey(
        picked_up(tmp_path, "green_2022-02.parquet", "2022-01-31", "2022-02-01", "2022-02-01", "2022-03-01")
    )
    assert file.period == tlc.month_period("2022-02")


NAMES = {
    "no month": ("trips.parquet", False),
    "no year": ("20220-02.parquet", False),
    "no month of a year": ("2022-13.parquet", False),
    "the day of its export": ("green_2026-11-28.parquet", True),
    "an export before the month": ("export-2019-02-02.parquet", True),
    "the month and the day of its export": ("2026-11-28_green_2022-02.parquet", False),
    "a folder's month": ("green_tripdata_2021-12.parquet", True),
}


@pytest.mark.parametrize("prefix", ["lpep", "tpep"])
@pytest.mark.parametrize(("name", "disagrees"), NAMES.values(), ids=NAMES.keys())
def test_the_period_is_the_month_of_the_trips_whatever_the_name_says(
    tmp_path: Path, name: str, disagrees: bool, prefix: str
) -> None:
    path = picked_up(tmp_path, "raw.parquet", "2008-12-31T23:00", "2022-02-03", "2022-02-04")
    raw = pq.read_table(path)
    named = raw.rename_columns([column.replace("lpep", prefix) for column in raw.column_names])
    with capture_logs() as logs:
        file = tlc.survey(written(tmp_path, named, name))
    assert file.period == tlc.month_period("2022-02")
    warnings = [(e["event"], e["trips_of"]) for e in logs]
    assert warnings == [("name_disagrees", "2022-02")] * disagrees


@pytest.mark.parametrize("name", ["quarter.parquet", "2022-01_to_2022-03.parquet", "2026-11-28.parquet"])
def test_the_period_of_a_file_of_several_months_is_all_of_them(tmp_path: Path, name: str) -> None:
    months = ["2022-01-10"] * 30 + ["2022-02-10"] * 30 + ["2022-03-10"] * 30
    file = tlc.survey(picked_up(tmp_path, name, *months, "2022-04-01", "2021-12-31", "2041-01-01"))
    assert file.period == (moment_ms("2022-01-01"), moment_ms("2022-04-01"))
    assert file.label == "green-2022-01-to-2022-03"


def test_rows_without_a_pickup_time_are_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, green(lpep_pickup_datetime=pa.array([None, *TIMES[1:]])))
    file = tlc.survey(path)
    assert (file.rows, file.unplaced) == (2, 1)
    assert loaded(path)["fare_amount"].to_pylist() == [2.0, 3.0]


def test_values_that_cannot_be_read_are_said_and_sent_as_missing(tmp_path: Path) -> None:
    path = written(tmp_path, green(payment_type=pa.array(["1", "cash", None])))
    with capture_logs() as logs:
        found = loaded(path)
    assert found["payment_type"].to_pylist() == [None, 1, None]
    assert [(e["event"], e["column"], e["rows"]) for e in logs] == [("values_unreadable", "payment_type", 1)]


ALIASES = sorted({name.lower(): name for name in green().column_names if name != "ehail_fee"}.values())


def twice(table: pa.Table, name: str, other: str, values: pa.Array) -> pa.Table:
    return pa.table([*table.columns, values], names=[*table.column_names, other])


@pytest.mark.parametrize("spelt", [str, str.lower, str.upper])
@pytest.mark.parametrize("name", ALIASES)
def test_of_a_column_that_is_there_twice_the_one_with_values_is_read(tmp_path: Path, name: str, spelt: Any) -> None:
    usual = loaded(written(tmp_path, green()))
    for values in (pa.nulls(3, green()[name].type), green()[name].combine_chunks()):  # empty, equal
        table = twice(green(), name, spelt(name), values)
        backwards = pa.table(table.columns[::-1], names=table.column_names[::-1])
        for either in (table, backwards):
            with capture_logs() as logs:
                found = loaded(written(tmp_path, either))
            assert found == usual
            assert [e["event"] for e in logs] == ["column_repeated"]


@pytest.mark.parametrize("name", ALIASES)
def test_columns_of_one_name_that_differ_are_refused_by_name(tmp_path: Path, name: str) -> None:
    values = green()[name].combine_chunks()
    changed = pa.concat_arrays([pa.nulls(1, values.type), values.slice(1)])
    with pytest.raises(SourceUnusable, match=rf"columns {name} and {name.swapcase()}, which differ: leave one"):
        tlc.survey(written(tmp_path, twice(green(), name, name.swapcase(), changed)))


def test_a_file_of_green_and_yellow_trips_is_refused(tmp_path: Path) -> None:
    table = green()
    both = twice(table, "lpep_pickup_datetime", "tpep_pickup_datetime", table[0].combine_chunks())
    with pytest.raises(SourceUnusable, match="green and yellow trips: put each kind"):
        tlc.survey(written(tmp_path, both))
    empty = twice(table, "lpep_pickup_datetime", "tpep_pickup_datetime", pa.nulls(3, pa.timestamp("us")))
    assert tlc.survey(written(tmp_path, empty)).kind == "green"


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, green(fare_amount=None, PULocationID=None, lpep_dropoff_datetime=None))
    with pytest.raises(SourceUnusable, match=r"lacks columns: dropoff_at, PULocationID, fare_amount: give a file"):
        tlc.survey(path)


UNUSABLE = {
    "no pickup column": (green(lpep_pickup_datetime=None), "no column of pickup times"),
    "no rows": (green().slice(0, 0), "holds no trip:"),
    "no pickup": (green(lpep_pickup_datetime=pa.nulls(3, pa.timestamp("us"))), "no trip with a pickup time"),
    "times that are none": (green(lpep_pickup_datetime=pa.array([1, 2, 3])), "lpep_pickup_datetime: int64 is no"),
}


@pytest.mark.parametrize(("table", "complaint"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_holds_no_trips_is_refused(tmp_path: Path, table: pa.Table, complaint: str) -> None:
    with pytest.raises(SourceUnusable, match=complaint):
        tlc.survey(written(tmp_path, table))


def test_a_required_column_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match="PULocationID contains no values"):
        loaded(written(tmp_path, green(PULocationID=pa.nulls(3))))


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"VendorID,lpep_pickup_datetime\n", b"PAR1" + bytes(100) + b"PAR1"):
        (tmp_path / "x.parquet").write_bytes(content)
        with pytest.raises(SourceUnusable, match="no parquet file"):
            tlc.survey(tmp_path / "x.parquet")


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.parquet", tmp_path):
        with pytest.raises(SourceUnusable, match=r"cannot be read|no parquet file"):
            tlc.survey(path)


def test_of_a_row_group_only_pages_are_in_memory(tmp_path: Path) -> None:
    """TLC's months are one row group each."""
    rows = 400_000
    made, random = green().take(pa.array(np.zeros(rows, np.int64))), pa.array(np.random.default_rng(7).random(rows))
    for name in ("total_amount", "fare_amount", "trip_distance", "tip_amount", "tolls_amount", "extra"):
        made = made.set_column(made.schema.get_field_index(name), name, random)
    path = written(tmp_path, made)
    before, peak = pa.total_allocated_bytes(), 0
    for _ in tlc.trips(tlc.survey(path)):
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert peak < path.stat().st_size, "the pages and a batch, not the file and a batch"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, pa.concat_tables([green()] * 2_000))
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(content)
    with pytest.raises(SourceUnusable, match="damaged"):
        loaded(path)


@pytest.mark.parametrize("text", ["2022-2", "2022-13", "22-02", "2022-02-01", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(SourceUnusable, match="is not a month"):
        tlc.month_period(text)
