"""Evidently's own report of a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.drift import Config, Reference
from monitor.html import frame, labelled, write_html
from schemas.definition import Stream
from schemas.errors import UsageError
from schemas.taxi import OUTCOMES, TRIPS
from tests.monitor.windows import LABEL, base, outcomes_of, put, reference, trips

CONFIG = Config()


@pytest.fixture(scope="module")
def small() -> Reference:
    """So that it is quick: two columns and the prediction."""
    kept = {"trip_distance", "trip_type"}
    fields = tuple(field for field in TRIPS.fields if field.name in kept)
    stream = Stream(topic="trips", kind="trip", id="trip_id", time="pickup_at", fields=fields)
    return Reference.prepare(base(), stream, OUTCOMES, CONFIG, calibrated=False)


def test_a_window_with_outcomes_has_drift_summary_and_regression(small: Reference, tmp_path: Path) -> None:
    window = trips(200, seed=2)
    written = write_html(window.drop_columns([LABEL]), small, tmp_path / "w.html", CONFIG, outcomes_of(window))
    text = (tmp_path / "w.html").read_text()
    assert written == ()
    for said in ("Dataset Drift", "trip_type", "Missing", "Mean Absolute Percentage Error"):
        assert said in text


BROKEN = {
    "absent": None,
    "all null": pa.nulls(200, pa.float64()),
    "infinite": pa.array(np.full(200, np.inf)),
    "lists": pa.array([[1.0]] * 200),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_column_is_left_out_and_named(small: Reference, tmp_path: Path, case: str) -> None:
    window, values = trips(200, seed=2).drop_columns([LABEL]), BROKEN[case]
    broken = window.drop_columns(["trip_distance"]) if values is None else put(window, "trip_distance", values)
    assert write_html(broken, small, tmp_path / "w.html", CONFIG) == ("trip_distance",)
    assert "trip_type" in (tmp_path / "w.html").read_text()


def test_three_rows_are_enough_and_none_are_not(small: Reference, tmp_path: Path) -> None:
    write_html(trips(3, seed=2), small, tmp_path / "w.html", CONFIG)
    with pytest.raises(UsageError):
        write_html(trips(3, seed=2).slice(0, 0), small, tmp_path / "empty.html", CONFIG)
    assert not (tmp_path / "empty.html").exists()


def test_numbers_are_clipped_and_labels_left_out_as_for_the_scores() -> None:
    window = put(trips(100, seed=2), "trip_distance", [90_420.0] + [1.0] * 99)
    shown = frame(put(window, LABEL, [1_400.0] * 50 + [20.0] * 50), reference())
    assert shown["trip_distance"].max() < 100
    assert shown[LABEL].count() == 50
    assert shown["VendorID"].dtype == object
    assert set(shown["VendorID"].dropna()) <= {"1", "2"}


def test_trips_are_labelled_by_their_id() -> None:
    window = trips(10, seed=2)
    told = outcomes_of(window).take(pa.array([7, 3]))
    found = labelled(window.drop_columns([LABEL]), told, reference())[LABEL].to_pylist()
    expected = window[LABEL].to_pylist()
    assert found == [expected[i] if i in (3, 7) else None for i in range(10)]
