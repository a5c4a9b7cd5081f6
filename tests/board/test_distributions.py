from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from board.histograms import CategoryBins, NumberBins, compare, reference_bins
from models.artifact import Model
from models.taxi.train import train
from monitor.drift.category import CategoryReference
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from storage.chunk import PREDICTION
from tests.board.conftest import Served
from tests.models.conftest import made_up
from tests.monitor.feed import HOUR, MINUTE, T0, Feed

WHERE = {"run": "r", "size": "1h", "start": T0}


def numbers(values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.float64())])


@pytest.mark.parametrize("values", [np.arange(9.0), np.linspace(0, 1, 500), np.full(50, 3.0)], ids=str)
def test_shares_of_numbers_add_up_on_both_sides(values: np.ndarray) -> None:
    bins = NumberBins.from_column(numbers(values))
    assert bins
    found = bins.compare(numbers([*values, -1e9, 1e9, None]))
    for side, outside in (("reference", 0.01), ("current", 1)):
        total = sum(found[side]) + found["below"][side] + found["above"][side]
        assert total == pytest.approx(1)
        assert found["below"][side] <= outside
    assert len(found["edges"]) == len(found["current"]) + 1
    assert found["above"]["current"] == pytest.approx(1 / (len(values) + 2), abs=0.01)


def test_whole_numbers_have_a_bin_each() -> None:
    bins = NumberBins.from_column(numbers([1, 1, 1, 2, 5] * 100))
    assert bins
    found = bins.compare(numbers([2, 2]))
    assert found["edges"] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert found["reference"] == pytest.approx([0.6, 0.2, 0, 0, 0.2])
    assert found["current"] == [0, 1, 0, 0, 0]


def test_a_column_without_values_is_left_out_of_the_reference_and_empty_in_a_window() -> None:
    assert NumberBins.from_column(numbers([None, None])) is None
    bins = NumberBins.from_column(numbers([1.5, 2.5]))
    assert bins
    assert sum(bins.compare(numbers([None]))["current"]) == 0


def test_categories_show_the_largest_of_either_side_and_what_is_new() -> None:
    reference = pa.chunked_array([pa.array([n % 30 for n in range(300)])])
    bins = CategoryBins(CategoryReference.from_column(reference))
    found = bins.compare(pa.chunked_array([pa.array([99] * 60 + [1] * 40)]))
    assert found["labels"][:2] == ["99", "1"]
    assert len(found["labels"]) == 12
    assert found["new"] == [{"label": "99", "share": 0.6}]
    for side in ("reference", "current"):
        assert sum(found[side]) + found["other"][side] == pytest.approx(1)


def test_only_columns_that_are_there_are_compared() -> None:
    table = pa.table({"trip_distance": [1.0, 2.0], PREDICTION: [1.0, 2.0]})
    found = compare(reference_bins(table, TAXI), table.select(["trip_distance"]), pa.table({}))
    assert [*found] == ["trip_distance"]


def test_the_reference_says_what_is_missing_and_out_of_range_in_it_and_values_have_names() -> None:
    distances = pa.array([1.0] * 450 + [2.0] * 445 + [500.0] * 5 + [None] * 100)
    table = pa.table({"trip_distance": distances, "PULocationID": pa.array([132] * 800 + [74] * 150 + [None] * 50)})
    found = compare(reference_bins(table, TAXI), table, pa.table({}))
    assert found["trip_distance"]["usual"]["missing"] == pytest.approx(0.1)
    assert 0 < found["trip_distance"]["usual"]["out_of_range"] < 0.01
    zones = found["PULocationID"]
    assert (zones["usual"]["missing"], zones["usual"]["new_categories"]) == (pytest.approx(0.05), 0)
    assert zones["names"] == {"132": "JFK Airport", "74": "East Harlem North"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train(made_up(2_000), kind="tutorial", out=tmp_path_factory.mktemp("models") / "model", source="made up")


@pytest.fixture
def filled(prepared: str, serve: Callable[..., Served], model: Model) -> Iterator[Served]:
    """A run of an hour, scored by a model that the board finds."""
    with Feed(prepared, model=model.hash) as feed:
        for stream in (TRIPS, OUTCOMES):
            feed.flush(stream, 0, [T0 + n * MINUTE // 2 for n in range(120)])
        feed.finish()
        yield serve(prepared, models=(model.path.parent,))


@pytest.mark.integration
def test_a_window_lies_beside_the_reference(filled: Served) -> None:
    found = filled.json("/api/distributions", **WHERE)
    assert (found["rows"], found["sampled"], found["reference_rows"]) == (120, 120, 2_000)
    assert found["model"]["source"] == "made up"
    distance, zones = found["columns"]["trip_distance"], found["columns"]["PULocationID"]
    assert sum(distance["current"]) + distance["above"]["current"] + distance["below"]["current"] == pytest.approx(
        1
    )
    assert (distance["kind"], zones["kind"]) == ("number", "category")
    assert found["columns"]["duration_min"]["kind"] == "number"
    assert filled.json("/api/distributions", **WHERE) == found


@pytest.mark.integration
def test_a_window_without_rows_is_unknown(filled: Served) -> None:
    assert filled.get("/api/distributions", **{**WHERE, "start": T0 + 5 * HOUR}).status_code == 404


@pytest.mark.integration
def test_without_the_model_it_says_where_to_name_it(
    prepared: str, serve: Callable[..., Served], tmp_path: Path
) -> None:
    with Feed(prepared) as feed:
        feed.flush(TRIPS, 0, [T0])
    found = serve(prepared, models=(tmp_path,)).get("/api/distributions", **WHERE)
    assert found.status_code == 409
    assert "--model" in found.json()["do"]
