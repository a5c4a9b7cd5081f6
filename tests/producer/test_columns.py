from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from producer.sources import columns

SAME = [
    pa.array([1, 2, None], pa.int64()),
    pa.array([1, 2, None], pa.int8()),
    pa.array([1, 2, None], pa.uint64()),
    pa.array([1.0, 2.0, None], pa.float64()),
    pa.array([1.0, 2.0, float("nan")], pa.float32()),
    pa.array(["1", " 2.0 ", None], pa.string()),
    pa.array(["+1", "2e0", "N/A"], pa.large_string()),
    pa.array([Decimal("1"), Decimal("2"), None], pa.decimal128(9, 2)),
    pa.array(["1", "2", None]).dictionary_encode(),
]


@pytest.mark.parametrize("column", SAME, ids=lambda column: str(column.type))
def test_numbers_are_the_same_however_they_are_stored(column: pa.Array) -> None:
    assert columns.whole(column).equals(pa.array([1, 2, None], pa.int64()))
    assert columns.numbers(column).equals(pa.array([1.0, 2.0, None], pa.float64()))


@pytest.mark.parametrize("reader", columns.READERS.values())
def test_a_column_of_nothing_is_a_column_of_nulls(reader: object) -> None:
    assert columns.READERS["int"](pa.nulls(3)).equals(pa.nulls(3, pa.int64()))
    assert columns.numbers(pa.nulls(3)).equals(pa.nulls(3, pa.float64()))
    assert columns.text(pa.nulls(3)).equals(pa.nulls(3, pa.string()))


def test_what_is_no_whole_number_cannot_be_read_as_one() -> None:
    found = columns.whole(pa.array([1.5, float("inf"), 1e300, -3.0]))
    assert found.to_pylist() == [None, None, None, -3]


def test_a_column_of_lists_holds_no_numbers() -> None:
    assert columns.numbers(pa.array([[1], [2]])).to_pylist() == [None, None]


def test_text_is_trimmed_and_empty_text_is_missing() -> None:
    assert columns.text(pa.array([" N", "", "  ", None])).to_pylist() == ["N", None, None, None]
    assert columns.text(pa.array([0, 1])).to_pylist() == ["0", "1"]


MOMENT = 1_643_674_821_000  # 2022-02-01 00:20:21


@pytest.mark.parametrize(
    "column",
    [
        pa.array([MOMENT * 1_000, None], pa.timestamp("us")),
        pa.array([MOMENT * 1_000_000, None], pa.timestamp("ns")),
        pa.array([MOMENT // 1_000, None], pa.timestamp("s")),
        pa.array(["2022-02-01 00:20:21", None]),
        pa.array(["2022-02-01T00:20:21.5", "yesterday"]),
        pa.array(["2022-02-01 00:20:21", "2022-02-31 00:00:00"]),
    ],
    ids=lambda column: str(column.type),
)
def test_times_are_the_same_however_they_are_stored(column: pa.Array) -> None:
    assert columns.times(column).equals(pa.array([MOMENT, None], pa.int64()))


def test_a_zone_is_dropped_and_the_wall_time_kept() -> None:
    five_hours_behind = pa.array([MOMENT + 5 * 3_600_000], pa.timestamp("ms", "America/New_York"))
    assert columns.times(five_hours_behind).to_pylist() == [MOMENT]


def test_numbers_are_no_times() -> None:
    with pytest.raises(ValueError, match="int64 is not a time"):
        columns.times(pa.array([MOMENT]))


def test_missing_counts_nulls_and_nans() -> None:
    assert columns.missing(pa.array([1.0, float("nan"), None])) == 2
    assert columns.missing(pa.array(["a", None])) == 1
