"""What the monitor says of a window: without Evidently, which the store and the commands need not import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from schemas.errors import UsageError

Status = Literal["ok", "drift", "insufficient", "failed"]

DRIFT = "drift"
MISSING, NEW, OUTSIDE, MEAN = "missing_share", "new_share", "out_of_range_share", "mean"
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
NUMBER_METRICS = (DRIFT, MISSING, OUTSIDE, *QUANTILES, MEAN)
CATEGORY_METRICS = (DRIFT, MISSING, NEW)
"""Every window yields exactly these rows per column, in this order, so that an upsert leaves none behind."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What to compute, and what counts as drift.

    methods: per column, the name of any of Evidently's statistical tests for its type.
    number_method, category_method: for the columns that `methods` does not name.
    thresholds: per column, fixed by the operator; the others are calibrated, or else Evidently's default.
    clip: quantiles of the reference to whose range numbers are clipped, on both sides, before drift is measured:
        one odometer of 90,420 miles would otherwise hide every change of distance. Months of 2022 hold up to 0.12 %
        of those, so the bounds must lie well within.
    drift_share: share of drifted columns from which the window as a whole has drifted, as Evidently's default.
    min_rows: fewer values than this say nothing of drift.
    max_rows: larger windows are sampled, by a hash of the id.
    Raises UsageError for values that make no sense.
    """

    methods: Mapping[str, str] = {}
    number_method: str = "wasserstein"
    category_method: str = "jensenshannon"
    thresholds: Mapping[str, float] = {}
    clip: tuple[float, float] = (0.005, 0.995)
    drift_share: float = 0.5
    min_rows: int = 30
    max_rows: int = 100_000

    def __post_init__(self) -> None:
        low, high = self.clip
        _demand(0 <= low < high <= 1, f"clip {self.clip}", "give two ascending shares from 0 to 1")
        _demand(0 < self.drift_share <= 1, f"drift share {self.drift_share}", "give a share above 0, up to 1")
        _demand(2 <= self.min_rows <= self.max_rows, f"min_rows {self.min_rows}", "give 2 to max_rows")
        for column, threshold in self.thresholds.items():
            _demand(0 < threshold < float("inf"), f"threshold {threshold} of {column}", "give one above 0")


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
    status: Status = "ok"
    reason: str | None = None


class WindowFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything computed from the rows of one window of one stream.

    columns_tested: columns with a drift score, the prediction among them, as in Evidently's DriftedColumnsCount.
    columns_drifted, share_drifted: of those; dataset_drift: share_drifted >= Config.drift_share. None: none tested.
    prediction_drift: the drift score of the prediction. None in windows of outcomes.
    share_missing: missing cells among all cells of the monitored columns, 0 to 1: the tutorials' share of missing
        values. (Of the 0.7 API, DatasetMissingValueCount divides the same count by the rows.)
    mae, rmse, bias, r2: of outcomes whose label lies in the stream's label_range; minutes, minutes, minutes, none.
        bias is the mean of prediction - truth (Evidently's MeanError): positive where predictions are too long.
    target_drift: the drift score of the label, within label_range on both sides.
    label_coverage: share of the window's trips whose outcome is known, 0 to 1.
    columns: ordered as the stream's numbers, categories, prediction; within each as in `figures`.
    sampled: rows the figures were computed from: fewer than the window's where it was capped.
    sufficient: whether there were rows enough (Config.min_rows) to speak of drift at all.
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
    columns: tuple[ColumnFigure, ...] = ()
    sampled: int = 0
    sufficient: bool = False


def totals(columns: Iterable[ColumnFigure], drift_share: float) -> dict[str, Any]:
    """What WindowFigures says of all columns together, by field. drift_share: as in Config."""
    tested = [c for c in columns if c.metric == DRIFT and c.value is not None]
    drifted = sum(c.status == "drift" for c in tested)
    missing = [c.value for c in columns if c.metric == MISSING and c.value is not None]
    share = drifted / len(tested) if tested else None
    return {
        "columns_tested": len(tested),
        "columns_drifted": drifted,
        "share_drifted": share,
        "dataset_drift": None if share is None else share >= drift_share,
        "share_missing": sum(missing) / len(missing) if missing else None,
    }


def score_of(columns: Iterable[ColumnFigure], name: str | None) -> float | None:
    """The drift score of a column, where it has one."""
    return next((c.value for c in columns if c.column == name and c.metric == DRIFT), None)


def _demand(holds: bool, what: str, do: str) -> None:
    if not holds:
        raise UsageError(what, do)
