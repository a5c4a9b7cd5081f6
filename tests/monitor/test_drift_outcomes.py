"""Outcomes: joined with their predictions, held against the reference's labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitor.drift.figures import Config
from monitor.evidently.window_figures import label_figures
from schemas.figures import DRIFT, OUTSIDE
from storage.chunk import PREDICTION
from tests.monitor.windows import LABEL, base, by_name, lawful, outcomes_of, put, reference, trips

CONFIG = Config()
ROWS = 500


def test_errors_are_of_joined_labels_inside_their_range() -> None:
    window = trips(200, seed=7)
    truth = np.where(np.arange(200) % 4 == 0, 1_400.0, 20.0)
    labelled = outcomes_of(put(put(window, LABEL, truth), PREDICTION, np.full(200, 23.0))).slice(0, 100)
    figures = label_figures(labelled, put(window, PREDICTION, np.full(200, 23.0)), reference(), CONFIG)
    assert (figures.mae, figures.rmse, figures.bias) == (3.0, 3.0, 3.0)  # 3 minutes too long: bias is positive
    assert figures.label_coverage == 0.5
    assert by_name(figures)[LABEL, OUTSIDE].value == 0.25
    assert figures.target_drift == by_name(figures)[LABEL, DRIFT].value
    assert figures.target_drift > 0
    lawful(figures)


def test_the_labels_of_the_reference_have_not_drifted() -> None:
    figures = label_figures(outcomes_of(base()), base(), reference(), CONFIG)
    assert figures.target_drift == pytest.approx(0, abs=1e-12)
    assert figures.label_coverage == 1.0
    assert figures.prediction_drift is None


def test_outcomes_join_by_id_whatever_their_order() -> None:
    window = trips(300, seed=7)
    shuffled = outcomes_of(window).take(pa.array(np.random.default_rng(0).permutation(300)))
    ours = label_figures(shuffled, window, reference(), CONFIG)
    assert ours.mae == pytest.approx(label_figures(outcomes_of(window), window, reference(), CONFIG).mae, rel=1e-12)


def test_outcomes_of_unknown_trips_count_for_the_target_alone() -> None:
    window, others = trips(300, seed=7), trips(300, seed=8)
    figures = label_figures(outcomes_of(others), window, reference(), CONFIG)
    assert (figures.mae, figures.rmse, figures.bias, figures.r2, figures.label_coverage) == (None,) * 4 + (0.0,)
    assert figures.target_drift is not None
    assert by_name(figures)[PREDICTION, "mae"].status == "insufficient"
    lawful(figures)


def test_an_outcome_told_twice_covers_its_trip_once() -> None:
    window = trips(100, seed=7)
    twice = pa.concat_tables([outcomes_of(window)] * 2)
    assert label_figures(twice, window, reference(), CONFIG).label_coverage == 1.0


@pytest.mark.parametrize("rows", [(0, 0), (0, 100), (100, 0), (5, 5)])
def test_windows_with_few_outcomes_or_trips_have_no_errors(rows: tuple[int, int]) -> None:
    window = trips(100, seed=7)
    figures = label_figures(outcomes_of(window).slice(0, rows[0]), window.slice(0, rows[1]), reference(), CONFIG)
    lawful(figures)
    assert figures.mae is None
    assert (figures.label_coverage is None) == (rows[1] == 0)


def test_a_window_without_predictions_says_so() -> None:
    window = trips(100, seed=7)
    nulls = put(window, PREDICTION, pa.nulls(100, pa.float64()))
    figures = label_figures(outcomes_of(window), nulls, reference(), CONFIG)
    assert figures.mae is None
    assert by_name(figures)[PREDICTION, "mae"].reason


def test_a_truth_that_does_not_vary_has_the_r2_of_scikit_learn() -> None:
    window = put(trips(100, seed=7), LABEL, np.full(100, 20.0))
    assert label_figures(outcomes_of(window), window, reference(), CONFIG).r2 == 0.0
    exact = put(window, PREDICTION, np.full(100, 20.0))
    assert label_figures(outcomes_of(window), exact, reference(), CONFIG).r2 == 1.0
