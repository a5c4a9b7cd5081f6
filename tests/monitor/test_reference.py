"""What is known of the reference before any window comes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitor.drift.category import CategoryReference
from monitor.drift.columns import Column, by_label, categories, label, monitored, numbers
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.evidently.reference import Reference
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from storage.chunk import PREDICTION
from tests.monitor.windows import LABEL, MONITORED, base, put


def column(*values: object, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def test_numbers_categories_and_the_prediction_are_monitored_but_nothing_carried() -> None:
    assert [c.name for c in monitored(TRIPS)] == list(MONITORED)
    assert monitored(OUTCOMES) == (Column(LABEL, True, (1.0, 60.0)),)
    carried = {field.name for field in TRIPS.fields if field.role == "carried"}
    assert carried
    assert not carried & {c.name for c in monitored(TRIPS)}


def test_numbers_are_the_finite_values_in_ascending_order() -> None:
    found = numbers(column(3.0, None, float("nan"), float("inf"), -1.0, float("-inf")))
    assert found.tolist() == [-1.0, 3.0]
    assert numbers(column(2, None, 1, kind=pa.int32())).tolist() == [1.0, 2.0]
    assert numbers(column(kind=pa.float64())).tolist() == []


def test_reading_numbers_leaves_the_column_as_it_was() -> None:
    values = column(3.0, 1.0, 2.0)
    prepared = NumberReference.from_column(column(0.0, 1.5), (0, 1))
    prepared.summarize(values)
    assert values.to_pylist() == [3.0, 1.0, 2.0]


def test_a_whole_number_has_one_label_in_every_type() -> None:
    assert {label(value) for value in (74, 74.0, "74")} == {"74"}
    assert label(2.75) == "2.75"
    assert label("007") == "007"


@pytest.mark.parametrize(
    "values",
    [column(7, 7, None, 9, kind=pa.int32()), column(7.0, 7.0, None, 9.0), column("7", "7", None, "9")],
)
def test_categories_are_counted_by_label_without_the_missing(values: pa.ChunkedArray) -> None:
    assert by_label(*categories(values)) == {"7": 2, "9": 1}


def test_numbers_are_clipped_to_quantiles_of_the_reference() -> None:
    prepared = NumberReference.from_column(column(*map(float, range(101))), (0.1, 0.9))
    assert (prepared.low, prepared.high, prepared.count) == (10.0, 90.0, 101)
    assert (prepared.values[0], prepared.values[-1]) == (10.0, 90.0)
    summary = prepared.summarize(column(-1e9, 50.0, 1e9))
    assert summary.numbers.tolist() == [10.0, 50.0, 90.0]
    assert summary.figures["out_of_range_share"] == pytest.approx(2 / 3)
    assert summary.figures["q50"] == 50.0


def test_labels_outside_their_range_are_left_out_on_both_sides() -> None:
    prepared = NumberReference.from_column(column(0.5, 1.0, 30.0, 60.0, 1_440.0), (0, 1), (1.0, 60.0))
    assert prepared.values.tolist() == [1.0, 30.0, 60.0]
    summary = prepared.summarize(column(0.5, 20.0, 1_440.0, None))
    assert summary.numbers.tolist() == [20.0]
    assert (summary.count, summary.figures["out_of_range_share"]) == (1, pytest.approx(2 / 3))


def test_the_distribution_functions_integral_is_that_of_its_steps() -> None:
    prepared = NumberReference.from_column(column(0.0, 0.0, 1.0, 3.0), (0, 1))
    support, share, area = prepared.steps
    assert support.tolist() == [0.0, 0.0, 1.0, 3.0]
    assert share.tolist() == [0.0, 0.5, 0.75, 1.0]
    assert area.tolist() == [0.0, 0.0, 0.5, 2.0]
    assert prepared.area.tolist() == [0.0, 0.0, 0.5, 2.0]


def test_a_category_of_text_and_numbers_knows_both() -> None:
    prepared = CategoryReference.from_column(column("N", "7", "7", "nan", "007", "inf", "1e3"))
    assert prepared.numeric[0].tolist() == [7.0]
    summary = prepared.summarize(column(7, 8))
    assert dict(zip(prepared.labels, summary.known.tolist(), strict=True)) == {
        "007": 0, "1e3": 0, "7": 1, "N": 0, "inf": 0, "nan": 0,
    }  # fmt: skip
    assert summary.new == {"8": 1}
    assert summary.figures["new_share"] == pytest.approx(1 / 2)


def test_whole_numbers_too_large_for_floats_are_told_apart() -> None:
    prepared = CategoryReference.from_column(column("7", str(2**53), str(2**53 + 2)))
    summary = prepared.summarize(column(2**53 + 1, 2**53 + 2))
    assert summary.known.tolist() == [int(name == str(2**53 + 2)) for name in prepared.labels]
    assert summary.new == {str(2**53 + 1): 1}


def test_two_spellings_of_one_label_are_counted_together() -> None:
    prepared = CategoryReference.from_column(column(7, 8))
    assert prepared.summarize(column("7", "7.0", "7")).new == {"7.0": 1}
    assert CategoryReference.from_column(column(7.0, 7.5, 7.0)).labels == ("7", "7.5")


def test_both_sides_go_to_evidently_as_codes_in_the_order_of_the_labels() -> None:
    prepared = CategoryReference.from_column(column("b", "b", "d"))
    past, now = prepared.sides(prepared.summarize(column("a", "d", "c", "d")))
    assert (past.tolist(), now.tolist()) == ([1, 1, 3], [0, 2, 3, 3])
    assert pd.api.types.is_integer_dtype(past)
    assert pd.api.types.is_integer_dtype(now)


def test_the_reference_keeps_every_column_that_can_be_prepared() -> None:
    table = put(base(), "fare_amount", ["a lot"] * len(base())).drop_columns(["VendorID"])
    prepared = Reference.from_table(table, TAXI, Config(), calibrated=False)
    assert set(prepared.columns) == {*MONITORED, LABEL}
    broken = {name: reason for name, reason in prepared.columns.items() if isinstance(reason, str)}
    assert broken == {"fare_amount": "string where numbers belong", "VendorID": "no such column"}


def test_nothing_of_the_reference_depends_on_how_it_was_chunked() -> None:
    table = base()
    pieces = pa.concat_tables([table.slice(0, 10), table.slice(10)])
    for name in (*MONITORED, LABEL):
        numeric = name not in TRIPS.categories
        one, two = (
            NumberReference.from_column(t[name], (0.001, 0.999))
            if numeric
            else CategoryReference.from_column(t[name])
            for t in (table, pieces)
        )
        for key in ("values", "labels", "counts", "low", "high"):
            assert np.array_equal(getattr(one, key, ()), getattr(two, key, ())), (name, key)


def test_the_prediction_is_the_last_column() -> None:
    assert monitored(TRIPS)[-1] == Column(PREDICTION, True)
