from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from producer import tlc
from producer.canonical import SCHEMA
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
    return tlc.read(tlc.survey(path), "x")


def test_trips_come_canonical_and_in_event_order_with_ties_as_in_the_file(tmp_path: Path) -> None:
    found = loaded(written(tmp_path, green()))
    assert found.schema == SCHEMA
    assert found["trip_id"].to_pylist() == ["x-0000000", "x-0000001", "x-0000002"]
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
    file = tlc.survey(written(tmp_path, yellow, "yellow_tripdata_2022-02.parquet"))
    assert (file.kind, file.label) == ("yellow", "yellow-2022-02")
    assert tlc.read(file, "y").schema == SCHEMA


def test_the_period_is_the_month_in_the_name(tmp_path: Path) -> None:
    file = tlc.survey(written(tmp_path, green(), "green_tripdata_2021-12.parquet"))
    assert file.period == (moment_ms("2021-12-01"), moment_ms("2022-01-01"))


@pytest.mark.parametrize("name", ["trips.parquet", "20220-02.parquet", "2022-13.parquet"])
def test_the_period_is_the_month_of_the_median_pickup_where_the_name_has_none(tmp_path: Path, name: str) -> None:
    stray = [moment_ms("2008-12-31T23:00") * 1_000, *(moment_ms("2022-02-03") * 1_000,) * 2]
    file = tlc.survey(written(tmp_path, green(lpep_pickup_datetime=pa.array(stray, pa.timestamp("us"))), name))
    assert file.period == tlc.month_period("2022-02")


def test_rows_without_a_pickup_time_are_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, green(lpep_pickup_datetime=pa.array([None, *TIMES[1:]])))
    file = tlc.survey(path)
    assert (file.rows, file.unplaced) == (2, 1)
    assert tlc.read(file, "x")["fare_amount"].to_pylist() == [2.0, 3.0]


def test_values_that_cannot_be_read_are_said_and_sent_as_missing(tmp_path: Path) -> None:
    path = written(tmp_path, green(payment_type=pa.array(["1", "cash", None])))
    with capture_logs() as logs:
        found = loaded(path)
    assert found["payment_type"].to_pylist() == [None, 1, None]
    assert [(e["event"], e["column"], e["rows"]) for e in logs] == [("values_unreadable", "payment_type", 1)]


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
    with pytest.raises(SourceUnusable, match="PULocationID holds no value"):
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
