"""From which score on it is drift."""

from __future__ import annotations

import math

import pytest

from monitor.drift.figures import Config
from monitor.evidently.window_figures import event_figures, severity_of
from schemas.errors import UsageError
from schemas.figures import DRIFT, MAX_SEVERITY
from tests.monitor.windows import by_name, reference, trips

CONFIG = Config()
ROWS = 500


def test_severity_grows_with_drift_whichever_way_the_score_runs() -> None:
    assert severity_of(0.2, 0.1, distance=True) == pytest.approx(2)
    assert severity_of(0.025, 0.05, distance=False) == pytest.approx(2)
    assert severity_of(0.1, 0.1, distance=True) == severity_of(0.05, 0.05, distance=False) == 1
    assert severity_of(0.0, 0.05, distance=False) == severity_of(1e300, 0.05, distance=True) == MAX_SEVERITY
    assert severity_of(0.0, 0.1, distance=True) == 0


def test_an_operators_threshold_decides_over_any_other() -> None:
    window = trips(ROWS, seed=2)
    strict = Config(thresholds={"trip_distance": 1e-9, "PULocationID": 10.0})
    found = by_name(event_figures(window, reference(), strict))
    assert (found["trip_distance", DRIFT].threshold, found["trip_distance", DRIFT].status) == (1e-9, "drift")
    assert (found["PULocationID", DRIFT].threshold, found["PULocationID", DRIFT].status) == (10.0, "ok")


def test_dataset_drift_begins_at_the_share_asked_for() -> None:
    window = trips(3_000, seed=4, scale=1.609)
    drifted = event_figures(window, reference(), CONFIG).share_drifted
    assert drifted
    assert event_figures(window, reference(), Config(drift_share=drifted)).dataset_drift
    assert not event_figures(window, reference(), Config(drift_share=min(drifted + 1e-9, 1.0))).dataset_drift


@pytest.mark.parametrize(
    "wrong",
    [
        {"clip": (0.9, 0.1)},
        {"clip": (-0.1, 1.0)},
        {"drift_share": 0.0},
        {"min_rows": 1},
        {"min_rows": 50, "max_rows": 10},
        {"thresholds": {"trip_distance": 0.0}},
        {"thresholds": {"trip_distance": math.nan}},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Config(**wrong)  # type: ignore[arg-type]
