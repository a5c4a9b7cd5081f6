"""A window's figures as Evidently's own metrics give them, plots and all: slow, and what ours must equal."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from monitor.drift.figures import Config
from monitor.evidently.metrics import data_definition  # first: it keeps the warnings of Evidently's import inside
from schemas.figures import DRIFT, MEAN, MISSING, NEW, OUTSIDE, QUANTILES
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage.chunk import PREDICTION

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from evidently import Dataset, Regression, Report
    from evidently.metrics import (
        MAE,
        RMSE,
        MeanError,
        MeanValue,
        MissingValueCount,
        OutListValueCount,
        OutRangeValueCount,
        QuantileValue,
        R2Score,
        ValueDrift,
    )

Figures = dict[tuple[str, str], float]
"""(column, metric) → value; of the window as a whole the column is ''."""

NUMBERS = (*TRIPS.numbers, PREDICTION)
LABEL = "duration_min"


def trip_figures(rows: pd.DataFrame, reference: pd.DataFrame, config: Config) -> Figures:
    """rows, reference: the trips' monitored columns and the prediction."""
    window, base = _typed(rows), _typed(reference)
    bounds = {name: _bounds(base[name], config.clip) for name in NUMBERS}
    plain: list[tuple[str, str, Any]] = []
    for name in NUMBERS:
        low, high = bounds[name]
        plain.append((name, OUTSIDE, OutRangeValueCount(column=name, left=low, right=high)))
        plain += _summary_metrics(name)
    for name in TRIPS.categories:
        known = sorted(set(base[name].dropna()))
        plain.append((name, NEW, OutListValueCount(column=name, values=known)))
        plain.append((name, MISSING, MissingValueCount(column=name)))
    drift = [(name, DRIFT, ValueDrift(column=name, method=config.number_method)) for name in NUMBERS]
    drift += [(name, DRIFT, ValueDrift(column=name, method=config.category_method)) for name in TRIPS.categories]
    varying = {name: bounds[name] for name in NUMBERS if not _hardly_varies(base[name], config.clip)}
    sides = _clipped(window, varying), _clipped(base, varying)
    figures = _run(plain, window, base) | _run(drift, *sides)
    missing = [figures[name, MISSING] for name in (*NUMBERS, *TRIPS.categories)]
    figures["", "share_missing"] = sum(missing) / len(missing)
    figures["", "prediction_drift"] = figures[PREDICTION, DRIFT]
    return figures


def outcome_figures(rows: pd.DataFrame, reference: pd.DataFrame, config: Config) -> Figures:
    """rows: label, and the prediction where the trip is known (else NaN). reference: label and prediction."""
    low, high = OUTCOMES.label_range or (-np.inf, np.inf)
    base = reference[reference[LABEL].between(low, high)][[LABEL]].astype(float)
    window = rows[[LABEL, PREDICTION]].astype(float)
    inside = window[window[LABEL].between(low, high)]
    pairs = inside.dropna()
    plain = [(LABEL, OUTSIDE, OutRangeValueCount(column=LABEL, left=low, right=high)), *_summary_metrics(LABEL)]
    errors = {"mae": MAE(), "rmse": RMSE(), "bias": MeanError(), "r2": R2Score()}
    figures = _run(plain, window[[LABEL]], None)
    figures |= _run([(LABEL, DRIFT, ValueDrift(column=LABEL, method=config.number_method))], inside[[LABEL]], base)
    figures |= _run([("", name, metric) for name, metric in errors.items()], pairs, None, regression=True)
    figures["", "target_drift"] = figures[LABEL, DRIFT]
    return figures


def _summary_metrics(name: str) -> list[tuple[str, str, Any]]:
    quantiles = [(name, metric, QuantileValue(column=name, quantile=q)) for metric, q in QUANTILES.items()]
    return [*quantiles, (name, MEAN, MeanValue(column=name)), (name, MISSING, MissingValueCount(column=name))]


def _run(
    metrics: Sequence[tuple[str, str, Any]],
    window: pd.DataFrame,
    reference: pd.DataFrame | None,
    *,
    regression: bool = False,
) -> Figures:
    columns = [str(name) for name in window]
    numbers = {name for name in columns if window[name].dtype.kind == "f"}
    roles = {"regression": [Regression(target=LABEL, prediction=PREDICTION)]} if regression else {}
    kinds = data_definition(numbers, set(columns) - numbers, **roles)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sides = [None if side is None else Dataset.from_pandas(side, kinds) for side in (window, reference)]
        found = Report([metric for _, _, metric in metrics]).run(*sides).dict()["metrics"]
    named = zip(metrics, found, strict=True)
    return {(column, name): _value(metric["value"]) for (column, name, _), metric in named}


def _value(value: Any) -> float:
    if isinstance(value, Mapping):
        return float(value["share"] if "share" in value else value["mean"])
    return float(value)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers as float64 with NaN, categories as text with None."""
    numbers = {name: pd.to_numeric(frame[name]).astype(float) for name in NUMBERS}
    labels = {name: [_label(value) for value in frame[name]] for name in TRIPS.categories}
    return pd.DataFrame(numbers | {name: pd.Series(column, dtype=object) for name, column in labels.items()})


def _label(value: Any) -> str | None:
    if pd.isna(value):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _bounds(column: pd.Series[float], clip: tuple[float, float]) -> tuple[float, float]:
    values = column.dropna()
    low, high = (0.0, 1.0) if _hardly_varies(column, clip) else clip
    return float(np.quantile(values, low)), float(np.quantile(values, high))


def _hardly_varies(column: pd.Series[float], clip: tuple[float, float]) -> bool:
    """To clip it would hide that it now does."""
    low, high = np.quantile(column.dropna(), clip)
    return bool(low == high)


def _clipped(frame: pd.DataFrame, bounds: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    return frame.assign(**{name: frame[name].clip(low, high) for name, (low, high) in bounds.items()})
