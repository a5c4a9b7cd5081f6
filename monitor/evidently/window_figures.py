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
from monitor.drift.figures import Config, score_of, totals
from monitor.drift.sampling import sample
from monitor.evidently.metrics import ArrowDataset, Measurement, measurements
from monitor.evidently.reference import Reference, Span
from schemas.figures import (
    CATEGORY_METRICS,
    DRIFT,
    MAX_SEVERITY,
    NUMBER_METRICS,
    ColumnFigure,
    ColumnStatus,
    WindowFigures,
)
from storage.chunk import PREDICTION


def event_figures(
    window: pa.Table, reference: Reference, config: Config, span: Span | None = None
) -> WindowFigures:
    """Compute the figures of a window of events.

    Never raises because of the rows: a column that cannot be computed has its reason in its own figures.

    Args:
        window: Rows in the layout of chunks, in canonical order, with their predictions.
        reference: What they are compared with.
        config: Thresholds, drift_share, min_rows and max_rows; methods and clip are those of the reference.
        span: Where the window lies; None where that is to make no difference to the thresholds.
    """
    events = reference.stream.events
    rows = sample(window, events.id, config.max_rows)
    measured = _run(reference.event_report, rows, reference, config)
    columns = _columns(monitored(events), measured, reference, span, config.thresholds)
    return WindowFigures(
        **totals(columns, config.drift_share),
        prediction_drift=score_of(columns, PREDICTION),
        columns=columns,
        sampled=rows.num_rows,
        sufficient=window.num_rows >= config.min_rows,
    )


def label_figures(
    labels: pa.Table, events: pa.Table, reference: Reference, config: Config, span: Span | None = None
) -> WindowFigures:
    """Compute the figures of a window of labels, joined with the events of the same window by their id.

    Args:
        labels: Rows in the layout of chunks, in canonical order.
        events: The same; of these, id and prediction are read.
        reference: Of a stream that has labels.
        config: As for `event_figures`.
        span: As for `event_figures`.
    """
    records = reference.labels
    joined, coverage = _joined(labels, events, records.id, reference.stream.events.id)
    rows = sample(joined, records.id, config.max_rows)
    measured = _run(reference.label_report, rows, reference, config)
    columns = _columns(monitored(records), measured, reference, span, config.thresholds)
    error = measured[PREDICTION]
    return WindowFigures(
        **totals(columns, config.drift_share),
        **(error.errors._asdict() if error.errors else {}),
        target_drift=score_of(columns, records.label),
        label_coverage=coverage,
        columns=(*columns, _error(error)),
        sampled=rows.num_rows,
        sufficient=labels.num_rows >= config.min_rows,
    )


def _run(report: Any, rows: pa.Table, reference: Reference, config: Config) -> dict[str, Measurement]:
    """What one of our Reports finds out, by column.

    Overflow in a column shows as a figure that is not finite, not as a warning.
    """
    with np.errstate(all="ignore"):
        return measurements(report.run(ArrowDataset(rows, min_rows=config.min_rows), reference.dataset))


def _joined(labels: pa.Table, events: pa.Table, label_id: str, event_id: str) -> tuple[pa.Table, float | None]:
    """Labels with the prediction of their event, null where that is not in the window; share of events covered."""
    at = pc.index_in(labels[label_id], value_set=events[event_id].combine_chunks())
    joined = labels.append_column(PREDICTION, events[PREDICTION].take(at))
    known = len(at.drop_null().unique())
    return joined, known / events.num_rows if events.num_rows else None


def _columns(
    columns: Iterable[Column],
    measured: Mapping[str, Measurement],
    reference: Reference,
    span: Span | None,
    thresholds: Mapping[str, float],
) -> tuple[ColumnFigure, ...]:
    return tuple(
        figure
        for column in columns
        for figure in _figures(column, measured[column.name], reference, span, thresholds.get(column.name))
    )


def _figures(
    column: Column, found: Measurement, reference: Reference, span: Span | None, fixed: float | None
) -> Iterable[ColumnFigure]:
    """All rows of one column: drift first, then the other metrics. fixed: a threshold set by the operator."""
    yield _drift_figure(column.name, found, reference, span, fixed)
    figures = found.summary.figures if found.summary else {}
    for metric in (NUMBER_METRICS if column.numeric else CATEGORY_METRICS)[1:]:
        value = figures.get(metric)
        if value is not None and isfinite(value):
            yield ColumnFigure(column.name, metric, value=value)
        elif found.summary is None:
            yield ColumnFigure(column.name, metric, status="failed", reason=found.reason)
        elif value is None:
            yield ColumnFigure(column.name, metric, status="insufficient", reason="no values")
        else:
            yield ColumnFigure(column.name, metric, status="failed", reason="beyond the range of floats")


def _drift_figure(
    name: str, found: Measurement, reference: Reference, span: Span | None, fixed: float | None
) -> ColumnFigure:
    method = reference.methods[name]
    if found.score is None or found.summary is None:
        return ColumnFigure(name, DRIFT, method.name, status=_absent(found), reason=found.reason)
    limit = fixed if fixed is not None else reference.threshold(name, found.summary.count, span)
    severity = severity_of(found.score, limit, distance=method.distance)
    return ColumnFigure(name, DRIFT, method.name, found.score, limit, severity, "drift" if severity >= 1 else "ok")


def severity_of(score: float, threshold: float, *, distance: bool) -> float:
    """How far beyond its threshold a score is, whichever way it runs: 1 and above is drift. 0 to MAX_SEVERITY."""
    ratio = score / threshold if distance else threshold / max(score, threshold / MAX_SEVERITY)
    return min(ratio, MAX_SEVERITY)


def _error(found: Measurement) -> ColumnFigure:
    """Why there are errors of the prediction, or none."""
    if found.score is not None:
        return ColumnFigure(PREDICTION, "mae", value=found.score)
    return ColumnFigure(PREDICTION, "mae", status=_absent(found), reason=found.reason)


def _absent(found: Measurement) -> ColumnStatus:
    return "failed" if found.failed else "insufficient"
