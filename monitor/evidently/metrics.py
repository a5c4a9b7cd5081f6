"""Evidently metrics that draw no plots and keep no copies: the fast path of the monitor.

They are ordinary metrics of Evidently's API, run by its `Report` and open to its tests, but
- a calculation reads the reference prepared (`monitor.drift.number`, `monitor.drift.category`) where the method
  allows it, and calls Evidently's own registered statistical test for any other method;
- a result carries a Measurement in addition to its value: `measurements` reads it from the snapshot;
- if a column cannot be computed, its result holds the reason, where Evidently would end the Report;
- identity and configuration are hashed once per metric, where Evidently does so several times per window.
"""

from __future__ import annotations

import warnings
from abc import ABC
from collections.abc import Mapping
from functools import cached_property
from math import isfinite, nan
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from monitor.drift.columns import ColumnSummary, Floats, ReferenceColumn
from monitor.evidently.stattests import score  # first: it also turns off Evidently's telemetry

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies' deprecations
    from evidently import DataDefinition, Report
    from evidently.core.datasets import Dataset, DatasetColumn, DatasetStats
    from evidently.core.metric_types import (
        ColumnMetric,
        MetricConfig,
        MetricValueLocation,
        SingleValue,
        SingleValueCalculation,
        SingleValueMetric,
        single_value_location,
    )
    from evidently.core.report import Snapshot


class ErrorMetrics(NamedTuple):
    """How far predictions are from the truth. bias: mean of prediction - truth."""

    mae: float
    rmse: float
    bias: float
    r2: float


class Measurement(NamedTuple):
    """The result of a calculation for a column. score: finite, or None, and then `reason` says why.

    failed: the column, or the test, could not be computed at all; else there merely were too few values.
    errors: of the prediction, whose score is the first of them.
    """

    summary: ColumnSummary | None = None
    score: float | None = None
    reason: str | None = None
    failed: bool = False
    errors: ErrorMetrics | None = None


class ArrowDataset(Dataset):  # type: ignore[misc]
    """A table as one of Evidently's datasets, without its copies and its statistics of every column.

    min_rows: usable values that a column needs. prepared: the reference's columns; for one that cannot be used, the
    reason. Evidently's own metrics, run together with ours, get the table as a DataFrame.
    """

    def __init__(
        self, table: pa.Table, *, min_rows: int, prepared: Mapping[str, ReferenceColumn | str] | None = None
    ) -> None:
        self.table = table
        self.min_rows = min_rows
        self.prepared = prepared or {}

    @cached_property
    def _frame(self) -> pd.DataFrame:
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    @cached_property
    def _data_definition(self) -> DataDefinition:  # Evidently's Context reads it past `data_definition`
        numeric = {f.name for f in self.table.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)}
        return data_definition(numeric, set(self.table.column_names) - numeric)

    def as_dataframe(self) -> pd.DataFrame:
        return self._frame

    def column(self, column_name: str) -> DatasetColumn:
        return DatasetColumn(self.data_definition.get_column_type(column_name), self._frame[column_name])

    def stats(self) -> DatasetStats:
        return DatasetStats(self.table.num_rows, self.table.num_columns, {})


def data_definition(numeric: set[str], category: set[str], **roles: Any) -> DataDefinition:
    """Define columns for Evidently, so that it guesses nothing from the window's values.

    Args:
        numeric: Names of numbers.
        category: Names of categories.
        roles: More of DataDefinition's arguments.
    """
    return DataDefinition(
        numerical_columns=sorted(numeric),
        categorical_columns=sorted(category),
        text_columns=[],
        datetime_columns=[],
        unknown_columns=[],
        list_columns=[],
        **roles,
    )


class _Metric(SingleValueMetric):  # type: ignore[misc]
    """Caches its own identity and configuration, which Evidently reads eight times in each run."""

    _fingerprint: str | None = None
    _config: MetricConfig | None = None
    _location: MetricValueLocation | None = None

    def get_fingerprint(self) -> str:
        if self._fingerprint is None:
            self._fingerprint = super().get_fingerprint()
        return self._fingerprint


class ColumnResult(SingleValue):  # type: ignore[misc]
    """A SingleValue, stored as such in snapshots, that also carries the Measurement.

    It is made with its location, so that Evidently need not set it.
    """

    class Config:
        type_alias = SingleValue.__fields__["type"].default
        underscore_attrs_are_private = True

    _column: str = ""
    _measured: Any = None

    def set_metric_location(self, metric: MetricConfig) -> None: ...


_M = TypeVar("_M", bound=_Metric)


