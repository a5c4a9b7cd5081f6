"""Windows and a reference to compute figures of, and what holds of all figures.

The rows are in the layout of chunks, taxi-like, from a seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.drift.figures import Config
from monitor.evidently.reference import Reference
from schemas.figures import DRIFT, MAX_SEVERITY, MISSING, NEW, OUTSIDE, ColumnFigure, WindowFigures
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from storage.chunk import PREDICTION, layout

LABEL = "duration_min"
MONITORED = (*TRIPS.numbers, *TRIPS.categories, PREDICTION)


def trips(rows: int, seed: int = 0, *, scale: float = 1.0) -> pa.Table:
    """Trips with predictions and labels, in the layout of the reference. scale: of every distance."""
    draw = np.random.default_rng(seed)
    miles = np.round(np.exp(draw.normal(0.75, 0.9, rows)), 2)
    fare = np.round(3 + 2.5 * miles + draw.normal(0, 1, rows), 1)
    tip = np.where(draw.random(rows) < 0.5, np.round(fare * 0.2, 2), 0.0)
    prediction = 3 + 3 * miles**0.85
    unmetered = draw.random(rows) < 0.1
    columns: dict[str, Any] = {
        "trip_id": [f"trip-{seed}-{number:07d}" for number in range(rows)],
        "pickup_at": 1_640_995_200_000 + 40_000 * np.arange(rows),
        "VendorID": draw.choice([1, 2], rows, p=[0.1, 0.9]),
        "store_and_fwd_flag": _missing(draw.choice(["N", "Y"], rows, p=[0.99, 0.01]), unmetered),
        "RatecodeID": _missing(draw.choice([1, 5, 2], rows, p=[0.94, 0.05, 0.01]), unmetered),
        "PULocationID": 1 + (draw.zipf(1.4, rows) - 1) % 260,
        "DOLocationID": 1 + (draw.zipf(1.3, rows) - 1) % 260,
        "passenger_count": _missing(draw.choice([1, 2, 5, 0], rows, p=[0.85, 0.1, 0.04, 0.01]), unmetered),
        "trip_distance": miles * scale,
        "fare_amount": fare,
        "tip_amount": tip,
        "tolls_amount": np.where(draw.random(rows) < 0.05, 6.55, 0.0),
        "total_amount": np.round(fare + tip + 1.3, 2),
        "payment_type": _missing(draw.choice([1, 2, 3], rows, p=[0.6, 0.39, 0.01]), unmetered),
        "trip_type": _missing(draw.choice([1, 2], rows, p=[0.97, 0.03]), unmetered),
        "congestion_surcharge": _missing(draw.choice([0.0, 2.75, 2.5], rows, p=[0.7, 0.29, 0.01]), unmetered),
        PREDICTION: prediction,
        LABEL: np.where(draw.random(rows) < 0.02, 1_400.0, prediction * np.exp(draw.normal(0, 0.3, rows))),
    }
    types = {field.name: field.type for field in layout(TRIPS)} | {LABEL: pa.float64()}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def outcomes_of(table: pa.Table) -> pa.Table:
    """Their outcomes, in the layout of chunks without offset."""
    return table.select([OUTCOMES.id, OUTCOMES.time, LABEL])


def put(table: pa.Table, name: str, values: pa.Array | Sequence[Any]) -> pa.Table:
    """The table with another column of this name in its place."""
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    return table.set_column(table.column_names.index(name), name, column)


@cache
def base() -> pa.Table:
    return trips(5_000, seed=1)


@cache
def reference() -> Reference:
    """Of `base`, with Evidently's thresholds."""
    return Reference.from_table(base(), TAXI, Config(), calibrated=False)


def by_name(figures: WindowFigures) -> dict[tuple[str, str], ColumnFigure]:
    return {(c.column, c.metric): c for c in figures.columns}


def lawful(figures: WindowFigures) -> None:
    """What holds of whatever rows."""
    for c in figures.columns:
        assert c.value is None or math.isfinite(c.value), c
        assert (c.value is None) == (c.status in ("insufficient", "failed")), c
        assert (c.reason is None) == (c.value is not None), c
        assert c.severity is None or 0 <= c.severity <= MAX_SEVERITY, c
        if c.metric in (MISSING, NEW, OUTSIDE) and c.value is not None:
            assert 0 <= c.value <= 1, c
        if c.metric == DRIFT and c.value is not None:
            assert c.value >= 0, c
            assert c.threshold, c
            assert (c.status == "drift") == (c.severity >= 1), c
    names = [(c.column, c.metric) for c in figures.columns]
    assert len(names) == len(set(names))
    assert figures.columns_tested == sum(c.metric == DRIFT and c.value is not None for c in figures.columns)
    assert figures.columns_drifted == sum(c.status == "drift" for c in figures.columns)


def _missing(values: Any, where: Any) -> list[Any]:
    return [None if hidden else value for value, hidden in zip(values.tolist(), where, strict=True)]
