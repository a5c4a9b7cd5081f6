"""No column, however broken, costs a window or another column; and where there is no figure, it says why."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from monitor.drift.figures import Config
from monitor.evidently.reference import Reference
from monitor.evidently.window_figures import event_figures
from schemas.figures import CATEGORY_METRICS, DRIFT, MISSING, OUTSIDE
from schemas.streams.taxi import TAXI
from tests.monitor.windows import MONITORED, base, by_name, lawful, put, reference, trips

CONFIG = Config()
ROWS = 500


MILES = trips(ROWS, seed=9)["trip_distance"].to_pylist()
ZONES = trips(ROWS, seed=9)["PULocationID"].to_pylist()
NO_NUMBERS = {
    "absent": None,
    "text": pa.array([str(m) for m in MILES]),
    "mixed into text": pa.array(["n/a" if i % 10 == 0 else str(m) for i, m in enumerate(MILES)]),
    "lists": pa.array([[m] for m in MILES]),
    "times": pa.array(range(ROWS), pa.timestamp("ms")),
    "truth": pa.array([True] * ROWS),
}
NOTHING = {
    "all null": pa.nulls(ROWS, pa.float64()),
    "of type null": pa.nulls(ROWS),
    "all NaN": pa.array(np.full(ROWS, np.nan)),
    "all infinite": pa.array(np.full(ROWS, np.inf)),
    "a handful": pa.array([1.0] * 29 + [None] * (ROWS - 29)),
}
NUMBERS = {
    "a tenth null": pa.array([None if i % 10 == 0 else m for i, m in enumerate(MILES)]),
    "constant": pa.array(np.full(ROWS, 2.5)),
    "some infinite": pa.array([np.inf if i % 50 == 0 else m for i, m in enumerate(MILES)]),
    "some minus infinite": pa.array([-np.inf if i % 50 == 0 else m for i, m in enumerate(MILES)]),
    "one 1e308": pa.array([1e308 if i == 3 else m for i, m in enumerate(MILES)]),
    "one 1e9": pa.array([1e9 if i == 3 else m for i, m in enumerate(MILES)]),
    "float32": pa.array(MILES, pa.float32()),
    "int64": pa.array([int(m) for m in MILES]),
    "uint8": pa.array([int(m) % 200 for m in MILES], pa.uint8()),
    "decimals": pa.array([Decimal(f"{m:.2f}") for m in MILES]),
}
LABELS = {
    "text": pa.array([str(z) for z in ZONES]),
    "floats": pa.array(ZONES, pa.float64()),
    "floats with NaN": pa.array([np.nan if i % 10 == 0 else float(z) for i, z in enumerate(ZONES)]),
    "int16": pa.array(ZONES, pa.int16()),
    "a dictionary": pa.array([str(z) for z in ZONES]).dictionary_encode(),
    "a dictionary of numbers": pa.array(ZONES).dictionary_encode(),
    "constant": pa.array([7] * ROWS),
    "huge": pa.array([2**62 + z for z in ZONES]),
    "negative": pa.array([-z for z in ZONES]),
    "truth": pa.array([z > 9 for z in ZONES]),
    "unprintable": pa.array(["\x00\ud7ff" if i % 2 else "" for i in range(ROWS)]),
}


def with_column(name: str, values: pa.Array | None) -> pa.Table:
    window = trips(ROWS, seed=9)
    return window.drop_columns([name]) if values is None else put(window, name, values)


@pytest.mark.parametrize("case", NO_NUMBERS)
def test_what_are_no_numbers_fails_with_a_reason_and_alone(case: str) -> None:
    figures = event_figures(with_column("trip_distance", NO_NUMBERS[case]), reference(), CONFIG)
    lawful(figures)
    assert {c.status for c in figures.columns if c.column == "trip_distance"} == {"failed"}
    assert {c.status for c in figures.columns if c.column != "trip_distance"} <= {"ok", "drift"}
    assert figures.columns_tested == len(MONITORED) - 1
    assert figures.sufficient


@pytest.mark.parametrize("case", NOTHING)
def test_too_few_numbers_are_insufficient_not_drifted(case: str) -> None:
    figures = event_figures(with_column("trip_distance", NOTHING[case]), reference(), CONFIG)
    lawful(figures)
    found = by_name(figures)
    assert found["trip_distance", DRIFT].status == "insufficient"
    assert "30 needed" in (found["trip_distance", DRIFT].reason or "")
    assert found["trip_distance", MISSING].value == pytest.approx(1 if case != "a handful" else 1 - 29 / ROWS)
    assert figures.columns_tested == len(MONITORED) - 1


@pytest.mark.parametrize("case", NUMBERS)
def test_strange_numbers_still_have_a_drift_score(case: str) -> None:
    figures = event_figures(with_column("trip_distance", NUMBERS[case]), reference(), CONFIG)
    lawful(figures)
    assert by_name(figures)["trip_distance", DRIFT].value is not None


@pytest.mark.parametrize("case", LABELS)
def test_categories_of_any_type_have_a_drift_score(case: str) -> None:
    figures = event_figures(with_column("PULocationID", LABELS[case]), reference(), CONFIG)
    lawful(figures)
    assert by_name(figures)["PULocationID", DRIFT].value is not None


@pytest.mark.parametrize("case", ["text", "floats", "int16", "a dictionary", "a dictionary of numbers"])
def test_a_category_is_the_same_in_whatever_type_it_arrives(case: str) -> None:
    plain = by_name(event_figures(trips(ROWS, seed=9), reference(), CONFIG))
    found = by_name(event_figures(with_column("PULocationID", LABELS[case]), reference(), CONFIG))
    for metric in CATEGORY_METRICS:
        assert found["PULocationID", metric].value == plain["PULocationID", metric].value


@pytest.mark.parametrize("rows", [0, 1, 2, 29])
def test_a_window_of_few_rows_is_insufficient_and_drifts_nowhere(rows: int) -> None:
    figures = event_figures(base().slice(0, rows), reference(), CONFIG)
    lawful(figures)
    assert not figures.sufficient
    assert {c.status for c in figures.columns if c.metric == DRIFT} == {"insufficient"}
    assert (figures.columns_tested, figures.columns_drifted) == (0, 0)
    assert (figures.share_drifted, figures.dataset_drift, figures.prediction_drift) == (None, None, None)
    assert (figures.share_missing is None) == (rows == 0)


def test_a_window_of_just_enough_rows_is_sufficient() -> None:
    assert event_figures(base().slice(0, 30), reference(), CONFIG).sufficient


REFERENCES = {
    "without the column": base().drop_columns(["trip_distance"]),
    "all null": put(base(), "trip_distance", pa.nulls(len(base()), pa.float64())),
    "text": put(base(), "trip_distance", pa.array(["x"] * len(base()))),
    "a handful": put(base(), "trip_distance", [1.0] * 5 + [None] * (len(base()) - 5)),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_a_broken_column_of_the_reference_fails_alone(case: str) -> None:
    broken = Reference.from_table(REFERENCES[case], TAXI, CONFIG, calibrated=False)
    figures = event_figures(trips(ROWS, seed=9), broken, CONFIG)
    lawful(figures)
    found = by_name(figures)["trip_distance", DRIFT]
    assert found.status == "failed"
    assert found.reason
    assert "reference" in found.reason
    assert figures.columns_tested == len(MONITORED) - 1


def test_a_constant_column_of_the_reference_drifts_when_it_moves() -> None:
    constant = Reference.from_table(
        put(base(), "trip_distance", np.full(5_000, 2.5)), TAXI, CONFIG, calibrated=False
    )
    found = by_name(event_figures(trips(ROWS, seed=9), constant, CONFIG))
    assert found["trip_distance", DRIFT].status == "drift"
    assert found["trip_distance", OUTSIDE].value > 0.9
    still = put(trips(ROWS, seed=9), "trip_distance", np.full(ROWS, 2.5))
    assert by_name(event_figures(still, constant, CONFIG))["trip_distance", DRIFT].value == 0
