"""Thresholds that know how many rows a window has. Pure.

A distance between a sample and its own population is not 0, and the fewer rows the larger: Evidently's fixed 0.1
calls most calm hours of a busy stream drift. So the null distribution is drawn from the reference itself, from
blocks of neighbouring rows, which hold whatever the hours of a day and the days of a week do to the data.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa

from monitor.drift.columns import ColumnSummary, Ints, ReferenceColumn

SIZES = (30, 100, 300, 1_000, 3_000, 10_000, 30_000)
BLOCKS = 200
LEVEL = 0.99
_GOLDEN = (5**0.5 - 1) / 2


class Calibration(msgspec.Struct, frozen=True):
    """Scores that a calm block stays below with probability LEVEL. rows: ascending, not empty."""

    rows: tuple[float, ...]
    scores: tuple[float, ...]

    def threshold(self, rows: int, floor: float) -> float:
        """Interpolate the threshold of a window, linear in log rows, level beyond both ends.

        Args:
            rows: Usable values of the window.
            floor: The least threshold: a smaller difference is not worth an alarm, however certain it is.
        """
        return max(floor, float(np.interp(np.log(rows), np.log(self.rows), self.scores)))


def starts(times: Ints, size: int, blocks: int) -> list[int]:
    """Choose blocks of neighbouring rows, and return the first row of each, ascending.

    Spread evenly over time, as windows are, and not over rows, of which nights have few; but never in step with
    the hours of a day. Blocks that would begin with the same row are one.

    Args:
        times: Of the rows, ascending, any unit, shape (rows,).
        size: Rows of a block.
        blocks: How many to choose.
    """
    places = (np.arange(1, blocks + 1) * _GOLDEN) % 1
    last = len(times) - size
    moments = times[0] + places * (times[last] - times[0])
    return sorted({min(int(row), last) for row in np.searchsorted(times, moments)})


def calibrate(
    column: pa.ChunkedArray,
    times: Ints,
    prepared: ReferenceColumn,
    score: Callable[[ColumnSummary], float],
    min_rows: int,
) -> Calibration | None:
    """Draw the null distribution of a column's score from the reference itself.

    A block is part of what it is compared with, which shrinks its distance by its share; that is undone.

    Args:
        column: Of the reference, by event time, ascending.
        times: Event times of its rows.
        prepared: The same column.
        score: A distance of a block.
        min_rows: Usable values that a block needs.

    Returns:
        None where the reference is too short to draw from.
    """
    rows, scores = [], []
    for size in SIZES:
        if size < min_rows or size > len(column) // 4:
            continue
        blocks = [prepared.summarize(column.slice(start, size)) for start in starts(times, size, BLOCKS)]
        usable = [summary for summary in blocks if summary.count >= min_rows]
        if not usable:
            continue
        held_out = [score(summary) / (1 - summary.count / prepared.count) for summary in usable]
        rows.append(float(np.mean([summary.count for summary in usable])))
        scores.append(float(np.quantile(held_out, LEVEL)))
    return Calibration(tuple(rows), tuple(scores)) if rows else None
