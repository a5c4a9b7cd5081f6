from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.artifact import Model
from models.reference import columns, layout, reference, valid
from models.taxi.train import durations
from schemas.definition import Field, Records, Stream
from schemas.records import decoder, encode
from schemas.streams.taxi import TAXI, TRIPS
from storage import chunk
from tests.models.conftest import made_up

PLAIN = made_up(1).to_pylist()[0]

ODD: dict[str, st.SearchStrategy[Any]] = {
    "int": st.none() | st.sampled_from([-1, 0, 1, 255, 256, 265, 266, 2**40]),
    "float": st.none() | st.sampled_from([float("nan"), float("inf"), -0.01, 0.0, 1e5, 1e5 + 1, 1e7, 2e7, -1e6]),
    "str": st.none() | st.sampled_from(["", "N", "12345678", "123456789", "é" * 8]),
}


@st.composite
def odd_trips(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Trips of which some fields are at, or beyond, what is possible."""
    rows = []
    for number in range(draw(st.integers(1, 6))):
        names = draw(st.sets(st.sampled_from(TRIPS.kept), max_size=2))
        row = {**PLAIN, "trip_id": f"t{number}", **{field.name: draw(ODD[field.type]) for field in names}}
        row["pickup_at"] = draw(st.sampled_from([-1, 0, 1_640_995_200_000, 4_102_444_800_000, 4_102_444_800_001]))
        rows.append(row)
    return rows


def accepted(row: dict[str, Any]) -> bool:
    """Whether the consumer's decoder takes it."""
    try:
        decoder(TRIPS).decode(encode({"kind": "trip", **row}))
    except msgspec.DecodeError:
        return False
    return True


@given(rows=odd_trips())
def test_the_reference_holds_exactly_what_the_consumer_accepts(rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows, schema=made_up(1).schema)
    expected = sorted((row for row in rows if accepted(row)), key=lambda row: row["pickup_at"])
    assert valid(table, TRIPS)["trip_id"].to_pylist() == [row["trip_id"] for row in expected]


def test_it_is_laid_out_as_chunks_are_but_without_offsets() -> None:
    of_chunks = [field for field in chunk.layout(TRIPS) if field.name != chunk.OFFSET]
    assert [*layout(TAXI)][:-1] == of_chunks
    assert layout(TAXI)[-1] == pa.field("duration_min", pa.float64())


def test_it_holds_every_trip_with_its_prediction_in_event_order(model: Model, trips: pa.Table) -> None:
    held = model.reference()
    assert held.schema == layout(TAXI)
    assert held.num_rows == trips.num_rows == model.card.reference_rows > model.card.rows
    assert (np.diff(held["pickup_at"].to_numpy()) >= 0).all()
    assert np.isfinite(held["prediction"].to_numpy()).all()
    assert not held["duration_min"].null_count


def test_its_predictions_are_of_models_that_have_not_learnt_from_the_trip(model: Model) -> None:
    held = model.reference()
    minutes = held["duration_min"].to_numpy()
    learnt = (minutes >= 1) & (minutes <= 60)
    unseen, seen = (
        abs(predicted - minutes)[learnt].mean()
        for predicted in (held["prediction"].to_numpy(), model.predict(columns(held, TRIPS)))
    )
    assert unseen > seen
    assert unseen == pytest.approx(model.card.errors.mae, rel=0.15)


def test_training_and_scoring_see_the_same_columns(trips: pa.Table, model: Model) -> None:
    """What the consumer makes of a chunk (narrow integers) and what training makes of its table agree."""
    canonical, stored = columns(valid(trips, TRIPS), TRIPS), columns(model.reference(), TRIPS)
    for name, column in canonical.items():
        assert column.dtype == stored[name].dtype
        np.testing.assert_array_equal(column, stored[name])


def test_columns_follow_the_convention() -> None:
    made = columns(valid(made_up(50), TRIPS), TRIPS)
    assert made["pickup_at"].dtype == made["PULocationID"].dtype == np.int64
    assert made["passenger_count"].dtype == made["trip_distance"].dtype == np.float64
    assert np.isnan(made["passenger_count"]).any()
    assert None in made["store_and_fwd_flag"]


def test_a_trip_whose_end_is_unknown_stays_without_a_label() -> None:
    table = made_up(3)
    ends = pa.array([None, *table["dropoff_at"].to_pylist()[1:]], pa.int64())
    table = valid(table.set_column(2, "dropoff_at", ends), TRIPS)
    assert np.isnan(durations(table)).tolist() == [True, False, False]
    assert reference(table, TAXI, np.ones(3), durations(table))["duration_min"].null_count == 1


def test_a_missing_column_is_named() -> None:
    with pytest.raises(KeyError, match="trip_distance"):
        valid(made_up(3).drop_columns("trip_distance"), TRIPS)


def test_an_integer_without_bounds_of_its_own_has_those_of_its_column_here_and_in_the_consumer() -> None:
    """Both sides take validity from `schemas.records.bounded_fields`."""
    counted = Records(topic="t", kind="t", id="id", time="at", fields=(Field(name="n", type="int", role="number"),))
    rows = pa.table({"id": ["a", "b", "c"], "at": [1, 2, 3], "n": [2**31 - 1, 2**31, -(2**31)]})
    assert valid(rows, counted)["id"].to_pylist() == ["a", "c"]


def test_a_reference_of_a_stream_without_labels_has_no_label() -> None:
    fields = (Field(name="size", type="float", role="number"), Field(name="score", type="float", role="number"))
    events = Records(topic="t", kind="t", id="id", time="at", fields=fields, prediction="score")
    rows = pa.table({"id": ["a", "b"], "at": [1, 2], "size": [1.0, 2.0], "score": [0.5, 0.25]})
    kept = reference(valid(rows, events), Stream(name="t", events=events), rows["score"].to_numpy())
    assert kept.column_names == ["id", "at", "size", "prediction"]
    assert kept["prediction"].to_pylist() == [0.5, 0.25]