class _Calculation(SingleValueCalculation[_M], Generic[_M], ABC):  # type: ignore[misc]
    def to_metric_config(self) -> MetricConfig:
        if self.metric._config is None:
            self.metric._config = super().to_metric_config()
        return self.metric._config

    def result(self, column: str, measured: Measurement) -> ColumnResult:
        """An Evidently result, unvalidated. Its empty list of widgets is what keeps Evidently from drawing some."""
        if self.metric._location is None:
            self.metric._location = single_value_location(self.to_metric_config())
        made: ColumnResult = ColumnResult.construct(
            value=nan if measured.score is None else measured.score,
            display_name=self.display_name(),
            metric_value_location=self.metric._location,
            widget=[],
            tests=[],
        )
        made._column, made._measured = column, measured
        return made


class ColumnDrift(ColumnMetric, _Metric):  # type: ignore[misc]
    """Drift score of a column by one of Evidently's tests. NaN where there is none: its Measurement says why."""

    method: str


class ColumnDriftCalculation(_Calculation[ColumnDrift]):
    def calculate(self, context: Any, current_data: ArrowDataset, reference_data: ArrowDataset) -> SingleValue:
        column = self.metric.column
        try:
            found = measure(column, self.metric.method, current_data, reference_data.prepared[column])
        except Exception as error:  # a broken column must not affect the others
            found = Measurement(reason=describe(error), failed=True)
        return self.result(column, found)

    def display_name(self) -> str:
        return f"Drift of {self.metric.column} ({self.metric.method})"


class PredictionError(_Metric):
    """Mean absolute error of `prediction` against `target` inside [low, high]; its Measurement has the others."""

    target: str
    prediction: str
    low: float
    high: float


class PredictionErrorCalculation(_Calculation[PredictionError]):
    def calculate(self, context: Any, current_data: ArrowDataset, reference_data: ArrowDataset) -> SingleValue:
        try:
            truth, predicted = self._pairs(current_data.table)
            if len(truth) < current_data.min_rows:
                found = Measurement(reason=too_few(len(truth), current_data.min_rows))
            else:
                off = error_metrics(truth, predicted)
                found = Measurement(score=off.mae, errors=off)
        except Exception as error:
            found = Measurement(reason=describe(error), failed=True)
        return self.result(self.metric.prediction, found)

    def _pairs(self, table: pa.Table) -> tuple[Floats, Floats]:
        truth = table[self.metric.target].to_numpy().astype(np.float64)
        predicted = table[self.metric.prediction].to_numpy().astype(np.float64)
        inside = (truth >= self.metric.low) & (truth <= self.metric.high) & np.isfinite(predicted)
        return truth[inside], predicted[inside]

    def display_name(self) -> str:
        return f"MAE of {self.metric.target}"


def report(methods: Mapping[str, str], error: PredictionError | None = None) -> Report:
    """Build a Report, to be run again and again.

    Args:
        methods: The test of drift, by column.
        error: The error of the prediction, for labels.
    """
    metrics: list[_Metric] = [ColumnDrift(column=column, method=method) for column, method in methods.items()]
    return Report(metrics if error is None else [*metrics, error])


def measurements(snapshot: Snapshot) -> dict[str, Measurement]:
    """Read the measurements of a Report made by `report`, by column, from the snapshot that its run returned."""
    results = snapshot.metric_results.values()
    return {result._column: result._measured for result in results if isinstance(result, ColumnResult)}


def measure(column: str, method: str, current: ArrowDataset, prepared: ReferenceColumn | str) -> Measurement:
    """Compare a window's column with its reference.

    Args:
        column: Its name.
        method: The test of drift.
        current: The window.
        prepared: The reference's column, or why it cannot be used.

    Raises:
        Exception: The column, or its reference, cannot be read.
    """
    if isinstance(prepared, str):
        raise ValueError(f"reference: {prepared}")
    summary = prepared.summarize(current.table[column])
    if summary.count < current.min_rows:
        return Measurement(summary, None, too_few(summary.count, current.min_rows))
    if prepared.count < current.min_rows:
        return Measurement(summary, None, f"reference: {too_few(prepared.count, current.min_rows)}", failed=True)
    try:
        value = score(method, prepared, summary)
    except Exception as error:  # any of Evidently's tests, on any values: the other figures still hold
        return Measurement(summary, None, describe(error), failed=True)
    if not isfinite(value):
        return Measurement(summary, None, f"{method} gave {value}", failed=True)
    return Measurement(summary, value)


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def too_few(count: int, needed: int) -> str:
    return f"{count} values, {needed} needed"


def error_metrics(truth: Floats, predicted: Floats) -> ErrorMetrics:
    """Compute errors of predictions. R² is scikit-learn's: 1 or 0 where the truth does not vary.

    Args:
        truth: At least one value, shape (rows,).
        predicted: Shape (rows,).
    """
    off = predicted - truth
    squares = float(off @ off)
    spread = float(np.square(truth - truth.mean()).sum())
    r2 = 1 - squares / spread if spread else float(squares == 0)
    return ErrorMetrics(float(np.abs(off).mean()), (squares / len(off)) ** 0.5, float(off.mean()), r2)
