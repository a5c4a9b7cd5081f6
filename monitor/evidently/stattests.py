"""Evidently's registered statistical tests, found by name, checked before the first window, and called."""

from __future__ import annotations

import os
import warnings

import numpy as np

from monitor.drift.columns import ColumnSummary, ReferenceColumn
from monitor.drift.number import NumberReference
from schemas.errors import UsageError

os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently reads it when imported
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies' deprecations
    from evidently.legacy.calculations.stattests.registry import StatTest, get_registered_stattest
    from evidently.legacy.core import ColumnType

DISTANCES = frozenset({"wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "ed"})
"""Tests whose score grows with drift. All others yield p-values, which fall."""

_UNBOUNDED = frozenset({"empirical_mmd"})
"""Tests whose memory grows with the square of the rows: 30 GB for a window of 60,000."""


def test_of(column: str, method: str, *, numeric: bool) -> StatTest:
    """Find one of Evidently's registered tests.

    Raises:
        UsageError: Evidently has none of this name for this type of column, or it cannot be afforded.
    """
    if method in _UNBOUNDED:
        raise UsageError(f"{method} for {column} needs memory by the square of the rows", "choose another test")
    try:
        return get_registered_stattest(method, column_type(numeric=numeric))
    except ValueError as error:
        raise UsageError(f"{column}: {error}", "choose one of those, of this type of column") from None


def column_type(*, numeric: bool) -> ColumnType:
    return ColumnType.Numerical if numeric else ColumnType.Categorical


def score(method: str, prepared: ReferenceColumn, summary: ColumnSummary) -> float:
    """Compute a drift score, by the prepared arithmetic if that is the method, else by Evidently's registered test.

    Such a test's warnings, and its seeding of numpy's global generator, stay inside.

    Args:
        method: Name of the test.
        prepared: The reference's column.
        summary: Of the window's column, with at least one usable value.
    """
    if method == prepared.method:
        return prepared.distance(summary)
    kind = column_type(numeric=isinstance(prepared, NumberReference))
    state = np.random.get_state()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = get_registered_stattest(method, kind)(*prepared.sides(summary), kind, None)
    finally:
        np.random.set_state(state)
    return float(result.drift_score)
