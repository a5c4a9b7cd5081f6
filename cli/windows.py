"""`driftline windows`: which windows are listed, and whether any of them has drifted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from storage.listings import WindowRow


def latest(rows: Sequence[WindowRow], newest: int | None, *, closed: bool = False) -> list[WindowRow]:
    """Keep the `newest` windows of each size; None keeps all. closed: leave out windows that are still filling."""
    starts: dict[int, set[datetime]] = defaultdict(set)
    kept = [row for row in rows if not (closed and row.status == "open")]
    for row in kept:
        starts[row.size_s].add(row.window_start)
    first = {size: sorted(found)[-newest:][0] if newest else min(found) for size, found in starts.items()}
    return [row for row in kept if row.window_start >= first[row.size_s]]


def drifted(rows: Sequence[WindowRow], *, dataset: bool) -> bool:
    """Tell whether a closed window has drifted: any column of it, or, with `dataset`, the window as a whole."""
    closed = (row for row in rows if row.status != "open")
    return any(row.dataset_drift if dataset else row.columns_drifted for row in closed)
