"""Small, made-up trips with a duration that can be learnt, and one model of each kind made from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from models.artifact import Model
from models.taxi.train import train
from schemas.streams.taxi import TRIPS

START = 1_640_995_200_000
"""2022-01-01, a Saturday."""

MONTH_MS = 31 * 86_400_000


def made_up(rows: int, seed: int = 1) -> pa.Table:
    """A canonical table: distance, hour and zones decide the duration, and a few per cent are out of range."""
    rng = np.random.default_rng(seed)
    pickup = np.sort(rng.integers(START, START + MONTH_MS, rows))
    miles = np.round(rng.lognormal(0.7, 0.7, rows), 2)
    zones = rng.integers(1, 40, (2, rows))
    rush = 1 + 0.3 * np.sin(pickup / 86_400_000 * 2 * np.pi)
    took = (2 + 4 * miles) * rush * (0.8 + zones[0] / 80) * rng.lognormal(0, 0.2, rows)
    dispatched = rng.random(rows) < 0.1
    columns = {
        "trip_id": [f"made-up-{n:07}" for n in range(rows)],
        "pickup_at": pickup,
        "dropoff_at": pickup + np.round(took * 60).astype(np.int64) * 1000,
        "PULocationID": zones[0],
        "DOLocationID": zones[1],
        "trip_distance": miles,
        "VendorID": np.where(rng.random(rows) < 0.2, 1, 2),
        "passenger_count": pa.array(np.ones(rows, np.int64), mask=dispatched),
        "store_and_fwd_flag": pa.array(["N"] * rows, mask=dispatched),
        "fare_amount": np.round(took, 2),
        "total_amount": np.round(took * 1.2, 2),
    }
    for field in TRIPS.fields:
        empty = pa.array(np.zeros(rows)) if field.type == "float" else pa.nulls(rows, pa.int64())
        columns.setdefault(field.name, empty)
    names = ["trip_id", "pickup_at", "dropoff_at", *(field.name for field in TRIPS.fields)]
    return pa.table({name: columns[name] for name in names})


@pytest.fixture(scope="session")
def trips() -> pa.Table:
    return made_up(4_000)


@pytest.fixture(scope="session")
def model(trips: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Nobody may write to its directory: the tests share it."""
    return train(trips, out=_place(tmp_path_factory), source="made up")


@pytest.fixture(scope="session")
def tutorial(trips: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train(trips, kind="tutorial", out=_place(tmp_path_factory), source="made up")


@pytest.fixture(params=["model", "tutorial"])
def any_model(request: pytest.FixtureRequest) -> Model:
    """Laws that hold for every kind of model."""
    found: Model = request.getfixturevalue(request.param)
    return found


def _place(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("artifacts") / "made-up"
