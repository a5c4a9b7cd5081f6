"""The figures equal those of Evidently's own metrics on the same rows, to 1e-9."""

from __future__ import annotations

import os
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.drift.category import CategoryReference
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference, quantile, wasserstein
from monitor.evidently.metrics import ArrowDataset, ColumnDrift, data_definition, measurements
from monitor.evidently.reference import Reference
from monitor.evidently.stattests import DISTANCES
from monitor.evidently.window_figures import event_figures, label_figures
from schemas.errors import UsageError
from schemas.figures import DRIFT, QUANTILES
from schemas.streams.taxi import TAXI, TRIPS
from storage.chunk import PREDICTION
from tests import stock
from tests.monitor.windows import LABEL, MONITORED, base, by_name, lawful, outcomes_of, reference, trips

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from evidently import Dataset, Report
    from evidently.core.report import Snapshot
    from evidently.metrics import (
        DatasetMissingValueCount,
        DriftedColumnsCount,
        MissingValueCount,
        RowCount,
        ValueDrift,
    )
    from evidently.tests import lt
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

CONFIG = Config()
NEAR = {"rel": 1e-9, "abs": 1e-9}


def agree(window: pa.Table, base_table: pa.Table, prepared: Reference) -> None:
    ours = event_figures(window, prepared, CONFIG)
    lawful(ours)
    theirs = stock.trip_figures(window.to_pandas(), base_table.to_pandas(), CONFIG)
    found = {key: c.value for key, c in by_name(ours).items()}
    found["", "share_missing"], found["", "prediction_drift"] = ours.share_missing, ours.prediction_drift
    assert found.keys() == theirs.keys()
    for key, value in theirs.items():
        assert found[key] == pytest.approx(value, **NEAR), key
    errors = label_figures(outcomes_of(window), window.slice(0, len(window) - 3), prepared, CONFIG)
    joined = window.to_pandas()
    joined.loc[len(window) - 3 :, PREDICTION] = np.nan
    for (column, name), value in stock.outcome_figures(joined, base_table.to_pandas(), CONFIG).items():
        mine = getattr(errors, name) if not column else by_name(errors)[column, name].value
        assert mine == pytest.approx(value, **NEAR), (column, name)


@pytest.mark.parametrize(("rows", "seed", "scale"), [(40, 11, 1.0), (700, 12, 1.0), (3_000, 13, 1.609)])
def test_random_windows_have_the_figures_of_stock_evidently(rows: int, seed: int, scale: float) -> None:
    agree(trips(rows, seed, scale=scale), base(), reference())


@pytest.mark.real
@pytest.mark.parametrize("hours", [(150, 156), (384, 408)])
def test_real_windows_have_the_figures_of_stock_evidently(hours: tuple[int, int]) -> None:
    past, now = real("2022-01"), real("2022-02")
    start = int(datetime(2022, 2, 1, tzinfo=UTC).timestamp()) * 1_000
    clock = now["pickup_at"].to_numpy()
    inside = (clock >= start + hours[0] * 3_600_000) & (clock < start + hours[1] * 3_600_000)
    window = now.filter(pa.array(inside))
    assert len(window) >= CONFIG.min_rows
    agree(window, past, Reference.from_table(past, TAXI, CONFIG, calibrated=False))


def real(month: str) -> pa.Table:
    """A month of green trips in the layout of the reference, with a guess for a prediction."""
    path = Path(os.environ.get("DRIFTLINE_DATA", "../shared/data/tlc")) / f"green_tripdata_{month}.parquet"
    if not path.exists():
        pytest.skip(f"no real trips: {path} is missing (DRIFTLINE_DATA)")
    table = pq.read_table(path)
    kinds = {field.name: field.type for field in base().schema}
    pickup, dropoff = (
        pc.cast(pc.cast(table[f"lpep_{end}_datetime"], pa.timestamp("ms")), pa.int64())
        for end in ("pickup", "dropoff")
    )
    columns = {"trip_id": pa.array([f"{month}-{n}" for n in range(len(table))]), "pickup_at": pickup}
    columns |= {field.name: table[field.name].cast(kinds[field.name]) for field in TRIPS.kept}
    columns[PREDICTION] = pa.array(4 + 3 * table["trip_distance"].to_numpy().clip(0, 30) ** 0.85)
    columns[LABEL] = pc.divide(pc.subtract(dropoff, pickup).cast(pa.float64()), 60_000.0)
    found = pa.table(columns)
    return found.take(pc.sort_indices(found, [("pickup_at", "ascending")])).combine_chunks()


