"""What a season of a run is measured against: calm seasons of the model's reference, and of the run itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import gcd
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.verdict.ageing import ageing
from monitor.verdict.calibration import Calibration, CalmSeason, calibrate, decode
from monitor.verdict.estimate import Estimation, Expected
from monitor.verdict.family import Family, calibrate_family, parts_of, with_segments
from monitor.verdict.family import decode as decode_family
from monitor.verdict.fold import WindowScore
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.members import Ageing
from monitor.verdict.promise import Promise
from monitor.verdict.season import DAY, HOUR, Season, holidays_of, short_seasons
from monitor.verdict.segments import SegmentLayout
from monitor.verdict.summary import Group, Summary, divide_events, divide_labels, merge
from runtime.lru import LruCache
from schemas.definition import EVENTS, LABELS, Role, Stream
from storage.alarms import CalibrationRow, StoredScore, WatchTerms

LEAST = 4
"""Calm seasons that are taken even where the promise needs fewer."""

NEWEST = 4
"""Seasons of the run that are compared with the training."""

Week = Callable[[int], Mapping[Role, Sequence[Summary]]]
"""Start of a season of the run → its windows by role."""

WeekOfSegments = Callable[[int], Mapping[Role, Sequence[Sequence[Summary]]]]
"""The same of its segments: by role, of each window all of them, in the order of the layout."""

Drawn = tuple[Calibration, Family | None]


class Measure:
    """A calibration as it is applied to one season."""

    def __init__(
        self,
        season: int,
        calibration: Calibration,
        estimation: Estimation | None = None,
        family: Family | None = None,
    ) -> None:
        """Apply a calibration.

        Args:
            season: Its start, ms.
            calibration: The calibration.
            estimation: Of errors before labels come; None where they are not estimated.
            family: Of its segments; None where they are not watched.
        """
        self.season = season
        self.calibration = calibration
        self.family = family
        self.watch = msgspec.structs.replace(
            calibration.watch(season), segments=None if family is None else family.watch(season)
        )
        self._estimation = estimation
        if estimation is not None:
            self.watch = msgspec.structs.replace(self.watch, estimates=estimation.trust)

    @property
    def id(self) -> str:
        return self.calibration.id

    def score(self, role: Role, summary: Summary) -> StoredScore:
        """Score a window; rounded to what is stored of it, so that what is read back gives the same evidence."""
        rows, known = int(summary.rows.sum()), self.calibration.errors(summary) or self._expected(summary)
        errors = None if known is None else known.sums
        if not self._counts(role, summary.start, summary.size):
            return StoredScore(calibration_id=self.id, rows=rows, z=(), shares={}, errors=errors)
        z, shares = self.calibration.score(summary)
        return StoredScore(calibration_id=self.id, rows=rows, z=_rounded(z), shares=shares, errors=errors)

    def _expected(self, summary: Summary) -> Expected | None:
        """What is expected of a window of events; None where that is not known."""
        reference = self.calibration.references.get(EVENTS)
        if self._estimation is None or reference is None or summary.role != EVENTS:
            return None
        return self._estimation.expected(reference, summary)

    def with_segments(self, score: WindowScore, parts: Sequence[Summary] | None) -> WindowScore:
        """Add what the segments of a window say, where they are watched.

        Args:
            score: Of the window.
            parts: What they held, in the order of the layout; None where that is not known: they say nothing.
        """
        family, key = self.family, (score.role, score.size)
        if family is None or key not in family.watched:
            return score
        z: list[float] = []
        apart: list[float] = []
        if self.calibration.counts(np.array([score.start]), score.size)[0]:
            z = apart = [0.0] * len(family.signals(key))
            if parts is not None:
                z, apart = family.score(*key, parts_of(family.layout, score.role, parts))
        by_segment = {} if parts is None else family.errors(parts)
        own = msgspec.structs.replace(
            score, z=tuple(z), apart=tuple(apart), shares={}, errors=None, by_segment=by_segment
        )
        return msgspec.structs.replace(score, segments=own)

    def silent(self, role: Role, start: int, size: int, rows: int) -> StoredScore:
        """Score a window that held something unknown: it says nothing."""
        z = (0.0,) * len(self.watch.series[role, size].signals) if self._counts(role, start, size) else ()
        return StoredScore(calibration_id=self.id, rows=rows, z=z, shares={})

    def _counts(self, role: Role, start: int, size: int) -> bool:
        return (role, size) in self.watch.series and bool(self.calibration.counts(np.array([start]), size)[0])

    def row(self, state: bytes) -> CalibrationRow:
        """As it is stored. state: before the season."""
        made = self.calibration
        return CalibrationRow(
            season=self.season,
            calibration_id=self.id,
            weeks=made.seasons,
            promise=self.watch.promise,
            set_by=msgspec.to_builtins(made.set_by),
            refused=made.refused,
            about=made.sentence() if self.family is None else f"{made.sentence()} {self.family.sentence()}",
            signals={role: [s.name for s in made.signals(role)] for role in {role for role, _ in made.watched}},
            lines=_by_role({key: list(series.line) for key, series in self.watch.series.items()}),
            unwatched=_by_role(made.unwatched),
            payload=made.encode(),
            segments=None if self.family is None else self.family.encode(),
            state=state,
        )


class Calibrator:
    """Calibrates the seasons of runs of one stream.

    Attributes:
        layout: Of the summaries.
        segments: How the stream is divided; None where it is not.
        season: Of the stream.
    """

    def __init__(
        self,
        layout: SummaryLayout,
        stream: Stream,
        reference: pa.Table,
        period: tuple[int, int],
        *,
        segments: SegmentLayout | None = None,
        estimation: Estimation | None = None,
    ) -> None:
        """Keep what calibrations are made from.

        Args:
            layout: Of the summaries.
            stream: The stream.
            reference: Of the model, as `models.reference.layout` describes it.
            period: That it is of, ms.
            segments: How the stream is divided.
            estimation: Of errors before labels come; None where they are not estimated.
        """
        self.layout = layout
        self.segments = segments
        self.season = Season.from_stream(stream)
        self._stream = stream
        self._table = reference
        self._period = period
        self._estimation = estimation
        self._known = LruCache[tuple[str, int], Measure](16, lambda _: 1)
        self._drawn = LruCache[tuple[Any, ...], Drawn](4, lambda _: 1)
        self._references: dict[int, tuple[CalmSeason, ...]] = {}

    @property
    def covered(self) -> tuple[int, int]:
        """Event times of the first and the last row of the reference, ms."""
        found = pc.min_max(self._table[self._stream.events.time]).as_py()
        return found["min"] or 0, found["max"] or 0

    @property
    def reference(self) -> tuple[CalmSeason, ...]:
        """Whole seasons of the reference, oldest first; where there is none, its whole days."""
        return self._reference_by(HOUR)

    def _reference_by(self, step: int) -> tuple[CalmSeason, ...]:
        """The same, known by steps, ms."""
        found = self._references.get(step)
        if found is None:
            found = self._within_period(self.season.length, self.season.start(self._period[0]), step)
            if not found:
                days = self._within_period(DAY, self._period[0] // DAY * DAY, step)
                found = (_together(days),) if days else ()
            self._references[step] = found
        return found

    def watches_segments(self, terms: WatchTerms) -> bool:
        """Whether the segments of a run are watched, and are those that are known here."""
        return self.segments is not None and terms.segments == self.segments.hash

    def calibrate(
        self,
        season: int,
        own: Iterable[int],
        week: Week,
        *,
        terms: WatchTerms,
        excluded: Sequence[int],
        segments: WeekOfSegments = lambda _: {},
    ) -> Measure:
        """Measure a season by the calm ones before it.

        Args:
            season: Its start, ms.
            own: Starts of the run's whole seasons before it.
            week: Reads one of them.
            terms: Of the run.
            excluded: Seasons that people have excluded.
            segments: Reads the segments of one of them.
        """
        mine = [*own]
        known = {one.start: one for one in self._reference_by(_step(terms)) if one.start not in mine}
        calm = dict.fromkeys(mine) | known
        order = [*known, *mine]
        end = season + self.season.length
        holidays = holidays_of(terms.holidays or None, min([*order, season]), end)
        left = {*excluded, *short_seasons(self.season, holidays)}
        last = [start for start in order if self.season.start(start) not in left][-self._wanted(terms.promise) :]
        made, family = self._calibration({start: calm[start] for start in last}, holidays, week, segments, terms)
        today = {day: name for day, name in holidays.items() if day >= season}
        divided = None if family is None else family.leaving_out(today)
        return Measure(season, made.leaving_out(today), self._estimation, divided)

    def known(self, calibration_id: str, season: int, payload: Callable[[], tuple[bytes, bytes | None]]) -> Measure:
        """Return the measure of a season that has begun.

        Args:
            calibration_id: Of its calibration.
            season: Its start, ms.
            payload: Reads the calibration and that of its segments, where they are not remembered here.
        """
        key = calibration_id, season
        found = self._known.get(key)
        if found is None:
            whole, parts = payload()
            family = None
            if parts is not None and self.segments is not None:
                family = decode_family(parts, self.layout, self.segments)
            found = Measure(season, decode(whole, self.layout), self._estimation, family)
            self._known.put(key, found)
        return found

    def _calibration(
        self,
        calm: Mapping[int, CalmSeason | None],
        holidays: Mapping[int, str],
        week: Week,
        segments: WeekOfSegments,
        terms: WatchTerms,
    ) -> Drawn:
        """Calibrate by these seasons; those of the run are read.

        It takes seconds, in which a transaction is open. Should that end meanwhile, the next one finds here what
        follows from the reference alone.
        """
        divided = self.segments if self.watches_segments(terms) else None
        key = (*calm, terms.sizes, terms.promise, terms.holidays, divided is None)
        of_reference = None not in calm.values()
        found = self._drawn.get(key) if of_reference else None
        if found is None:
            seasons = [
                (
                    known or self._own(start, week(start), {} if divided is None else segments(start), _step(terms))
                ).without(holidays)
                for start, known in calm.items()
            ]
            made = calibrate(self.layout, self.season, seasons, sizes=terms.sizes, promise=terms.promise)
            made = replace(made, ageing=self._ageing([one for one in seasons if calm[one.start] is None], holidays))
            family = None
            if divided is not None and seasons:
                drawn = calibrate_family(
                    self.layout, divided, self.season, seasons, sizes=terms.sizes, promise=terms.promise
                )
                family = decode_family(drawn.encode(), self.layout, divided)
            found = decode(made.encode(), self.layout), family
            if of_reference:
                self._drawn.put(key, found)
        return found

    def _ageing(self, own: Sequence[CalmSeason], holidays: Mapping[int, str]) -> Ageing | None:
        """How far the run's newest calm seasons are from the reference. own: oldest first."""
        newest = own[-NEWEST:]
        if len(newest) < 2 or not self.reference:
            return None
        found = ageing(self.layout, self.season, [one.without(holidays) for one in self.reference], newest)
        moved = tuple(one for one in found if one.value > one.tolerance)
        return Ageing(newest[0].start, self.season.length, moved, any(one.name == "mae" for one in found))

    def _wanted(self, promise: float) -> int:
        return max(LEAST, Promise.from_seasons(promise, 0, self.season.length).missing)

    def _own(
        self,
        start: int,
        windows: Mapping[Role, Sequence[Summary]],
        segments: Mapping[Role, Sequence[Sequence[Summary]]],
        step: int,
    ) -> CalmSeason:
        end = start + self.season.length
        whole = CalmSeason.from_windows(self.layout, start, end, windows, step)
        if self.segments is None or not segments:
            return whole
        parts: dict[Role, list[Summary]] = {}
        for role, each in segments.items():
            parts[role] = [
                CalmSeason.from_windows(
                    self.layout, start, end, {role: [window[at] for window in each]}, step
                ).summaries[role]
                for at in range(len(self.segments.keys))
            ]
        return with_segments(whole, self.segments, parts)

    def _within_period(self, length: int, start: int, step: int) -> tuple[CalmSeason, ...]:
        """The stretches of a length that lie within the period of the reference."""
        first, end = self._period[0] // HOUR * HOUR, -(-self._period[1] // HOUR) * HOUR
        starts = range(start, end - length + 1, length)
        return tuple(self._calm(at, length, step) for at in starts if at >= first)

    def _calm(self, start: int, size: int, step: int) -> CalmSeason:
        found = self.summaries(start, size, step)
        whole = CalmSeason(start, {role: own[0] for role, own in found.items()})
        if self.segments is None:
            return whole
        return with_segments(whole, self.segments, {role: own[1:] for role, own in found.items()})

    def summaries(self, start: int, size: int, step: int | None = None) -> dict[Role, list[Summary]]:
        """Count a stretch of the reference.

        Args:
            start: Event time, ms.
            size: Of the stretch, ms.
            step: As which it is counted, ms; None: as a window of that size is.

        Returns:
            By role, the whole and its segments.
        """
        stream, times = self._stream, self._table[self._stream.events.time]
        rows = self._table.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, start + size)))
        groups: list[Group] = [] if self.segments is None else self.segments.groups(rows)
        found = {EVENTS: divide_events(rows, self.layout, stream, groups, start=start, size=size, step=step)}
        if stream.labels is not None and stream.label in rows.column_names:
            names = {
                stream.events.id: stream.labels.id,
                stream.events.time: stream.labels.time,
                str(stream.label): str(stream.label),
            }
            labels = rows.filter(pc.is_valid(rows[stream.label])).select([*names]).rename_columns([*names.values()])
            found[LABELS] = divide_labels(
                labels, rows, self.layout, stream, groups, start=start, size=size, step=step
            )
        return found


def _step(terms: WatchTerms) -> int:
    """By which calm time has to be known for the sizes of a run, ms."""
    return gcd(HOUR, *terms.sizes)


def _together(days: Sequence[CalmSeason]) -> CalmSeason:
    """Put days together that follow one another."""
    first = days[0]
    return CalmSeason(
        first.start,
        {role: merge([d.summaries[role] for d in days]) for role in first.summaries},
        segments={name: _together([d.segments[name] for d in days]) for name in first.segments},
    )


def _rounded(z: Iterable[float]) -> tuple[float, ...]:
    rounded: tuple[float, ...] = tuple(np.asarray([*z], np.float32).astype(np.float64).tolist())
    return rounded


def _by_role(values: Mapping[tuple[Role, int], Any]) -> dict[Role, dict[str, Any]]:
    """By role, and by the size in seconds as text, as JSON has it."""
    found: dict[Role, dict[str, Any]] = {}
    for (role, size), value in values.items():
        found.setdefault(role, {})[str(size // 1_000)] = value
    return found
