"""Evidence and alarms of a run, window by window. Pure.

Windows are folded in one canonical order, season by season. Folding them one by one, in groups or all at once gives
the same; so does whoever folds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import starmap
from math import inf

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.verdict.estimate import NO_ESTIMATOR, ComparedDay, Expected, Trust, kept_days
from monitor.verdict.harm import Errors, added
from monitor.verdict.lifecycle import (
    THRESHOLDS,
    Alarm,
    AlarmKey,
    AlarmThresholds,
    DayOfErrors,
    Evidence,
    advance,
    age,
    hurt,
)
from monitor.verdict.members import (
    COLLAPSED,
    Ageing,
    Moved,
    Signal,
    Track,
    chance_of,
    explaining,
    named,
    together,
    without_mixed,
)
from monitor.verdict.season import DAY
from schemas.definition import LABELS, Role

Floats = NDArray[np.float64]

SeriesKey = tuple[Role, int]
"""Role and size, ms, of windows that follow one another."""

Order = tuple[int, int, int, str]
"""Season, due, size, role: where a window comes in the canonical order."""


Look = Callable[[Alarm, "WindowScore"], Alarm]
"""Given an alarm that fires and the window up to which was folded: adds to its members what kind of change it is.
It may depend on what windows up to that one held, in canonical order, and on nothing else."""

UNLIKELY = 0.01
"""How probable as much evidence of a segment is at most in a calm window, where what it explains has moved."""

MOST = 10
"""Signals of segments that explain an alarm of the whole stream; those with the most evidence."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """How the windows of one role and size are watched.

    Attributes:
        signals: In the order of `WindowScore.z`.
        drift: Of each signal, k: what is taken from its score before it is added.
        line: Of each signal, the evidence at which an alarm fires.
        rates: Of each signal, of the exponential tail of its evidence in calm windows.
        rows: Of segments, by signal: as in `Moved`.
    """

    signals: tuple[Signal, ...]
    drift: tuple[float, ...]
    line: tuple[float, ...]
    rates: tuple[float, ...]
    rows: tuple[float, ...] = ()


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """How one season of a run is watched.

    Attributes:
        season: Its start, ms.
        calibration_id: What it follows from.
        promise: False alarms a month; None: nothing can be promised.
        series: By role and size; what is not in it is not watched.
        ageing: How far the stream is from the training; None: that is not known.
        harm: Excess of the error of a day from which on it is harmed; None: errors are not known.
        estimates: When estimates of the error are used.
        track: Of its alarms.
        segments: How those of the stream are watched, beside it: by one series for all of them.
    """

    season: int
    calibration_id: str
    promise: float | None
    series: Mapping[SeriesKey, Series]
    ageing: Ageing | None = None
    harm: float | None = None
    estimates: Trust = NO_ESTIMATOR
    track: Track = "change"
    segments: Watch | None = None

    @property
    def smallest(self) -> int:
        """The smallest size that is watched, ms; 0 without any."""
        return min((size for _, size in self.series), default=0)

    @property
    def smallest_of_labels(self) -> int:
        """The smallest size at which labels are watched, ms; 0 where they are not."""
        return self.smallest_of(LABELS)

    def smallest_of(self, role: Role) -> int:
        """The smallest size at which records of a role are watched, ms; 0 where they are not."""
        return min((size for watched, size in self.series if watched == role), default=0)


class WindowScore(msgspec.Struct, frozen=True, kw_only=True):
    """What one window says.

    Attributes:
        role, size, start: The window.
        due: From when on it can be final: its end and the allowed lateness, ms.
        season: Start of the season that its start lies in.
        z: Standardised scores, shape (signals,); rounded to what is stored of them. () on days that do not count:
            evidence stays what it was.
        shares: Rows (`volume`) and labels (`coverage`) as shares of what is expected, where that is known.
        errors: Of its labels, or expected of its events; None where they are not known.
        apart: Of segments, by signal: how far each is from the usual, beyond what is usual.
        segments: What its segments say.
        by_segment: Of segments, the errors of the labels of each.
    """

    role: Role
    size: int
    start: int
    due: int
    season: int
    z: tuple[float, ...]
    shares: Mapping[str, float] = {}
    errors: Errors | Expected | None = None
    apart: tuple[float, ...] = ()
    segments: WindowScore | None = None
    by_segment: Mapping[str, Errors] = {}

    @property
    def end(self) -> int:
        return self.start + self.size

    @property
    def order(self) -> Order:
        return self.season, self.due, self.size, self.role


class Cusum(msgspec.Struct):
    """Evidence of one role and size.

    Attributes:
        sums: By signal; never negative.
        since: By signal: start of the window in which its sum rose from 0.
        level: The largest, in units of the line.
        past: (end, level) after the windows of the last day, and after the last one before it.
        shares: As in its score.
        apart: Of segments, as in the scores of the last day's windows.
    """

    sums: list[float]
    since: list[int]
    level: float = 0.0
    past: list[tuple[int, float]] = []
    shares: dict[str, float] = {}
    apart: list[tuple[float, ...]] = []

    @property
    def end(self) -> int:
        """Of the newest window."""
        return self.past[-1][0]


class State(msgspec.Struct):
    """All that folding the next window needs to know of those before it.

    Attributes:
        last: The last window that was folded.
        cusums: By `role/size`; begun anew in each season.
        alarm: The one of track `change` that is open.
        aged: The one of track `ageing`.
        hurt: The one of track `harm`.
        errors: Of the labels of the last day, in the smallest windows of them that are watched.
        expected: Of the events, likewise.
        days: The newest days, whose estimates labels can be compared with.
        segments: The same of its segments: evidence, and the alarm of track `segments`.
        by_segment: Of segments, `errors` of each.
    """

    last: Order | None = None
    cusums: dict[str, Cusum] = {}
    alarm: Alarm | None = None
    aged: Alarm | None = None
    hurt: Alarm | None = None
    errors: list[Errors] = []
    expected: list[Expected] = []
    days: list[ComparedDay] = []
    segments: State | None = None
    by_segment: dict[str, list[Errors]] = {}


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence curve at one window.

    Attributes:
        score: Of the window.
        level: Evidence of its role and size after it, in units of the line.
        signal: The signal that has most of it; None where there is none.
        segment: That the signal is of; '' for the whole stream.
    """

    score: WindowScore
    level: float
    signal: str | None
    segment: str = ""


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of folding windows.

    Attributes:
        state: After them.
        points: One for each window.
        of_segments: The same of all segments together, for each window that says something of them.
        alarms: By key: all that were pending, fired or went on, as they are after them. Suspicions that came to
            nothing are left out, unless they were open before.
        dropped: Keys of alarms that were pending before, and came to nothing.
        changes: Alarms as they were when they fired or recovered, in order.
    """

    state: State
    points: list[Point]
    of_segments: list[Point] = []
    alarms: dict[AlarmKey, Alarm]
    dropped: list[AlarmKey]
    changes: list[Alarm]


def encode_state(state: State) -> bytes:
    """Encode a state; the same state gives the same bytes."""
    return msgspec.json.encode(state, order="deterministic")


def decode_state(state: bytes) -> State:
    """Decode what `encode_state` made."""
    return msgspec.json.decode(state, type=State)


def fold(
    state: State,
    scores: Iterable[WindowScore],
    watch: Watch,
    thresholds: AlarmThresholds = THRESHOLDS,
    *,
    look: Look | None = None,
) -> Folded:
    """Fold windows of one season into what was known before them.

    Args:
        state: Before them; it stays as it is.
        scores: In canonical order, each once, all of the season of `watch`.
        watch: How the season is watched.
        thresholds: When alarms change their state.
        look: Looks into the records; None: nobody says what kind of change an alarm is about.

    Raises:
        ValueError: A window comes out of order, or belongs to another season.
    """
    made = _Folding(decode_state(encode_state(state)), watch, thresholds, look)
    for score in scores:
        made.add(score)
    return made.folded()


class _Folding:
    def __init__(self, state: State, watch: Watch, thresholds: AlarmThresholds, look: Look | None) -> None:
        self.state, self._watch, self._thresholds, self._look = state, watch, thresholds, look
        self.points: list[Point] = []
        self.alarms: dict[AlarmKey, Alarm] = {}
        self.dropped: list[AlarmKey] = []
        self.changes: list[Alarm] = []
        self._segments: _Folding | None = None
        if watch.segments is not None:
            state.segments = state.segments or State()
            self._segments = _Folding(state.segments, watch.segments, thresholds, None)

    def folded(self) -> Folded:
        """All of it."""
        parts = [self, *([] if self._segments is None else [self._segments])]
        return Folded(
            state=self.state,
            points=self.points,
            of_segments=[] if self._segments is None else self._segments.points,
            alarms={key: alarm for part in parts for key, alarm in part.alarms.items()},
            dropped=[key for part in parts for key in part.dropped],
            changes=[change for part in parts for change in part.changes],
        )

    def add(self, score: WindowScore) -> None:
        """Take a window into account: first its evidence, then what alarms make of it.

        What segments say changes nothing of the alarm of the whole stream but which of them explain it.
        """
        is_watched = self._take(score)
        segments = self._segments if score.segments is not None else None
        if segments is not None and score.segments is not None:
            segments._take(score.segments)
            segments._keep_errors_of_segments(score.segments)
        if is_watched:
            has_errors = self._keep_errors(score)
            if score.z:
                self._advance(score)
            if has_errors:
                self._hurt(score)
        if segments is not None and score.segments is not None and score.segments.z:
            segments._advance(score.segments, self.state.alarm)

    def _take(self, score: WindowScore) -> bool:
        """Add up its evidence. Returns whether windows like it are watched."""
        last = self.state.last
        if score.season != self._watch.season or (last is not None and score.order <= last):
            raise ValueError(f"window {score.role} {score.size} {score.start} comes out of order")
        if last is None or last[0] != score.season:
            self.state.cusums = {}
            self._age()
        self.state.last = score.order
        series = self._watch.series.get((score.role, score.size))
        if series is None:
            self.points.append(Point(score=score, level=0.0, signal=None))
            return False
        cusum = self._accumulate(series, score) if score.z else self._cusum(series, score)
        worst = int(np.argmax(np.array(cusum.sums) / np.array(series.line))) if cusum.level > 0 else None
        signal = None if worst is None else series.signals[worst]
        name, segment = (None, "") if signal is None else (signal.name, signal.segment)
        self.points.append(Point(score=score, level=cusum.level, signal=name, segment=segment))
        return True

    def _age(self) -> None:
        """Compare what a season is measured by with the training."""
        before = self.state.aged
        if self._watch.ageing is None:
            after = before
        else:
            after = age(before, self._watch.ageing, self._watch.season, self._watch.calibration_id)
        self._record(before, after)
        self.state.aged = None if after is None or after.state == "recovered" else after

    def _keep_errors(self, score: WindowScore) -> bool:
        """Take the errors of a window into those of the last day. Returns whether there were any of labels."""
        if score.errors is None or score.size != self._watch.smallest_of(score.role):
            return False
        after = score.end - DAY
        if score.z:
            self.state.days = kept_days(self.state.days, score.errors)
        if isinstance(score.errors, Expected):
            self.state.expected = [*(part for part in self.state.expected if part.start >= after), score.errors]
            return False
        self.state.errors = [*(part for part in self.state.errors if part.start >= after), score.errors]
        return True

    def _keep_errors_of_segments(self, score: WindowScore) -> None:
        for segment, errors in score.by_segment.items():
            known = self.state.by_segment.get(segment, [])
            self.state.by_segment[segment] = [*(part for part in known if part.start >= score.end - DAY), errors]

    def _errors_of_segment(self, moved: Sequence[Moved]) -> list[Errors]:
        """Of the segment that an alarm names first: whether the model is hurt is asked of that."""
        members = named(moved) if self.state.alarm is None else self.state.alarm.members
        return next((self.state.by_segment.get(m.segment, []) for m in members), [])

    def _hurt(self, score: WindowScore) -> None:
        """Look at the error of the last day; where many labels are missing, those that are there may be special.

        What an alarm of track `change` says of the error is not said a second time.
        """
        before, day, line = self.state.hurt, added(self.state.errors), self._watch.harm
        if line is None or day is None or day.end - day.start < DAY:
            return
        if score.shares.get("coverage", 1.0) < COLLAPSED:
            return
        change = self.state.alarm
        if before is None and change is not None and self._is_said_by(change, score.end):
            return
        after = hurt(
            before,
            DayOfErrors(
                size=score.size,
                errors=day,
                line=line,
                moved=() if change is None else change.members,
                calibration_id=self._watch.calibration_id,
            ),
            self._thresholds,
        )
        self._record(before, after)
        self.state.hurt = None if after is None or after.state == "recovered" else after

    def _is_said_by(self, change: Alarm, now: int) -> bool:
        """Whether an alarm says that the model is hurt; one that is only pending has some hours to fire."""
        waits = change.fired_at is not None or now - change.pending_at < self._thresholds.first
        return waits and change.harm in ("concept", "both")

    def _cusum(self, series: Series, score: WindowScore) -> Cusum:
        """As it was after the window before."""
        size = len(series.signals)
        return self.state.cusums.get(_name(score.role, score.size)) or Cusum([0.0] * size, [0] * size)

    def _accumulate(self, series: Series, score: WindowScore) -> Cusum:
        cusum = self.state.cusums[_name(score.role, score.size)] = self._cusum(series, score)
        before = np.array(cusum.sums)
        sums = np.maximum(0.0, before + np.array(score.z) - np.array(series.drift))
        cusum.since = np.where(before > 0, cusum.since, score.start).tolist()
        cusum.sums = sums.tolist()
        cusum.level = float((sums / np.array(series.line)).max(initial=0.0))
        cusum.past = [*self._recent(cusum.past, score.end), (score.end, cusum.level)]
        cusum.shares = dict(score.shares)
        if score.apart:
            cusum.apart = [*cusum.apart, score.apart][-max(DAY // score.size, 1) :]
        return cusum

    def _recent(self, past: list[tuple[int, float]], end: int) -> list[tuple[int, float]]:
        """What is needed to compare with a day ago: that is the first."""
        older = sum(at <= end - self._thresholds.quiet for at, _ in past)
        return past[max(older - 1, 0) :]

    def _advance(self, score: WindowScore, beside: Alarm | None = None) -> None:
        """Let an alarm begin, go on or end. beside: Of segments, the alarm of the whole stream."""
        before, thresholds = self.state.alarm, self._thresholds
        level = self._level
        if before is None and level <= thresholds.pending:
            return
        if beside is not None and (before is None or before.fired_at is None):
            if beside.fired_at is not None:  # that one names them
                self._record(before, None)
                self.state.alarm = None
                return
            if score.end - beside.pending_at < thresholds.first:  # it may fire yet
                thresholds = msgspec.structs.replace(thresholds, firing=inf)
        after = advance(before, self._evidence(score, level), thresholds)
        if after is not None and after.state != "recovered" and self._segments is not None:
            after = self._segments.explain(after)
        after = self._looked(after, score)
        self._record(before, after)
        self.state.alarm = after
        if after is not None and after.state == "recovered":
            self.state.alarm, self.state.cusums = None, {}
            if self._segments is not None and self._segments.state.alarm is None:
                self._segments.state.cusums = {}

    @property
    def _level(self) -> float:
        return max((cusum.level for cusum in self.state.cusums.values()), default=0.0)

    def explain(self, alarm: Alarm) -> Alarm:
        """Name the segments that explain an alarm of the whole stream, as far as there is evidence.

        Of what the alarm itself names there is evidence already: that of a segment need not be much. What it does
        not name has to be above the line, and comes after it.
        """
        names = {m.name for m in alarm.members}
        found = [one for one in explaining(self._moved()) if self._is_clear(one, one.signal.name in names)]
        known = together(alarm.segments, named(without_mixed(found)))
        first = sorted(known, key=lambda m: m.name not in names and m.kind != "mixture")
        return msgspec.structs.replace(alarm, segments=tuple(first)[:MOST])

    def _is_clear(self, one: Moved, is_expected: bool) -> bool:
        if one.signal.kind == "mixture":
            return one.value > self._thresholds.pending
        return one.chance <= UNLIKELY if is_expected else one.value > self._thresholds.firing

    def _explaining(self, moved: Sequence[Moved]) -> list[Moved]:
        """Of the signals of which any segment has evidence, the segments that explain it."""
        clear = {(one.role, one.signal.name) for one in moved if one.value > self._thresholds.pending}
        return without_mixed([one for one in explaining(moved) if self._is_of(one, clear)])

    def _is_of(self, one: Moved, clear: set[tuple[Role, str]]) -> bool:
        if one.signal.kind == "mixture":
            return one.value > self._thresholds.pending
        return (one.role, one.signal.name) in clear and one.chance <= UNLIKELY

    def _looked(self, alarm: Alarm | None, score: WindowScore) -> Alarm | None:
        """Look into the records, when an alarm fires and a few times later: by then there are more."""
        if self._look is None or alarm is None or alarm.state != "firing" or alarm.fired_at is None:
            return alarm
        due = sum(score.end >= alarm.fired_at + after for after in self._thresholds.looks)
        if due <= alarm.looked:
            return alarm
        return msgspec.structs.replace(self._look(alarm, score), looked=due)

    def _is_calm(self, name: str, cusum: Cusum) -> bool:
        """Whether evidence has fallen for a day, or is low: at the smallest size for a day, as it begins from 0."""
        (then, before), thresholds = cusum.past[0], self._thresholds
        is_known = then <= cusum.end - thresholds.quiet
        if is_known and cusum.level < before:
            return True
        if name.endswith(f"/{self._watch.smallest}"):
            return is_known and max(level for _, level in cusum.past) < thresholds.calm
        return cusum.level < thresholds.calm

    def _evidence(self, score: WindowScore, level: float) -> Evidence:
        cusums = self.state.cusums
        moved = self._named() if level > self._thresholds.pending else []
        return Evidence(
            role=score.role,
            size=score.size,
            start=score.start,
            level=level,
            is_calm=all(starmap(self._is_calm, cusums.items())),
            moved=moved,
            shares=self._shares(),
            labelled_until=max(
                (cusums[name].end for name in cusums if name.startswith(f"{LABELS}/")), default=None
            ),
            calibration_id=self._watch.calibration_id,
            promise=self._watch.promise,
            errors=self._errors_of_segment(moved) if self._watch.track == "segments" else self.state.errors,
            harm=self._watch.harm,
            expected=self.state.expected,
            days=self.state.days,
            estimates=self._watch.estimates,
            track=self._watch.track,
        )

    def _named(self) -> list[Moved]:
        """What an alarm may name; of segments those that explain it, if any do."""
        moved = self._moved()
        return self._explaining(moved) or moved if self._watch.track == "segments" else moved

    def _shares(self) -> dict[str, float]:
        """Of the newest windows of the smallest size; where events and labels have the same kind, the smaller."""
        found: dict[str, float] = {}
        for role, size in sorted(self._watch.series):
            cusum = self.state.cusums.get(_name(role, size))
            for kind, share in cusum.shares.items() if cusum and size == self._watch.smallest else ():
                found[kind] = min(share, found.get(kind, share))
        return found

    def _moved(self) -> list[Moved]:
        if self.state.last is None or self.state.last[0] != self._watch.season:
            return []  # what was added up is of the season before, whose signals may be others
        return [
            Moved(
                role=role,
                size=size,
                signal=signal,
                value=total / line,
                chance=chance_of(total, rate),
                since=since,
                apart=float(apart),
                rows=rows,
            )
            for (role, size), series in sorted(self._watch.series.items())
            if (cusum := self.state.cusums.get(_name(role, size)))
            for signal, total, line, since, rate, apart, rows in zip(
                series.signals,
                cusum.sums,
                series.line,
                cusum.since,
                series.rates,
                np.mean(cusum.apart or [(0.0,) * len(cusum.sums)], axis=0),
                series.rows or (0.0,) * len(cusum.sums),
                strict=True,
            )
        ]

    def _record(self, before: Alarm | None, after: Alarm | None) -> None:
        if after is None:
            if before is not None:
                self.alarms.pop(before.key, None)
                self.dropped.append(before.key)
            return
        self.alarms[after.key] = after
        if after.state != "pending" and (before is None or before.state != after.state):
            self.changes.append(after)


def _name(role: Role, size: int) -> str:
    return f"{role}/{size}"