NUMERIC = ["anderson", "cramer_von_mises", "ed", "es", "hellinger", "jensenshannon", "kl_div", "ks", "mannw", "psi"]
NUMERIC += ["t_test", "wasserstein"]
CATEGORICAL = ["chisquare", "hellinger", "jensenshannon", "kl_div", "psi", "z"]


@pytest.mark.parametrize(
    ("column", "method"),
    [*(("trip_distance", m) for m in NUMERIC), *(("PULocationID", m) for m in CATEGORICAL), ("trip_type", "z")],
)
def test_any_method_of_evidently_gives_the_score_it_gives_there(column: str, method: str) -> None:
    config = Config(methods={column: method})
    prepared = Reference.from_table(base(), TAXI, config, calibrated=False)
    window = trips(400, seed=21, scale=1.02)
    ours = by_name(event_figures(window, prepared, config))[column, DRIFT]
    assert (ours.method, ours.reason) == (method, None)
    sides = [stock._typed(side.to_pandas())[[column]] for side in (window, base())]
    if column == "trip_distance":
        low, high = np.quantile(sides[1][column], CONFIG.clip)
        sides = [side.clip(low, high) for side in sides]
    kinds = data_definition({column} & set(TRIPS.numbers), {column} & set(TRIPS.categories))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Report([ValueDrift(column=column, method=method)], include_tests=True).run(
            *(Dataset.from_pandas(side, kinds) for side in sides)
        )
    assert ours.value == pytest.approx(found.dict()["metrics"][0]["value"], **NEAR)
    assert (ours.status == "drift") == (found.dict()["tests"][0]["status"] == "FAIL")
    assert (ours.severity >= 1) == (ours.status == "drift")
    assert (method in DISTANCES) == (ours.severity == pytest.approx(ours.value / ours.threshold))


def test_a_test_that_seeds_numpys_generator_leaves_it_as_it_was() -> None:
    config = Config(methods={"trip_type": "TVD"})
    prepared = Reference.from_table(base().slice(0, 60), TAXI, config, calibrated=False)
    np.random.seed(7)
    expected = np.random.random(3)
    np.random.seed(7)
    first, second = (event_figures(trips(40, seed=21), prepared, config) for _ in range(2))
    assert by_name(first)["trip_type", DRIFT].value == by_name(second)["trip_type", DRIFT].value
    assert (np.random.random(3) == expected).all()


def test_tests_that_need_equal_sizes_fail_alone() -> None:
    config = Config(methods={"trip_type": "g_test"})
    prepared = Reference.from_table(base(), TAXI, config, calibrated=False)
    figures = event_figures(trips(400, seed=21), prepared, config)
    lawful(figures)
    assert by_name(figures)["trip_type", DRIFT].status == "failed"
    assert by_name(figures)["trip_type", "missing_share"].status == "ok"


@pytest.mark.parametrize(
    ("column", "method"),
    [
        ("trip_distance", "nonsense"),
        ("trip_distance", "chisquare"),
        ("VendorID", "ks"),
        ("fare_amount", "empirical_mmd"),
    ],
)
def test_a_method_that_a_column_cannot_have_is_refused_before_any_window(column: str, method: str) -> None:
    with pytest.raises(UsageError):
        Reference.from_table(base(), TAXI, Config(methods={column: method}))


