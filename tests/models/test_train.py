from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.artifact import Model
from models.reference import columns, valid
from models.taxi.train import LEAST, durations, error_metrics, train
from producer.sources.selection import from_files
from schemas.errors import SourceUnusable
from schemas.streams.taxi import TRIPS
from tests.models.conftest import MONTH_MS, START, made_up

DATA = Path(os.environ.get("DRIFTLINE_DATA", Path(__file__).resolve().parents[2] / "../shared/data/tlc"))


def test_only_trips_of_one_to_sixty_minutes_are_learnt_from(trips: pa.Table, model: Model) -> None:
    took = durations(valid(trips, TRIPS))
    assert model.card.rows == ((took >= 1) & (took <= 60)).sum() < trips.num_rows
    assert model.card.target_range == (1.0, 60.0)


def test_errors_are_of_the_last_fifth_which_was_not_learnt_from(trips: pa.Table, model: Model) -> None:
    off = model.card.errors
    assert off.rows == model.card.rows - int(model.card.rows * 0.8)
    assert START + 0.7 * MONTH_MS < off.period[0] < off.period[1] <= model.card.period[1]
    seen = model.predict(columns(model.reference(), TRIPS)) - durations(valid(trips, TRIPS))
    assert off.mae > abs(seen[: off.rows]).mean() * 0.9  # learnt by heart would be far below


def test_errors_are_what_they_are_called() -> None:
    off = error_metrics(np.array([3.0, -4.0, 1.0]), (0, 1))
    assert (off.mae, off.bias, off.rows) == (8 / 3, 0.0, 3)
    assert off.rmse == np.sqrt(26 / 3)


def test_trips_outside_the_period_are_left_out(trips: pa.Table, tmp_path: Path) -> None:
    half = (START, START + MONTH_MS // 2)
    made = train(trips, kind="tutorial", out=tmp_path / "m", source="half", period=half)
    times = made.reference()["pickup_at"].to_numpy()
    assert made.card.period == half
    assert 0 < len(times) < trips.num_rows
    assert times.min() >= half[0]
    assert times.max() < half[1]


def test_the_order_of_a_table_does_not_matter_even_where_times_are_equal(trips: pa.Table, tmp_path: Path) -> None:
    hours = pc.multiply(pc.divide(trips["pickup_at"], 3_600_000), 3_600_000)
    tied = trips.set_column(1, "pickup_at", hours)
    mixed = tied.take(pa.array(np.random.default_rng(2).permutation(trips.num_rows)))
    made = [train(table, kind="tutorial", out=tmp_path / "m", source="made up").hash for table in (tied, mixed)]
    assert made[0] == made[1]


def test_too_few_trips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match="too few to train on"):
        train(made_up(LEAST // 2), out=tmp_path / "m", source="a morning")
    assert not list(tmp_path.iterdir())


def test_just_enough_trips_make_a_model(tmp_path: Path) -> None:
    made = train(made_up(2 * LEAST), out=tmp_path / "m", source="a morning")
    assert made.card.rows >= LEAST


def test_a_table_without_a_needed_column_is_refused(trips: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match="PULocationID"):
        train(trips.drop_columns("PULocationID"), out=tmp_path / "m", source="made up")


def month(name: str) -> tuple[pa.Table, tuple[int, int]]:
    path = DATA / f"green_tripdata_{name}.parquet"
    if not path.is_file():
        pytest.skip(f"no real trips: {path} is missing (set DRIFTLINE_DATA)")
    source = from_files([path])
    return pa.concat_tables(source.tables()), source.period


@pytest.mark.real
def test_the_default_model_is_off_by_less_than_three_point_two_minutes_in_the_next_month(tmp_path: Path) -> None:
    january, period = month("2022-01")
    made = train(january, out=tmp_path / "m", source="TLC green-2022-01", period=period)
    february = valid(month("2022-02")[0], TRIPS)
    took = durations(february)
    inside = (took >= 1) & (took <= 60)
    off = abs(made.predict(columns(february, TRIPS)) - took)[inside]
    assert off.mean() < 3.2  # the aim is 3.4; measured 3.13
    assert made.reference().num_rows > 62_000
    assert pc.count_distinct(made.reference()["trip_id"]).as_py() == made.reference().num_rows
