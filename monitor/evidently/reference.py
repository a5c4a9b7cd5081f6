"""Everything about the reference that does not depend on the window, computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import pyarrow as pa

from monitor.drift.calibrate import Calibration, calibrate
from monitor.drift.category import CategoryReference
from monitor.drift.columns import Column, Ints, ReferenceColumn, monitored, monitored_columns
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.drift.window_thresholds import WindowThresholds, fit
from monitor.evidently.metrics import ArrowDataset, PredictionError, report
from monitor.evidently.stattests import DISTANCES, score, test_of
from schemas.definition import LABELS, Records, Stream
from storage.chunk import PREDICTION


@dataclass(frozen=True)
class Method:
    """How the drift of a column is measured.

    distance: the score grows with drift; else it is a p-value, which falls.
    default: Evidently's threshold, below which a calibrated one never goes.
    """

    name: str
    distance: bool
    default: float


class Span(NamedTuple):
    """Where a window lies in event time. start: ms since the epoch; size: ms."""

    start: int
    size: int


@dataclass(frozen=True)
class Reference:
    """The reference side of every figure.

    columns: prepared, or the reason why that could not be.
    min_rows: usable values that a threshold is drawn from. calibrated: thresholds are drawn from the table.
    """

    table: pa.Table
    stream: Stream
    columns: Mapping[str, ReferenceColumn | str]
    methods: Mapping[str, Method]
    min_rows: int
    calibrated: bool
    _fitted: dict[tuple[str, int], WindowThresholds | None] = field(default_factory=dict, compare=False, repr=False)
    _drawn: dict[str, Calibration | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_table(cls, table: pa.Table, stream: Stream, config: Config, *, calibrated: bool = True) -> Reference:
        """Prepare all that does not depend on a window, but for the thresholds: see `prepare`.

        Args:
            table: Events in the layout of chunks, without offset, with the label where the stream has labels; by
                event time, ascending.
            stream: What the table is of.
            config: Methods, and quantiles to clip to.
            calibrated: Draw thresholds from the table; else they are Evidently's.

        Raises:
            UsageError: Evidently does not have a method for a column's type.
        """
        columns, methods = {}, {}
        for column in monitored_columns(stream):
            methods[column.name] = _method(column, config)
            columns[column.name] = _reference_column(column, table, config)
        return cls(table, stream, columns, methods, config.min_rows, calibrated)

    def prepare(self, sizes: Iterable[int]) -> None:
        """Draw the thresholds of windows of these sizes, which takes some seconds, before the first window.

        Args:
            sizes: In ms.
        """
        for size in sizes:
            for name in self.methods:
                self.threshold(name, 1, Span(0, size))

    def threshold(self, column: str, rows: int, span: Span | None = None) -> float:
        """Return the score from which on a column of a window has drifted.

        Args:
            column: Its name.
            rows: Usable values of the window, at least 1.
            span: Of the window; None where only its number of rows counts, as for a reference that is too short.
        """
        method, prepared = self.methods[column], self.columns[column]
        if not self.calibrated or not method.distance or isinstance(prepared, str) or not prepared.count:
            return method.default
        fitted = self._of_windows(column, prepared, span.size) if span else None
        if span and fitted:
            return fitted.threshold(span.start, rows, method.default)
        drawn = self._of_blocks(column, prepared)
        return drawn.threshold(rows, method.default) if drawn else method.default

    def _of_windows(self, column: str, prepared: ReferenceColumn, size: int) -> WindowThresholds | None:
        key = (column, size)
        if key not in self._fitted:
            measure = partial(score, self.methods[column].name, prepared)
            self._fitted[key] = fit(
                self.table[column],
                self._times,
                prepared,
                measure,
                min_rows=self.min_rows,
                size=size,
                season=self.stream.season_ms or 0,
            )
        return self._fitted[key]

    def _of_blocks(self, column: str, prepared: ReferenceColumn) -> Calibration | None:
        if column not in self._drawn:
            measure = partial(score, self.methods[column].name, prepared)
            self._drawn[column] = calibrate(self.table[column], self._times, prepared, measure, self.min_rows)
        return self._drawn[column]

    @cached_property
    def _times(self) -> Ints:
        times: Ints = self.table[self.stream.events.time].to_numpy()
        return times

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
