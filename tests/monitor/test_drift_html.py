"""Evidently's own report of a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.drift.figures import Config
from monitor.evidently.html import frame, labelled, write_html
from monitor.evidently.page import Heading, page
from monitor.evidently.reference import Reference
from monitor.evidently.report import verdict
from schemas.definition import Records, Stream
from schemas.errors import UsageError
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage.listings import ColumnRow
from tests.monitor.windows import LABEL, base, outcomes_of, put, reference, trips

CONFIG = Config()
HEADING = Heading(title="Run r", verdict="No drift", drift=False)


@pytest.fixture(scope="module")
def small() -> Reference:
    """So that it is quick: some columns, and the prediction."""
    kept = {"trip_distance", "fare_amount", "tip_amount", "tolls_amount", "trip_type"}
    fields = tuple(field for field in TRIPS.fields if field.name in kept)
    events = Records(topic="trips", kind="trip", id="trip_id", time="pickup_at", fields=fields)
    return Reference.from_table(
        base(), Stream(name="small", events=events, labels=OUTCOMES), CONFIG, calibrated=False
    )


def test_a_window_with_outcomes_has_drift_summary_and_regression_but_no_broken_column(
    small: Reference, tmp_path: Path
) -> None:
    window = put(trips(200, seed=2), "fare_amount", pa.nulls(200, pa.float64()))
    window = put(window, "tip_amount", np.full(200, np.inf))
    window = put(window, "tolls_amount", [[1.0]] * 200).drop_columns([LABEL, "trip_distance"])
    left_out = write_html(
        window, small, tmp_path / "w.html", CONFIG, HEADING, labels=outcomes_of(trips(200, seed=2))
    )
    text = (tmp_path / "w.html").read_text(encoding="utf-8")
    assert left_out == ("trip_distance", "fare_amount", "tip_amount", "tolls_amount")
    for phrase in ("Drift is detected for", "trip_type", "Missing", "Mean Absolute Percentage Error"):
        assert phrase in text


def test_three_rows_are_enough_and_none_are_not(small: Reference, tmp_path: Path) -> None:
    assert write_html(trips(3, seed=2), small, tmp_path / "w.html", CONFIG, HEADING) == ()
    text = (tmp_path / "w.html").read_text(encoding="utf-8")
    assert len(text) > 10_000
    assert "Drift is detected" not in text  # too few rows for a verdict
    with pytest.raises(UsageError):
        write_html(trips(3, seed=2).slice(0, 0), small, tmp_path / "empty.html", CONFIG, HEADING)
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
    outcomes = outcomes_of(window).take(pa.array([7, 3]))
    found = labelled(window.drop_columns([LABEL]), outcomes, reference())[LABEL].to_pylist()
    expected = window[LABEL].to_pylist()
    assert found == [expected[i] if i in (3, 7) else None for i in range(10)]


def test_a_page_of_another_shape_is_refused_and_nothing_is_written_unescaped() -> None:
    with pytest.raises(UsageError, match="another version"):
        page("<html><head></head><body><script>var other = {};</script></body></html>", HEADING)


@pytest.mark.parametrize(
    "back", ["javascript:alert(1)", "//elsewhere.example", "data:text/html,x", "window", "/a b", "/a\n"]
)
def test_only_an_address_of_a_page_is_linked(back: str) -> None:
    with pytest.raises(UsageError):
        Heading(title="t", verdict="v", drift=False, back=back)


def test_the_verdict_names_the_worst_columns() -> None:
    rows = [
        ColumnRow("events", name, "drift", "psi", 1.0, 1.0, severity, "drift", None)
        for name, severity in [("a", 4.0), ("b", 2.0), ("c", 1.5), ("d", 1.0)]
    ]
    assert verdict([], []) == "Too few rows to speak of drift"
    assert verdict(rows, []) == "No drift: none of 4 columns is beyond its threshold"
    assert verdict(rows, rows[:1]) == "Drift in 1 of 4 columns: a at 4.0 × its threshold"
    assert verdict(rows, rows).endswith("c at 1.5 × its threshold and 1 more")
