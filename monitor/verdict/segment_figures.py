"""The figures of segments, from what was counted of them. Pure.

They are estimated from bins, so that nothing is read or computed row by row for each segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from monitor.drift.columns import Floats
from monitor.drift.figures import Config, score_of, totals
from monitor.drift.window_thresholds import MOST, WindowThresholds, fit_distances, is_long_enough, spread_evenly
from monitor.verdict.layout import ERROR, CategoryLayout, ColumnLayout, NumberLayout, SummaryLayout
from monitor.verdict.season import DAY
from monitor.verdict.segments import SegmentLayout
from monitor.verdict.shapes import quantile
from monitor.verdict.signals import jensen_shannon, wasserstein
from monitor.verdict.summary import SUMS, Summary, error_unit
from schemas.definition import EVENTS, LABELS, Role, Stream
from schemas.figures import DRIFT, MAX_SEVERITY, MEDIAN, MISSING, NEW, ColumnFigure, SegmentFigures, WindowFigures
from storage.chunk import PREDICTION

FLOOR = 0.1
"""The least threshold: Evidently's default for both distances."""

Counted = Callable[[int, int], Mapping[Role, Sequence[Summary]]]
"""Start and length of a stretch of the reference, ms → by role, what it held: the whole, then its segments."""


class SegmentMeter:
    """Computes the figures of a stream's segments; each is compared with the same segment of the reference."""

    def __init__(
        self,
        layout: SummaryLayout,
        stream: Stream,
        segments: SegmentLayout,
        *,
        counted: Counted,
        period: tuple[int, int],
        config: Config,
    ) -> None:
        """Keep what segments are compared with; it is counted when the first window of a size needs it.

        Args:
            layout: The bins.
            stream: What is counted.
            segments: How it is divided.
            counted: Counts a stretch of the reference.
            period: Event times of its first and last row, ms.
            config: Rows that are enough, and the share of drifted columns from which on a segment has drifted.
        """
        self._layout, self._stream, self._segments = layout, stream, segments
        self._counted, self._period, self._config = counted, period, config
        self._references: dict[Role, Floats] = {}
        self._thresholds: dict[int, dict[Role, list[list[WindowThresholds | None]]]] = {}

    def prepare(self, sizes: Iterable[int]) -> None:
        """Draw the thresholds of windows of these sizes, ms: a second for each."""
        for size in sizes:
            self._of_size(size)

    def figures(self, size: int, start: int, parts: Sequence[Summary]) -> tuple[SegmentFigures, ...]:
        """Compute the figures of a window's segments.

        Args:
            size: Of the window, ms.
            start: Of the window, ms since the epoch.
            parts: What each segment held, in the order of the layout.
        """
        role, counts = parts[0].role, _counts(parts)
        apart, thresholds = self._distances(role, counts, self._reference(role)), self._of_size(size)[role]
        return tuple(
            self._segment(name, part, apart[at], thresholds[at], start)
            for at, (name, part) in enumerate(zip(self._segments.keys, parts, strict=True))
        )

    def _segment(
        self, name: str, part: Summary, apart: Floats, thresholds: Sequence[WindowThresholds | None], start: int
    ) -> SegmentFigures:
        counts, rows = part.counts.sum(0).astype(np.float64), int(part.rows.sum())
        columns = tuple(
            figure
            for at, (column, place) in enumerate(self._columns(part.role))
            for figure in self._column(column, counts[place], float(apart[at]), thresholds[at], start)
        )
        found = totals(columns, self._config.drift_share)
        enough = rows >= self._config.min_rows
        if part.role == EVENTS:
            drift = score_of(columns, PREDICTION)
            whole = WindowFigures(**found, columns=columns, prediction_drift=drift, sampled=rows, sufficient=enough)
            return SegmentFigures(name, rows, 0, whole)
        sums = dict(zip(SUMS, part.sums.sum(0).tolist(), strict=True))
        mae = self._mean(sums, "absolute_error")
        whole = WindowFigures(
            **found,
            columns=(*columns, _error(mae)),
            mae=mae,
            bias=self._mean(sums, "error"),
            target_drift=score_of(columns, self._stream.label),
            label_coverage=sums["matched"] / sums["events"] if sums["events"] else None,
            sampled=rows,
            sufficient=enough,
        )
        return SegmentFigures(name, rows, sums["events"], whole)

    def _mean(self, sums: Mapping[str, int], name: str) -> float | None:
        return sums[name] * error_unit(self._layout) / sums["errors"] if sums["errors"] else None

    def _column(
        self, column: ColumnLayout, counts: Floats, apart: float, usual: WindowThresholds | None, start: int
    ) -> Iterator[ColumnFigure]:
        """Always these three figures."""
        values, rows = int(counts[:-1].sum()), int(counts.sum())
        yield self._drift(column, values, apart, usual, start)
        yield _figure(column.name, MISSING, counts[-1] / rows if rows else None)
        if isinstance(column, NumberLayout):
            yield _figure(column.name, MEDIAN, quantile(column, counts, 0.5))
        else:
            yield _figure(column.name, NEW, counts[-2] / values if values else None)

    def _drift(
        self, column: ColumnLayout, values: int, apart: float, usual: WindowThresholds | None, start: int
    ) -> ColumnFigure:
        method = "jensenshannon" if isinstance(column, CategoryLayout) else "wasserstein"
        if values < self._config.min_rows:
            reason = f"{values} values, {self._config.min_rows} needed"
            return ColumnFigure(column.name, DRIFT, method, status="insufficient", reason=reason)
        if usual is None:
            reason = "the reference has too few windows with enough values of this segment"
            return ColumnFigure(column.name, DRIFT, method, status="insufficient", reason=reason)
        threshold = usual.threshold(start, values, FLOOR)
        severity = min(apart / threshold, MAX_SEVERITY)
        return ColumnFigure(
            column.name, DRIFT, method, apart, threshold, severity, "drift" if severity >= 1 else "ok"
        )

    def _columns(self, role: Role) -> list[tuple[ColumnLayout, slice]]:
        """The error is no column: it has figures of its own."""
        return [(c, place) for c, place in self._layout.slices(role) if (role, c.name) != (LABELS, ERROR)]

    def _distances(self, role: Role, counts: Floats, reference: Floats) -> Floats:
        """Of the values that are there, shape (segments, columns), as `monitor.drift` measures those of rows."""
        return np.stack(
            [
                wasserstein(column, counts[:, place], reference[:, place])
                if isinstance(column, NumberLayout)
                else jensen_shannon(counts[:, place][:, :-1], reference[:, place][:, :-1])
                for column, place in self._columns(role)
            ],
            axis=1,
        )

    def _reference(self, role: Role) -> Floats:
        """What each segment holds in the whole reference, shape (segments, bins)."""
        if not self._references:
            for start in range(self._period[0] // DAY * DAY, self._period[1] + 1, DAY):
                for of, (_, *parts) in self._counted(start, DAY).items():
                    self._references[of] = self._references.get(of, 0.0) + _counts(parts)
        return self._references[role]

    def _of_size(self, size: int) -> Mapping[Role, list[list[WindowThresholds | None]]]:
        """By role, of each segment and column; None where the reference is too short or has too few rows."""
        if size not in self._thresholds:
            self._thresholds[size] = self._fitted(size)
        return self._thresholds[size]

    def _fitted(self, size: int) -> dict[Role, list[list[WindowThresholds | None]]]:
        roles = [records.role for records in self._stream.topics]
        windows = self._windows(size)
        held = [(start, self._counted(start, size)) for start in windows]
        return {role: self._fitted_of(role, [(at, found[role][1:]) for at, found in held]) for role in roles}

    def _windows(self, size: int) -> list[int]:
        first, last = self._period
        if not is_long_enough(first, last, size, self._stream.season_ms or 0):
            return []
        starts = np.arange(first // size * size, last + 1, size)
        return [int(at) for at in (starts if len(starts) <= MOST else starts[spread_evenly(len(starts))])]

    def _fitted_of(
        self, role: Role, windows: Sequence[tuple[int, Sequence[Summary]]]
    ) -> list[list[WindowThresholds | None]]:
        columns, reference = self._columns(role), self._reference(role)
        if not windows:
            return [[None] * len(columns) for _ in self._segments.keys]
        starts = np.array([start for start, _ in windows])
        held = [_counts(parts) for _, parts in windows]
        apart = np.stack([self._distances(role, counts, reference) for counts in held])
        values = np.stack([_values(counts, columns) for counts in held])
        total = _values(reference, columns)
        return [
            [
                fit_distances(
                    apart[:, segment, at],
                    values[:, segment, at].astype(np.int64),
                    int(total[segment, at]),
                    starts,
                    min_rows=self._config.min_rows,
                    season=self._stream.season_ms or 0,
                )
                for at in range(len(columns))
            ]
            for segment in range(len(self._segments.keys))
        ]


def _counts(parts: Sequence[Summary]) -> Floats:
    """Rows by bin, shape (segments, bins)."""
    return np.stack([part.counts.sum(0) for part in parts]).astype(np.float64)


def _values(counts: Floats, columns: Sequence[tuple[ColumnLayout, slice]]) -> Floats:
    """Values that are there, shape (segments, columns)."""
    return np.stack([counts[:, place][:, :-1].sum(1) for _, place in columns], axis=1)


def _figure(column: str, metric: str, value: float | None) -> ColumnFigure:
    if value is None:
        return ColumnFigure(column, metric, status="insufficient", reason="no values")
    return ColumnFigure(column, metric, value=float(value))


def _error(mae: float | None) -> ColumnFigure:
    if mae is None:
        return ColumnFigure(PREDICTION, "mae", status="insufficient", reason="no label with a prediction")
    return ColumnFigure(PREDICTION, "mae", value=mae)
