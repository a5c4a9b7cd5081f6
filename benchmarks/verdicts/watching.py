"""Watching weeks of summaries as the monitor does: calibrated anew each week, from the calm weeks before.

`follow` goes through the calibrator and the fold of the monitor, window by window. `watch` and `first_crossing` add
up evidence, all windows at once: for hundreds of weeks, and for hundreds of onsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.calibrating import Calibrator, Measure
from monitor.drift.columns import Floats, Ints
from monitor.verdict.calibration import DEFAULT_SIZES, Calibration, CalmSeason, Key, calibrate
from monitor.verdict.estimate import errors_of
from monitor.verdict.fold import Folded, State, WindowScore, fold
from monitor.verdict.harm import Errors, added
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.lifecycle import Alarm, AlarmKey
from monitor.verdict.season import HOUR, Season, holidays_of, short_seasons
from monitor.verdict.summary import Summary
from schemas.definition import EVENTS, Role, Stream
from storage.alarms import WatchTerms
from tuning.evidence import Crossing, aligned, evidence, first_crossing


@dataclass(frozen=True)
class Week:
    """A week that was watched.

    Attributes:
        start: ms.
        calibration: That it was watched with.
        holidays: That fall in it; '' for none.
        curves: By role and size, ends of the windows and evidence in units of the line.
        crossing: The alarm, if any.
        most: The most evidence, and by which signal.
    """

    start: int
    calibration: Calibration
    holidays: str
    curves: Mapping[Key, tuple[Ints, Floats]]
    crossing: Crossing | None
    most: tuple[float, str]


@dataclass(frozen=True)
class Followed:
    """A run as the monitor watches it.

    Attributes:
        weeks: One after the other.
        alarms: Of all tracks, as they are at its end, in order.
        named: By (column, segment), (end of a window, onset) where an alarm began to name it with evidence above
            the line.
    """

    weeks: list[Week]
    alarms: list[Alarm]
    named: Mapping[tuple[str | None, str], list[tuple[int, int]]] = field(default_factory=dict)

    def first_named(self, column: str, segment: str, *, after: int) -> int | None:
        """When an alarm first named a column of a segment whose evidence began after a moment, ms; None: never."""
        return min((at for at, since in self.named.get((column, segment), ()) if since >= after), default=None)

    def changes(self, week: Week, length: int) -> list[Alarm]:
        """Alarms of track `change` that fire for a while in a week. length: of it, ms."""
        end = week.start + length
        return [
            alarm
            for alarm in self.alarms
            if alarm.track == "change"
            and alarm.fired_at is not None
            and alarm.fired_at <= end
            and (alarm.recovered_at is None or alarm.recovered_at > week.start)
        ]


def follow(
    calibrator: Calibrator,
    stream: Stream,
    live: Mapping[Role, Summary],
    *,
    region: str | None,
    promise: float,
    segments: Mapping[Role, Sequence[Summary]] | None = None,
) -> Followed:
    """Watch a run.

    Args:
        calibrator: Of its model.
        stream: What it is of.
        live: Hourly summaries of all of it, from a full hour on.
        region: Whose holidays do not count.
        promise: False alarms a month that are accepted.
        segments: The same of its segments.
    """
    season, first, end = calibrator.season, live[EVENTS].start, live[EVENTS].end
    divided = calibrator.segments.hash if calibrator.segments is not None and segments else ""
    terms = WatchTerms(
        layout=calibrator.layout.hash,
        sizes=DEFAULT_SIZES,
        promise=promise,
        holidays=region or "",
        segments=divided,
    )
    holidays = holidays_of(region, season.start(first), season.start(end - 1) + season.length)
    terms_of = stream.terms
    lateness = {role: terms_of.lateness_ms if role == EVENTS else terms_of.label_lateness_ms for role in live}

    def week(at: int) -> dict[Role, list[Summary]]:
        return {role: [summary.between(at, at + season.length)] for role, summary in live.items()}

    def parts(at: int) -> dict[Role, list[list[Summary]]]:
        """As one window of a week."""
        return {
            role: [[one.between(at, at + season.length) for one in each]] for role, each in (segments or {}).items()
        }

    state, weeks = State(), []
    named: dict[tuple[str | None, str], list[tuple[int, int]]] = {}
    alarms: dict[AlarmKey, Alarm] = {}
    for start in range(season.start(first), end, season.length):
        own = [at for at in range(season.start(first), start, season.length) if at >= first]
        measure = calibrator.calibrate(start, own, week, terms=terms, excluded=(), segments=parts)
        part = {r: s.between(max(start, first), min(start + season.length, end)) for r, s in live.items()}
        scores = [divided_score(measure, score, segments) for score in scored(measure, part, lateness)]
        if segments:
            _note(named, state, scores, measure)
        folded = fold(state, scores, measure.watch)
        state = folded.state
        for key in folded.dropped:
            alarms.pop(key, None)
        alarms |= folded.alarms
        names = ", ".join(name for day, name in holidays.items() if season.start(day) == start)
        weeks.append(_week(max(start, first), measure.calibration, names, folded))
    fired = sorted((one for one in alarms.values() if one.fired_at is not None), key=lambda one: one.fired_at or 0)
    return Followed(weeks, fired, named)


def _note(
    named: dict[tuple[str | None, str], list[tuple[int, int]]],
    state: State,
    scores: Sequence[WindowScore],
    measure: Measure,
) -> None:
    """Note when alarms begin to name a segment, window by window."""
    for score in scores:
        folded = fold(state, [score], measure.watch)
        state = folded.state
        for alarm in folded.alarms.values():
            for member in (*alarm.members, *alarm.segments):
                known = named.setdefault((member.column, member.segment), [])
                if member.segment and member.value > 1 and member.since not in {since for _, since in known}:
                    known.append((score.end, member.since))


def divided_score(
    measure: Measure, score: WindowScore, segments: Mapping[Role, Sequence[Summary]] | None
) -> WindowScore:
    """Add what the segments of a window say."""
    if measure.family is None or not segments or (score.role, score.size) not in measure.family.watched:
        return score
    return measure.with_segments(score, [one.between(score.start, score.end) for one in segments[score.role]])


def scored(measure: Measure, part: Mapping[Role, Summary], lateness: Mapping[Role, int]) -> list[WindowScore]:
    """The windows of a week in canonical order."""
    found = []
    for role, size in measure.calibration.watched:
        whole = aligned(part[role], size)
        for start in range(whole.start, whole.end, size):
            score = measure.score(role, whole.between(start, start + size))
            found.append(
                WindowScore(
                    role=role,
                    size=size,
                    start=start,
                    due=start + size + lateness[role],
                    season=measure.season,
                    z=score.z,
                    shares=score.shares,
                    errors=None if score.errors is None else errors_of(role, start, size, score.errors),
                )
            )
    return sorted(found, key=lambda one: one.order)


def _week(start: int, calibration: Calibration, holidays: str, folded: Folded) -> Week:
    curves: dict[Key, tuple[Ints, Floats]] = {}
    for key in calibration.watched:
        points = [p for p in folded.points if (p.score.role, p.score.size) == key]
        curves[key] = np.array([p.score.end for p in points]), np.array([p.level for p in points])
    best = max(folded.points, key=lambda p: p.level)
    above = next((p for p in folded.points if p.level > 1), None)
    crossing = None
    if above is not None:
        score = above.score
        crossing = Crossing(score.end, score.role, score.size, above.signal or "", above.level)
    most = best.level, f"{best.signal} at {best.score.size // HOUR} h"
    return Week(start, calibration, holidays, curves, crossing, most)


def watch(
    layout: SummaryLayout,
    season: Season,
    before: Sequence[CalmSeason],
    live: Sequence[CalmSeason],
    *,
    holidays: Mapping[int, str],
    seasons: int = 4,
    promise: float = 1.0,
) -> list[Week]:
    """Watch weeks one after the other; each is calm for those after it, but for its holidays."""
    short = short_seasons(season, holidays)
    known = [week.without(holidays) for week in before if season.start(week.start) not in short]
    found: list[Week] = []
    calibration: Calibration | None = None
    for week in live:
        calm = known[-seasons:]
        if calibration is None or calibration.seasons != tuple(one.start for one in calm):
            calibration = calibrate(layout, season, calm, promise=promise)
        counted = week.without(holidays)
        found.append(watched_week(calibration, counted))
        begin = season.start(week.start)
        if week.start == begin and week.summaries[EVENTS].size == season.length and begin not in short:
            known.append(counted)
    return found


def watched_week(calibration: Calibration, week: CalmSeason) -> Week:
    """Watch one week."""
    calibration = calibration.leaving_out(week.left_out)
    curves: dict[Key, tuple[Ints, Floats]] = {}
    crossings: list[Crossing] = []
    most = (0.0, "")
    for role, size in calibration.watched:
        summary = aligned(week.summaries[role], size)
        if not len(summary.rows):
            continue
        found = evidence(calibration, summary, role, size)
        ends = summary.start + size * (1 + np.arange(len(found)))
        names = [signal.name for signal in calibration.signals(role)]
        curves[role, size] = ends, found.max(1)
        most = max(most, (float(found.max()), f"{names[int(found.max(0).argmax())]} at {size // HOUR} h"))
        crossings += first_crossing(found, ends, (role, size), names)
    first = min(crossings, key=lambda c: (c.at, -c.value), default=None)
    return Week(week.start, calibration, ", ".join(week.left_out.values()), curves, first, most)


def first_harm(calibrations: Sequence[Calibration], parts: Sequence[Summary], *, after: int) -> int | None:
    """The end of the first day that is harmed and ends after a moment, ms; None if there is none.

    Args:
        calibrations: Of each week.
        parts: Labels of each week, one after the other.
        after: ms.
    """
    day: list[Errors] = []
    for calibration, part in zip(calibrations, parts, strict=True):
        for start in range(part.start, part.end, HOUR):
            found = calibration.errors(part.between(start, start + HOUR))
            if found is None or calibration.harm is None:
                return None
            day = [*day[-23:], found]
            excess = whole.excess if (whole := added(day)) else None
            if len(day) == 24 and found.end > after and excess is not None and excess > calibration.harm:
                return found.end
    return None
