"""The figures of one window, from its rows and the reference: the one door to everything computed here.

The same rows give the same floats, whoever computes them: nothing depends on a clock, a seed, the order in which
chunks were flushed, or a process's hash seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.drift.columns import Column, monitored
from monitor.drift.figures import (
    CATEGORY_METRICS,
    DRIFT,
    NUMBER_METRICS,
    ColumnFigure,
    Config,
    Status,
    WindowFigures,
    score_of,
    totals,
)
from monitor.drift.sampling import sample
from monitor.evidently.metrics import ArrowDataset, Measured, findings
from monitor.evidently.reference import Method, Reference
from storage.chunk import PREDICTION

MAX_SEVERITY = 1e6
"""Of a p-value of 0, which would be infinite."""


def trip_figures(window: pa.Table, reference: Reference, config: Config) -> WindowFigures:
    """The figures of a window of predictions. window: the layout of chunks, in canonical order.

    config: thresholds, drift_share, min_rows and max_rows; methods and clip are those of the reference.
    Raises nothing for what is wrong with the rows: each column says so for itself.
    """
    rows = sample(window, reference.trips.id, config.max_rows)
    measured = _run(reference.trip_report, rows, reference, config)
    columns = _columns(monitored(reference.trips), measured, reference.methods, config.thresholds)
    return WindowFigures(
        **totals(columns, config.drift_share),
        prediction_drift=score_of(columns, PREDICTION),
        columns=columns,
        sampled=rows.num_rows,
        sufficient=window.num_rows >= config.min_rows,
    )


def outcome_figures(outcomes: pa.Table, trips: pa.Table, reference: Reference, config: Config) -> WindowFigures:
    """The figures of a window of outcomes, which are joined with the trips of the same window by their id.

    outcomes, trips: the layouts of chunks, in canonical order; of trips, id and prediction are read.
    config: as for `trip_figures`.
    """
    stream = reference.outcomes
    joined, coverage = _joined(outcomes, trips, stream.id)
    rows = sample(joined, stream.id, config.max_rows)
    measured = _run(reference.outcome_report, rows, reference, config)
    columns = _columns(monitored(stream), measured, reference.methods, config.thresholds)
    error = measured[PREDICTION]
    return WindowFigures(
        **totals(columns, config.drift_share),
        **(error.errors._asdict() if error.errors else {}),
        target_drift=score_of(columns, stream.label),
        label_coverage=coverage,
        columns=(*columns, _error(error)),
        sampled=rows.num_rows,
        sufficient=outcomes.num_rows >= config.min_rows,
    )


def _run(report: Any, rows: pa.Table, reference: Reference, config: Config) -> dict[str, Measured]:
    """What one of our Reports finds out, by column.

    Overflow in a column shows as a figure that is not finite, not as a warning.
    """
    with np.errstate(all="ignore"):
        return findings(report.run(ArrowDataset(rows, min_rows=config.min_rows), reference.dataset))


def _joined(outcomes: pa.Table, trips: pa.Table, id_field: str) -> tuple[pa.Table, float | None]:
    """Outcomes with the prediction of their trip, null where that is not in the window; share of trips covered."""
    at = pc.index_in(outcomes[id_field], value_set=trips[id_field].combine_chunks())
    joined = outcomes.append_column(PREDICTION, trips[PREDICTION].take(at))
    known = len(at.drop_null().unique())
    return joined, known / trips.num_rows if trips.num_rows else None


def _columns(
    columns: Iterable[Column],
    measured: Mapping[str, Measured],
    methods: Mapping[str, Method],
    thresholds: Mapping[str, float],
) -> tuple[ColumnFigure, ...]:
    return tuple(
        figure
        for column in columns
        for figure in _figures(column, measured[column.name], methods[column.name], thresholds.get(column.name))
    )


def _figures(column: Column, found: Measured, method: Method, fixed: float | None) -> Iterable[ColumnFigure]:
    """All rows of one column: drift first, then what it looks like. fixed: a threshold set by the operator."""
    yield _drift_figure(column.name, found, method, fixed)
    figures = found.looks.figures if found.looks else {}
    for metric in (NUMBER_METRICS if column.numeric else CATEGORY_METRICS)[1:]:
        value = figures.get(metric)
        if value is not None and isfinite(value):
            yield ColumnFigure(column.name, metric, value=value)
        elif found.looks is None:
            yield ColumnFigure(column.name, metric, status="failed", reason=found.reason)
        elif value is None:
            yield ColumnFigure(column.name, metric, status="insufficient", reason="no values")
        else:
            yield ColumnFigure(column.name, metric, status="failed", reason="beyond the range of floats")


def _drift_figure(name: str, found: Measured, method: Method, fixed: float | None) -> ColumnFigure:
    if found.score is None or found.looks is None:
        return ColumnFigure(name, DRIFT, method.name, status=_absent(found), reason=found.reason)
    limit = fixed if fixed is not None else method.threshold(found.looks.count)
    severity = severity_of(found.score, limit, distance=method.distance)
    return ColumnFigure(name, DRIFT, method.name, found.score, limit, severity, "drift" if severity >= 1 else "ok")


def severity_of(score: float, threshold: float, *, distance: bool) -> float:
    """How far beyond its threshold a score is, whichever way it runs: 1 and above is drift. 0 to MAX_SEVERITY."""
    ratio = score / threshold if distance else threshold / max(score, threshold / MAX_SEVERITY)
    return min(ratio, MAX_SEVERITY)


def _error(found: Measured) -> ColumnFigure:
    """Why there are errors of the prediction, or none."""
    if found.score is not None:
        return ColumnFigure(PREDICTION, "mae", value=found.score)
    return ColumnFigure(PREDICTION, "mae", status=_absent(found), reason=found.reason)


def _absent(found: Measured) -> Status:
    return "failed" if found.failed else "insufficient"
