"""A calibration for windows of a few rows, which no real one would watch: scores tell what a window held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace

from monitor.calibrating import Week, WeekOfSegments
from monitor.verdict.fold import Series, Watch
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.members import Signal
from monitor.verdict.summary import Summary
from schemas.definition import EVENTS, LABELS, Role
from storage.alarms import CalibrationRow, StoredScore, WatchTerms

SIGNALS = (Signal("volume", "volume"), Signal("trip_distance", "column", "trip_distance"))
ID = "c" * 64


class RowMeasure:
    """Three rows are evidence, or seven; any other number is against it: a revision may bring or take evidence."""

    id = ID
    family = None

    def __init__(self, season: int, layout: SummaryLayout, sizes: Sequence[int]) -> None:
        self.season = season
        self.calibration = SimpleNamespace(seasons=(), layout=layout, references={})  # it says nothing of kinds
        of_one = Series(signals=SIGNALS, drift=(0.7, 0.7), line=(4.0, 6.0), rates=(1.0, 1.0))
        series = {(role, size): of_one for role in (EVENTS, LABELS) for size in sizes}
        self.watch = Watch(season=season, calibration_id=ID, promise=1.0, series=series)

    def score(self, role: Role, summary: Summary) -> StoredScore:
        rows = int(summary.rows.sum())
        z = 6.0 if rows % 4 == 3 else -3.0, float(int(abs(summary.sums).sum()) % 7 - 3) if rows else -3.0
        return StoredScore(calibration_id=ID, rows=rows, z=z, shares={"volume": 1.0})

    def silent(self, role: Role, size: int, rows: int) -> StoredScore:
        raise AssertionError("what a window held is always known here")

    def row(self, state: bytes) -> CalibrationRow:
        return CalibrationRow(
            season=self.season,
            calibration_id=ID,
            weeks=(),
            promise=1.0,
            set_by=None,
            refused=None,
            about="made up",
            signals={},
            lines={},
            unwatched={},
            payload=b"",
            state=state,
        )


class RowCalibrator:
    """In the place of a Calibrator."""

    segments = None

    def __init__(self, layout: SummaryLayout, sizes: Sequence[int]) -> None:
        self.layout = layout
        self._sizes = sizes

    def calibrate(
        self,
        season: int,
        own: Iterable[int],
        week: Week,
        *,
        terms: WatchTerms,
        excluded: Sequence[int],
        segments: WeekOfSegments,
    ) -> RowMeasure:
        return RowMeasure(season, self.layout, self._sizes)

    def known(self, calibration_id: str, season: int, payload: Callable[[], bytes]) -> RowMeasure:
        return RowMeasure(season, self.layout, self._sizes)
