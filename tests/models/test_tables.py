from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.reference import columns, valid
from models.taxi.boosting import FittedTrees, fit
from models.taxi.features import HUNDREDTHS, METERS, PAIRS, SLOTS, Features, features
from models.taxi.tables import Tables
from models.taxi.train import durations
from schemas.streams.taxi import TRIPS


@pytest.fixture(scope="module")
def fitted(trips: pa.Table) -> FittedTrees:
    whole = valid(trips, TRIPS)
    took = durations(whole)
    inside = (took >= 1) & (took <= 60)
    learnt = {name: column[inside] for name, column in columns(whole, TRIPS).items()}
    return fit(features(learnt), took[inside], (1.0, 60.0), seed=7)


@pytest.fixture(scope="module")
def tables(fitted: FittedTrees) -> Tables:
    return fitted.tables()


def test_three_tables_say_what_the_trees_say_for_any_trip(fitted: FittedTrees, tables: Tables) -> None:
    rng = np.random.default_rng(5)
    sizes = (SLOTS, PAIRS, HUNDREDTHS, METERS)
    anywhere = Features(*(rng.integers(0, size, 20_000) for size in sizes))
    off = tables.look_up(anywhere) - fitted.predict(anywhere)
    assert abs(off).max() < 1e-4  # single precision; the trees' own differences are minutes


def test_the_trees_have_learnt_something(fitted: FittedTrees, trips: pa.Table) -> None:
    whole = valid(trips, TRIPS)
    took = durations(whole)
    guessed = fitted.predict(features(columns(whole, TRIPS)))
    assert abs(guessed - took).mean() < 0.5 * abs(took.mean() - took).mean()


def test_predictions_stay_in_the_range_that_was_trained_in(tables: Tables) -> None:
    far = Tables.from_arrays({**tables.arrays(), "when_far": tables.when_far + 1_000})
    near = Tables.from_arrays({**tables.arrays(), "when_far": tables.when_far - 1_000})
    anywhere = Features(*(np.zeros(3, np.int64) for _ in range(4)))
    assert far.look_up(anywhere).tolist() == [60.0] * 3
    assert near.look_up(anywhere).tolist() == [1.0] * 3


def test_storing_and_reading_gives_the_same_tables(tables: Tables) -> None:
    again = Tables.from_arrays(tables.arrays())
    for name, array in tables.arrays().items():
        assert np.array_equal(array, again.arrays()[name])
        assert array.dtype == again.arrays()[name].dtype


@pytest.mark.parametrize("name", ["step", "place", "when_far", "where_far", "bounds"])
def test_arrays_that_are_no_model_are_refused(tables: Tables, name: str) -> None:
    whole = tables.arrays()
    beyond = np.full_like(whole[name], 255 if name == "step" else 60_000 if name == "place" else np.nan)
    with pytest.raises(ValueError, match=r"range|not a number"):
        Tables.from_arrays({**whole, name: beyond})
    with pytest.raises(ValueError, match=name):
        Tables.from_arrays({**whole, name: whole[name][:1]})
    with pytest.raises(KeyError):
        Tables.from_arrays({other: array for other, array in whole.items() if other != name})
