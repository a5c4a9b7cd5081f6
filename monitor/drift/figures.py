"""What the monitor computes, and what it says of all columns together: without Evidently. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from schemas.errors import UsageError
from schemas.figures import DRIFT, MISSING, ColumnFigure


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


def totals(columns: Iterable[ColumnFigure], drift_share: float) -> dict[str, Any]:
    """Compute what WindowFigures says of all columns together.

    Args:
        columns: Figures of all columns.
        drift_share: As in Config.

    Returns:
        Values by field of WindowFigures.
    """
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