def test_drifted_columns_and_missing_cells_are_counted_as_evidently_does() -> None:
    window = trips(800, seed=31, scale=1.609)
    ours = event_figures(window, reference(), CONFIG)
    sides = [stock._typed(side.to_pandas()) for side in (window, base())]
    bounds = {name: stock._bounds(sides[1][name], CONFIG.clip) for name in stock.NUMBERS}
    kinds = data_definition(set(stock.NUMBERS), set(TRIPS.categories))
    metrics = [
        DriftedColumnsCount(num_method="wasserstein", cat_method="jensenshannon"),
        DatasetMissingValueCount(),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snapshot = Report(metrics).run(*(Dataset.from_pandas(stock._clipped(s, bounds), kinds) for s in sides))
    drifted, missing = (metric["value"] for metric in snapshot.dict()["metrics"])
    assert (ours.columns_drifted, ours.share_drifted) == (drifted["count"], pytest.approx(drifted["share"]))
    cells = len(window) * len(kinds.get_numerical_columns() + kinds.get_categorical_columns())
    assert ours.share_missing == pytest.approx(missing["count"] / cells, **NEAR)  # Evidently's share is of the rows


def test_a_run_is_an_ordinary_snapshot_of_evidently() -> None:
    current = ArrowDataset(trips(100, seed=1), min_rows=30)
    found = reference().event_report.run(current, reference().dataset).dict()["metrics"]
    scores = {metric["config"]["column"]: metric["value"] for metric in found}
    figures = by_name(event_figures(trips(100, seed=1), reference(), CONFIG))
    assert scores == {column: c.value for (column, metric), c in figures.items() if metric == DRIFT}


def test_figures_are_read_from_what_a_run_returns_and_leave_its_input_alone() -> None:
    current = ArrowDataset(trips(100, seed=1), min_rows=30)
    before = dict(vars(current))
    first = reference().event_report.run(current, reference().dataset)
    again = reference().event_report.run(ArrowDataset(trips(100, seed=2), min_rows=30), reference().dataset)
    assert vars(current) == before
    measured = measurements(first)
    assert set(measured) == {*MONITORED}
    assert {name: c.score for name, c in measured.items()} != {
        name: c.score for name, c in measurements(again).items()
    }
    stored = Snapshot.loads(first.dumps())  # for Evidently's own pages: values, and nothing of ours
    assert stored.dict() == first.dict()
    assert measurements(stored) == {}


def test_metrics_of_evidently_run_beside_ours_in_one_report() -> None:
    window = trips(100, seed=1)
    ours = ColumnDrift(column="PULocationID", method="psi", tests=[lt(9)])
    metrics = [ours, RowCount(), MissingValueCount(column="trip_type")]
    snapshot = Report(metrics).run(ArrowDataset(window, min_rows=30), reference().dataset)
    score, rows, missing = (metric["value"] for metric in snapshot.dict()["metrics"])
    assert 0 < score < 9
    assert (rows, missing["count"]) == (100, window["trip_type"].null_count)
    assert [test["status"] for test in snapshot.dict()["tests"]] == ["SUCCESS"]


finite = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))


@settings(deadline=None, max_examples=300)
@given(st.lists(finite, min_size=2, max_size=60), st.lists(finite, min_size=1, max_size=60))
def test_wasserstein_equals_scipy_on_any_two_samples(past: list[float], now: list[float]) -> None:
    column = pa.chunked_array([pa.array(past)])
    for clip in ((0.0, 1.0), (0.1, 0.9)):
        prepared = NumberReference.from_column(column, clip)
        summary = prepared.summarize(pa.chunked_array([pa.array(now)]))
        expected = wasserstein_distance(prepared.values, summary.numbers) / prepared.norm
        assert prepared.distance(summary) == pytest.approx(expected, **NEAR)
    assert prepared.distance(prepared.summarize(column)) == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.integers(-3, 9), min_size=2, max_size=60), st.lists(st.integers(-5, 12), min_size=1, max_size=400)
)
def test_values_that_repeat_do_not_change_a_bit_of_the_distance(past: list[int], now: list[int]) -> None:
    prepared = NumberReference.from_column(pa.chunked_array([pa.array(np.array(past) / 7)]), (0.0, 1.0))
    values = np.sort(np.array(now) / 7)
    support, share, area = prepared.steps
    at = support[1:].searchsorted(values, "right")
    to = area[at] + (values - support[at]) * share[at]
    k, count = np.arange(1, len(values)), len(values)
    place = -(-k * prepared.count // count) - 1
    q, to_q = prepared.values[place].clip(values[:-1], values[1:]), prepared.area[place].clip(to[:-1], to[1:])
    stretches = k / count * ((q - values[:-1]) - (values[1:] - q)) - ((to_q - to[:-1]) - (to[1:] - to_q))
    after = max(prepared.values[-1] - values[-1], 0.0) - max(area[-1] - to[-1], 0.0)
    assert wasserstein(values, prepared) == max(to[0] + np.add.reduce(stretches) + after, 0.0)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_jensen_shannon_equals_scipy_on_any_two_samples(past: list[int], now: list[int]) -> None:
    column = pa.chunked_array([pa.array(past)])
    prepared = CategoryReference.from_column(column)
    counts = [np.bincount(side, minlength=13) / len(side) for side in (past, now)]
    assert prepared.distance(prepared.summarize(pa.chunked_array([pa.array(now)]))) == pytest.approx(
        jensenshannon(*counts), abs=1e-7
    )
    assert prepared.distance(prepared.summarize(column)) == 0


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40), st.sampled_from(sorted(QUANTILES.values())))
def test_quantiles_equal_pandas_to_the_bit(values: list[float], q: float) -> None:
    ours = quantile(np.sort(np.array(values)), q)
    assert ours == pd.Series(values).quantile(q)
