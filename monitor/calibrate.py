"""Thresholds that know how many rows a window has. Pure.

A distance between a sample and its own population is not 0, and the fewer rows the larger: Evidently's fixed 0.1
calls most calm hours of a taxi stream drift. So the null distribution is drawn from the reference itself, from
blocks of neighbouring rows, which hold whatever the hours of a day and the days of a week do to the data.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa

from monitor.columns import Looks, Prepared

SIZES = (30, 100, 300, 1_000, 3_000, 10_000, 30_000)
BLOCKS = 200
LEVEL = 0.99
_GOLDEN = (5**0.5 - 1) / 2


class Calibration(msgspec.Struct, frozen=True):
    """Scores that a calm block stays below with probability LEVEL. rows: ascending, not empty."""

    rows: tuple[float, ...]
    scores: tuple[float, ...]

    def threshold(self, rows: int, floor: float) -> float:
        """For a window of so many usable values; linear in log rows, level beyond both ends.

        floor: a smaller difference is no drift worth an alarm, however surely it is there.
        """
        return max(floor, float(np.interp(np.log(rows), np.log(self.rows), self.scores)))


def starts(length: int, size: int, blocks: int) -> list[int]:
    """First rows of `blocks` blocks, spread evenly, but never in step with the hours of a day. Ascending."""
    places = (np.arange(1, blocks + 1) * _GOLDEN) % 1
    return sorted({int(place * (length - size + 1)) for place in places})


def calibrate(
    column: pa.ChunkedArray, prepared: Prepared, score: Callable[[Looks], float], min_rows: int
) -> Calibration | None:
    """column: of the reference, in event time. None where it is too short to draw from.

    A block is part of what it is held against, which shrinks its distance by the share of it; that is undone.
    """
    rows, scores = [], []
    for size in SIZES:
        if size < min_rows or size > len(column) // 4:
            continue
        blocks = [prepared.look(column.slice(start, size)) for start in starts(len(column), size, BLOCKS)]
        usable = [looks for looks in blocks if looks.count >= min_rows]
        if not usable:
            continue
        held_out = [score(looks) / (1 - looks.count / prepared.count) for looks in usable]
        rows.append(float(np.mean([looks.count for looks in usable])))
        scores.append(float(np.quantile(held_out, LEVEL)))
    return Calibration(tuple(rows), tuple(scores)) if rows else None
