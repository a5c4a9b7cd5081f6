"""Everything about the reference that does not depend on the window, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from monitor.drift.calibrate import Calibration, calibrate
from monitor.drift.category import CategoryReference
from monitor.drift.columns import Column, Ints, Prepared, monitored
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.evidently.metrics import ArrowDataset, PredictionError, report
from monitor.evidently.stattests import DISTANCES, score, test_of
from schemas.definition import Records
from storage.chunk import PREDICTION


@dataclass(frozen=True)
class Method:
    """How the drift of a column is measured, and from which score on it is drift.

    distance: the score grows with drift; else it is a p-value, which falls.
    default: Evidently's threshold, below which a calibrated one never goes.
    """

    name: str
    distance: bool
    default: float
    calibration: Calibration | None = None

    def threshold(self, rows: int) -> float:
        """rows: usable values of the window, at least 1."""
        return self.calibration.threshold(rows, self.default) if self.calibration else self.default


@dataclass(frozen=True)
class Reference:
    """The reference side of every figure. columns: prepared, or the reason why that could not be."""

    table: pa.Table
    trips: Records
    outcomes: Records
    columns: Mapping[str, Prepared | str]
    methods: Mapping[str, Method]

    @classmethod
    def prepare(
        cls, table: pa.Table, trips: Records, outcomes: Records, config: Config, *, calibrated: bool = True
    ) -> Reference:
        """table: the layout of chunks of `trips` without offset, and the label of `outcomes`; by event time.

        calibrated: draw thresholds from the table, which takes some seconds; else they are Evidently's.
        Raises UsageError for a method that Evidently does not have for a column's type.
        """
        columns, methods = {}, {}
        times = table[trips.time].to_numpy()
        for column in (*monitored(trips), *monitored(outcomes)):
            method = _method(column, config)
            prepared = columns[column.name] = _prepare(column, table, config)
            if calibrated and method.distance and not isinstance(prepared, str) and prepared.count:
                method = _calibrated(method, table[column.name], times, prepared, config.min_rows)
            methods[column.name] = method
        return cls(table, trips, outcomes, columns, methods)

    @cached_property
    def dataset(self) -> ArrowDataset:
        return ArrowDataset(self.table, min_rows=0, prepared=self.columns)

    @cached_property
    def trip_report(self) -> Any:
        """Evidently's Report for windows of trips."""
        return report({c.name: self.methods[c.name].name for c in monitored(self.trips)})

    @cached_property
    def outcome_report(self) -> Any:
        """Evidently's Report for windows of outcomes, joined with their predictions."""
        low, high = self.outcomes.label_range or (float("-inf"), float("inf"))
        error = PredictionError(target=self.outcomes.label, prediction=PREDICTION, low=low, high=high)
        return report({c.name: self.methods[c.name].name for c in monitored(self.outcomes)}, error)


def _method(column: Column, config: Config) -> Method:
    default = config.number_method if column.numeric else config.category_method
    name = config.methods.get(column.name, default)
    return Method(name, name in DISTANCES, test_of(column.name, name, numeric=column.numeric).default_threshold)


def _prepare(column: Column, table: pa.Table, config: Config) -> Prepared | str:
    if column.name not in table.column_names:
        return "no such column"
    try:
        if column.numeric:
            return NumberReference.prepare(table[column.name], config.clip, column.label_range)
        return CategoryReference.prepare(table[column.name])
    except (TypeError, pa.ArrowException) as error:
        return str(error)


def _calibrated(method: Method, column: pa.ChunkedArray, times: Ints, prepared: Prepared, min_rows: int) -> Method:
    found = calibrate(column, times, prepared, partial(score, method.name, prepared), min_rows)
    return Method(method.name, method.distance, method.default, found)
