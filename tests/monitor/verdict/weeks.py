"""Calm weeks of a small stream, drawn hour by hour from its bins, and what may be done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.verdict.calibration import CalmSeason
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.season import HOUR, WEEK
from monitor.verdict.summary import SUMS, Summary
from schemas.definition import EVENTS, LABELS, Role
from schemas.durations import moment_ms
from tests.monitor.verdict.streams import SMALL, small

MONDAY = moment_ms("2022-01-03")
HOURS = WEEK // HOUR

Floats = NDArray[np.float64]

_KNOWN = np.random.default_rng(3).gamma(4, 5, 400)

LAYOUT = SummaryLayout.from_reference(
    small(amount=_KNOWN, word=["a", "b", "b", "c"] * 100, took=np.linspace(2, 40, 400), prediction=_KNOWN), SMALL
)

Bend = Callable[[str, Floats], Floats]
"""Changes the shares of the bins of a column."""


def hours(
    weeks: int, seed: int, *, rate: float = 60.0, growth: float = 0.0, bend: Bend | None = None
) -> CalmSeason:
    """So many weeks with a daily pattern. growth: of the rows, per week. bend: of the shares of all columns."""
    random = np.random.default_rng(seed)
    at = np.arange(weeks * HOURS)
    expected = rate * (1 + 0.6 * np.sin(at % 24 / 24 * 2 * np.pi)) * (1 + growth) ** (at // HOURS)
    rows = random.poisson(expected)
    found: dict[Role, Summary] = {}
    for role, sums in ((EVENTS, np.zeros((len(at), 0), np.int64)), (LABELS, _sums(rows))):
        parts = []
        for column in LAYOUT.columns(role):
            shares = np.linspace(2, 1, column.bins)
            shares = shares if bend is None else bend(column.name, shares)
            parts.append(random.multinomial(rows, shares / shares.sum()))
        found[role] = Summary(LAYOUT.hash, role, MONDAY, HOUR, rows, np.concatenate(parts, axis=1), sums)
    return CalmSeason(MONDAY, found)


def _sums(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    sums = np.zeros((len(rows), len(SUMS)), np.int64)
    sums[:, :3] = rows[:, None]
    return sums


def apart(calm: CalmSeason) -> list[CalmSeason]:
    """Its single weeks."""
    number = len(calm.summaries[EVENTS].rows) // HOURS
    starts = [calm.start + week * WEEK for week in range(number)]
    return [
        CalmSeason(start, {role: one.between(start, start + WEEK) for role, one in calm.summaries.items()})
        for start in starts
    ]


def without_rows(summary: Summary, first: int, last: int) -> Summary:
    """Nothing came in these hours."""
    rows, counts, sums = summary.rows.copy(), summary.counts.copy(), summary.sums.copy()
    for array in (rows, counts, sums):
        array[first:last] = 0
    return replace(summary, rows=rows, counts=counts, sums=sums)
