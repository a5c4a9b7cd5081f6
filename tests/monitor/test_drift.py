"""What the figures of every window obey."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitor.drift.figures import Config
from monitor.drift.sampling import sample
from monitor.evidently.reference import Reference
from monitor.evidently.window_figures import event_figures, label_figures
from schemas.figures import CATEGORY_METRICS, DRIFT, MEAN, MISSING, NEW, NUMBER_METRICS, OUTSIDE, QUANTILES
from schemas.streams.taxi import TAXI, TRIPS
from storage.chunk import PREDICTION
from tests.monitor.windows import MONITORED, base, by_name, lawful, outcomes_of, put, reference, trips

CONFIG = Config()
ROWS = 500


def test_the_reference_itself_has_not_drifted_in_any_column() -> None:
    figures = event_figures(base(), reference(), CONFIG)
    lawful(figures)
    drift = [c for c in figures.columns if c.metric == DRIFT]
    assert [c.column for c in drift] == list(MONITORED)
    assert all(c.value < 1e-12 and c.status == "ok" for c in drift)
    assert figures.columns_tested == len(MONITORED)
    assert (figures.columns_drifted, figures.share_drifted, figures.dataset_drift) == (0, 0.0, False)
    assert figures.prediction_drift == pytest.approx(0, abs=1e-12)
    assert all(c.value == 0 for c in figures.columns if c.metric == NEW)


def test_every_column_always_has_the_same_rows_in_the_same_order() -> None:
    expected = [
        (name, metric)
        for name in MONITORED
        for metric in (CATEGORY_METRICS if name in TRIPS.categories else NUMBER_METRICS)
    ]
    for window in (
        base(),
        base().slice(0, 3),
        base().slice(0, 0),
        base().drop_columns(["fare_amount", "VendorID"]),
    ):
        assert [(c.column, c.metric) for c in event_figures(window, reference(), CONFIG).columns] == expected


def test_the_order_of_the_rows_changes_nothing() -> None:
    window = trips(ROWS, seed=2, scale=1.3)
    shuffled = window.take(pa.array(np.random.default_rng(0).permutation(ROWS)))
    ours, theirs = (
        by_name(event_figures(window, reference(), CONFIG)),
        by_name(event_figures(shuffled, reference(), CONFIG)),
    )
    assert ours.keys() == theirs.keys()
    for key, figure in ours.items():
        assert theirs[key].value == pytest.approx(figure.value, rel=1e-12, abs=1e-12), key


def test_the_same_rows_give_the_same_bits_however_they_were_chunked() -> None:
    window = trips(ROWS, seed=3)
    pieces = pa.concat_tables([window.slice(0, 7), window.slice(7, 200), window.slice(207)])
    assert pieces["VendorID"].num_chunks == 3
    assert event_figures(pieces, reference(), CONFIG) == event_figures(window, reference(), CONFIG)
    again = Reference.from_table(base(), TAXI, CONFIG, calibrated=False)
    assert event_figures(window, again, CONFIG) == event_figures(window, reference(), CONFIG)


def test_kilometres_for_miles_drift_in_the_distance_alone() -> None:
    figures = event_figures(trips(3_000, seed=4, scale=1.609), reference(), CONFIG)
    drifted = {c.column for c in figures.columns if c.status == "drift"}
    assert "trip_distance" in drifted
    assert not drifted & {*TRIPS.numbers, PREDICTION} - {"trip_distance"}


def test_one_absurd_odometer_neither_hides_nor_makes_drift() -> None:
    calm, bent = trips(3_000, seed=5), trips(3_000, seed=5, scale=1.609)
    scores = []
    for window in (calm, bent):
        miles = window["trip_distance"].to_numpy().copy()
        miles[17] = 90_420.0
        found = by_name(event_figures(put(window, "trip_distance", miles), reference(), CONFIG))
        clean = by_name(event_figures(window, reference(), CONFIG))
        key = ("trip_distance", DRIFT)
        assert found[key].value == pytest.approx(clean[key].value, abs=0.01)
        assert found["trip_distance", OUTSIDE].value >= clean["trip_distance", OUTSIDE].value
        scores.append(found[key].status)
    assert scores == ["ok", "drift"]


def test_a_reference_full_of_absurd_odometers_sees_kilometres_all_the_same() -> None:
    """0.3 %, more than twice what the worst month of 2022 has."""
    miles = base()["trip_distance"].to_numpy().copy()
    miles[::333] = 60_000.0
    strewn = Reference.from_table(put(base(), "trip_distance", miles), TAXI, CONFIG, calibrated=False)
    window = trips(3_000, seed=4, scale=1.609)
    assert by_name(event_figures(window, strewn, CONFIG))["trip_distance", DRIFT].status == "drift"


def test_a_column_that_hardly_varies_is_not_blinded_by_clipping() -> None:
    rare = np.zeros(5_000)
    rare[0] = 5.0
    still = Reference.from_table(put(base(), "tolls_amount", rare), TAXI, CONFIG, calibrated=False)
    window = put(trips(ROWS, seed=2), "tolls_amount", np.full(ROWS, 5.0))
    assert by_name(event_figures(window, still, CONFIG))["tolls_amount", DRIFT].status == "drift"


def test_shares_and_quantiles_are_those_of_the_window() -> None:
    zones = [74] * 60 + [999] * 30 + [None] * 10
    miles = [float(number) for number in range(100)]
    window = put(put(trips(100, seed=2), "PULocationID", pa.array(zones, pa.int32())), "trip_distance", miles)
    found = by_name(event_figures(window, reference(), CONFIG))
    assert found["PULocationID", MISSING].value == pytest.approx(0.1)
    assert found["PULocationID", NEW].value == pytest.approx(30 / 90)
    assert found["trip_distance", MEAN].value == 49.5
    assert [found["trip_distance", q].value for q in QUANTILES] == pytest.approx([4.95, 24.75, 49.5, 74.25, 94.05])
    high = np.quantile(base()["trip_distance"].to_numpy(), CONFIG.clip[1])
    low = np.quantile(base()["trip_distance"].to_numpy(), CONFIG.clip[0])
    assert found["trip_distance", OUTSIDE].value == np.mean([m < low or m > high for m in miles])


def test_share_missing_is_of_all_monitored_cells() -> None:
    window = put(trips(100, seed=2), "trip_distance", pa.nulls(100, pa.float64()))
    missing = sum(window[name].null_count for name in MONITORED)
    assert event_figures(window, reference(), CONFIG).share_missing == pytest.approx(missing / 100 / len(MONITORED))


def test_a_large_window_is_sampled_by_its_ids_in_the_order_it_had() -> None:
    window = trips(1_000, seed=6)
    drawn = sample(window, "trip_id", 300)
    assert len(drawn) == 300
    places = [int(name[-7:]) for name in drawn["trip_id"].to_pylist()]
    assert places == sorted(places)
    shuffled = window.take(pa.array(np.random.default_rng(0).permutation(1_000)))
    assert set(sample(shuffled, "trip_id", 300)["trip_id"].to_pylist()) == set(drawn["trip_id"].to_pylist())
    assert sample(window, "trip_id", 1_000) is window


def test_the_figures_say_how_many_rows_they_are_of() -> None:
    small = Config(max_rows=200)
    window = trips(1_000, seed=6)
    figures = event_figures(window, reference(), small)
    assert (figures.sampled, figures.sufficient) == (200, True)
    assert figures == event_figures(sample(window, "trip_id", 200), reference(), small)
    assert label_figures(outcomes_of(window), window, reference(), small).sampled == 200
