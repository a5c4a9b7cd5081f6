"""Everything about the reference that does not depend on the window, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from monitor.drift.calibrate import Calibration, calibrate
from monitor.drift.category import CategoryReference
from monitor.drift.columns import Column, Ints, ReferenceColumn, monitored, monitored_columns
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.evidently.metrics import ArrowDataset, PredictionError, report
from monitor.evidently.stattests import DISTANCES, score, test_of
from schemas.definition import LABELS, Records, Stream
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
    stream: Stream
    columns: Mapping[str, ReferenceColumn | str]
    methods: Mapping[str, Method]

    @classmethod
    def from_table(cls, table: pa.Table, stream: Stream, config: Config, *, calibrated: bool = True) -> Reference:
        """Prepare all that does not depend on a window.

        Args:
            table: Events in the layout of chunks, without offset, with the label where the stream has labels; by
                event time, ascending.
            stream: What the table is of.
            config: Methods, and quantiles to clip to.
            calibrated: Draw thresholds from the table, which takes some seconds; else they are Evidently's.

        Raises:
            UsageError: Evidently does not have a method for a column's type.
        """
        columns, methods = {}, {}
        times = table[stream.events.time].to_numpy()
        for column in monitored_columns(stream):
            method = _method(column, config)
            prepared = columns[column.name] = _reference_column(column, table, config)
            if calibrated and method.distance and not isinstance(prepared, str) and prepared.count:
                method = _calibrated(method, table[column.name], times, prepared, config.min_rows)
            methods[column.name] = method
        return cls(table, stream, columns, methods)

    @cached_property
    def dataset(self) -> ArrowDataset:
        return ArrowDataset(self.table, min_rows=0, prepared=self.columns)

    @cached_property
    def event_report(self) -> Any:
        """Evidently's Report for windows of events."""
        return report({c.name: self.methods[c.name].name for c in monitored(self.stream.events)})

    @cached_property
    def label_report(self) -> Any:
        """Evidently's Report for windows of labels, joined with their predictions. The stream has labels."""
        labels = self.labels
        low, high = labels.label_range or (float("-inf"), float("inf"))
        error = PredictionError(target=labels.label, prediction=PREDICTION, low=low, high=high)
        return report({c.name: self.methods[c.name].name for c in monitored(labels)}, error)

    @property
    def labels(self) -> Records:
        """The labels of a stream that has any. Raises KeyError for another."""
        return self.stream.records(LABELS)


def _method(column: Column, config: Config) -> Method:
    default = config.number_method if column.numeric else config.category_method
    name = config.methods.get(column.name, default)
    return Method(name, name in DISTANCES, test_of(column.name, name, numeric=column.numeric).default_threshold)


def _reference_column(column: Column, table: pa.Table, config: Config) -> ReferenceColumn | str:
    if column.name not in table.column_names:
        return "no such column"
    try:
        if column.numeric:
            return NumberReference.from_column(table[column.name], config.clip, column.label_range)
        return CategoryReference.from_column(table[column.name])
    except (TypeError, pa.ArrowException) as error:
        return str(error)


def _calibrated(
    method: Method, column: pa.ChunkedArray, times: Ints, prepared: ReferenceColumn, min_rows: int
) -> Method:
    found = calibrate(column, times, prepared, partial(score, method.name, prepared), min_rows)
    return Method(method.name, method.distance, method.default, found)
