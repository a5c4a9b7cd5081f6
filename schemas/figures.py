"""The figures of a window as everybody reads them: rows of `window_result` and `column_metric`."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

ColumnStatus = Literal["ok", "drift", "insufficient", "failed"]

DRIFT = "drift"
ESTIMATED = "estimated_mae"
"""Metric of the prediction, in windows of events in which it is not known reliably."""

MISSING, NEW, OUTSIDE, MEAN = "missing_share", "new_share", "out_of_range_share", "mean"
MEDIAN = "q50"
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
NUMBER_METRICS = (DRIFT, MISSING, OUTSIDE, *QUANTILES, MEAN)
CATEGORY_METRICS = (DRIFT, MISSING, NEW)
"""Every window yields exactly these rows per column, in this order, so that an upsert leaves none behind."""

MAX_SEVERITY = 1e6
"""Of a p-value of 0, which would be infinite."""


def severity_text(severity: float) -> str:
    """Format a severity: two digits below 1, rounded down; `times` in the board's format.js does the same.

    What has not reached its threshold, or the band of 0.75 before it, never reads as if it had.
    """
    if severity < 1:
        return f"{min(0.99, math.floor(100 * severity + 1e-9) / 100):.2f}"
    return f"{severity:.1f}" if severity < 9.95 else f"{severity:,.0f}"


def error_times(mae: float | None, reference: float | None) -> str:
    """Format how many times the error of the reference an error is: `2.0×`; '' where one is not known."""
    if mae is None or not reference:
        return ""
    times = mae / reference
    return f"{times:.1f}×" if times < 9.95 else f"{times:,.0f}×"


class ColumnFigure(msgspec.Struct, frozen=True, gc=False):
    """One figure of one column of one window: a row of `column_metric`.

    value: finite; None where it is not known, and then status and reason say why.
    method, threshold, severity: of metric `drift` only. severity: direction-free, 0 or more; 1 and above is drift.
    """

    column: str
    metric: str
    method: str | None = None
    value: float | None = None
    threshold: float | None = None
    severity: float | None = None
    status: ColumnStatus = "ok"
    reason: str | None = None


class WindowFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything computed from the rows of one window of one stream.

    columns_tested: columns with a drift score, the prediction among them, as in Evidently's DriftedColumnsCount.
    columns_drifted, share_drifted: of those; dataset_drift: share_drifted >= Config.drift_share. None: none tested.
    prediction_drift: the drift score of the prediction. None in windows of labels.
    share_missing: missing cells among all cells of the monitored columns, 0 to 1: the tutorials' share of missing
        values. (Of the 0.7 API, DatasetMissingValueCount divides the same count by the rows.)
    mae, rmse, bias, r2: of labels that lie in the label_range; the first three in the unit of the stream.
        bias is the mean of prediction - truth (Evidently's MeanError): positive where predictions are too high.
    target_drift: the drift score of the label, within label_range on both sides.
    label_coverage: share of the window's events whose label is known, 0 to 1.
    estimated_mae: of events, the mae that is expected before their labels come. None: it is not, or not reliably.
    columns: ordered as the stream's numbers, categories, prediction; within each as in `figures`.
    sampled: rows the figures were computed from: fewer than the window's where it was capped.
    sufficient: whether there were rows enough to speak of drift at all.
    """

    columns_tested: int | None = None
    columns_drifted: int | None = None
    share_drifted: float | None = None
    dataset_drift: bool | None = None
    prediction_drift: float | None = None
    share_missing: float | None = None
    mae: float | None = None
    rmse: float | None = None
    bias: float | None = None
    r2: float | None = None
    target_drift: float | None = None
    label_coverage: float | None = None
    estimated_mae: float | None = None
    columns: tuple[ColumnFigure, ...] = ()
    sampled: int = 0
    sufficient: bool = False

    def with_estimate(self, estimate: ColumnFigure | None) -> WindowFigures:
        """Take in the error that is estimated; where it is not reliable, why. None: there is no estimator."""
        if estimate is None:
            return self
        reason = () if estimate.reason is None else (estimate,)
        return msgspec.structs.replace(self, estimated_mae=estimate.value, columns=(*self.columns, *reason))


class SegmentFigures(msgspec.Struct, frozen=True):
    """The figures of one segment of a window.

    Attributes:
        segment: Its name among all of the stream, `name=value`.
        rows: That it holds.
        joined: Of labels, its events in the same window.
        figures: Of these rows.
    """

    segment: str
    rows: int
    joined: int
    figures: WindowFigures
