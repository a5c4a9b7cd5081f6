"""`driftline windows`: which windows are listed, and whether any of them has drifted. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from schemas.definition import EVENTS, LABELS, Records
from storage.listings import WindowRow


def latest(rows: Sequence[WindowRow], newest: int | None, *, closed: bool = False) -> list[WindowRow]:
    """Keep the `newest` windows of each size; None keeps all. closed: leave out windows that are still filling."""
    starts: dict[int, set[datetime]] = defaultdict(set)
    kept = [row for row in rows if not (closed and row.status == "open")]
    for row in kept:
        starts[row.size_s].add(row.window_start)
    first = {size: sorted(found)[-newest:][0] if newest else min(found) for size, found in starts.items()}
    return [row for row in kept if row.window_start >= first[row.size_s]]


def judged(rows: Sequence[WindowRow], *, dataset: bool) -> list[WindowRow]:
    """Keep the closed windows of which a column was tested.

    dataset: of events alone. A window of labels tests one column, and is no data set.
    """
    closed = (row for row in rows if row.status != "open" and row.columns_tested)
    return [row for row in closed if row.stream == EVENTS or not dataset]


def drifted(rows: Sequence[WindowRow], *, dataset: bool) -> bool:
    """Tell whether a judged window has drifted: any column of it, or, with `dataset`, the window as a whole."""
    return any(row.dataset_drift if dataset else row.columns_drifted for row in judged(rows, dataset=dataset))


def explained(rows: Sequence[WindowRow], labels: Records | None) -> list[WindowRow]:
    """Add to the remarks on windows of labels which labels count. labels: their definition."""
    if labels is None:
        return [*rows]
    return [
        replace(row, remark=labels.with_range(row.remark)) if row.remark and row.stream == LABELS else row
        for row in rows
    ]
