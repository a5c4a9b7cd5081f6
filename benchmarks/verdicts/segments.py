"""Segments of real trips: which one is named, when, and whether calm months are left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow.compute as pc

from benchmarks.verdicts.months import Summaries, of_segments, replayed, scenario, summaries, trips
from benchmarks.verdicts.real import ONSETS, Replay, replay
from benchmarks.verdicts.watching import Followed, divided_score, follow, scored
from monitor.calibrating import Calibrator, Measure
from monitor.verdict.fold import State, WindowScore, fold
from monitor.verdict.lifecycle import Alarm
from monitor.verdict.season import DAY, HOUR, WEEK
from monitor.verdict.segments import SegmentLayout
from monitor.verdict.summary import Summary
from schemas.definition import EVENTS, LABELS, Role
from schemas.durations import moment_ms
from schemas.streams.taxi import TAXI, TRIPS
from storage.alarms import WatchTerms

Parts = Mapping[Role, Sequence[Summary]]

BENT: Mapping[str, str] = {
    "dispatched-fares": "service=dispatched",
    "missing-passengers": "VendorID=2",
    "wrong-clock": "VendorID=1",
}
"""The segment that each of these scenarios bends."""

TOO_LATE = ("wrong-clock",)
"""Scenarios whose bent trips come an hour late, when their windows are closed: none of them joins a window. What is
left to see is that the segment is gone, which its division names."""


@dataclass(frozen=True)
class Divided:
    """A replay with its segments."""

    run: Replay
    months: tuple[str, ...]

    @cached_property
    def segments(self) -> SegmentLayout:
        made = SegmentLayout.from_reference(self.run.trained.model.reference(), TAXI)
        assert made is not None
        return made

    @cached_property
    def parts(self) -> Parts:
        covered, _ = trips(*self.months)
        return of_segments(self.run.tables["calm"], self.run.layout, self.segments, covered)

    def calibrator(self, *, divided: bool = True) -> Calibrator:
        known = self.run.trained.known[EVENTS]
        segments = self.segments if divided else None
        table = self.run.trained.model.reference()
        return Calibrator(self.run.layout, TAXI, table, (known.start, known.end), segments=segments)

    def bent(self, name: str) -> tuple[Summaries, Parts]:
        """All of it, bent from its beginning, and the segments of that."""
        covered, table = trips(*self.months)
        made = replayed(self.run.trained.model, table, scenario(name, covered))
        time = made[TRIPS.time]
        made = made.filter(pc.and_(pc.greater_equal(time, covered[0]), pc.less(time, covered[1])))
        if name in TOO_LATE:
            column, _, value = BENT[name].partition("=")
            made = made.filter(pc.not_equal(pc.fill_null(made[column].cast("string"), ""), value))
        layout = self.run.layout
        return summaries(made, layout, covered), of_segments(made, layout, self.segments, covered)

    def follow(self, first: int = 0, region: str | None = None, *, divided: bool = True) -> Followed:
        """Watch it as the monitor does, from a moment on, ms."""
        live = {role: one.between(max(first, one.start), one.end) for role, one in self.run.live.items()}
        parts = {
            role: [one.between(max(first, one.start), one.end) for one in each] for role, each in self.parts.items()
        }
        calibrator = self.calibrator(divided=divided)
        return follow(calibrator, TAXI, live, region=region, promise=1.0, segments=parts if divided else None)


def early_march(*months: str) -> Divided:
    """Trained on the first eight days of March 2020."""
    period = moment_ms("2020-03-01"), moment_ms("2020-03-09")
    return Divided(replay("2020-03", *months, period=period), months)


def without_segments(followed: Followed) -> list[Alarm]:
    """The alarms of the stream, but for the segments that explain them."""
    return [msgspec.structs.replace(a, segments=()) for a in followed.alarms if a.track != "segments"]


@dataclass(frozen=True)
class Weeks:
    """Measures of calm weeks, and the windows of each, to be bent at any moment."""

    divided: Divided
    region: str

    @cached_property
    def measures(self) -> Mapping[int, Measure]:
        """Of every week, by its start, as the monitor would calibrate it."""
        calibrator, live = self.divided.calibrator(), self.divided.run.live
        terms = WatchTerms(
            layout=self.divided.run.layout.hash,
            sizes=(HOUR, 6 * HOUR, DAY),
            promise=1.0,
            holidays=self.region,
            segments=self.divided.segments.hash,
        )

        def week(at: int) -> Mapping[Role, Sequence[Summary]]:
            return {role: [one.between(at, at + WEEK)] for role, one in live.items()}

        def segments(at: int) -> Mapping[Role, Sequence[Sequence[Summary]]]:
            return {
                role: [[one.between(at, at + WEEK) for one in each]] for role, each in self.divided.parts.items()
            }

        starts = self.starts
        return {
            at: calibrator.calibrate(at, starts[:n], week, terms=terms, excluded=(), segments=segments)
            for n, at in enumerate(starts)
        }

    @cached_property
    def starts(self) -> list[int]:
        first, end, season = (
            self.divided.run.live[EVENTS].start,
            self.divided.run.live[EVENTS].end,
            self.divided.calibrator().season,
        )
        begin = season.start(first)
        return [*range(begin if begin >= first else begin + WEEK, end - WEEK + 1, WEEK)]

    def scores(self, live: Summaries, parts: Parts, at: int) -> list[WindowScore]:
        """The windows of a week in canonical order."""
        measure = self.measures[at]
        lateness: dict[Role, int] = {EVENTS: TAXI.terms.lateness_ms, LABELS: TAXI.terms.label_lateness_ms}
        held = {role: one.between(at, at + WEEK) for role, one in live.items()}
        return [divided_score(measure, score, parts) for score in scored(measure, held, lateness)]


def found(weeks: Weeks, name: str, seed: int = 11) -> list[tuple[float, str, str]]:
    """Bend one segment at random moments; hours until an alarm (infinite: missed), its track, what it names.

    What it names is as of a day after it fired.
    """
    divided, random = weeks.divided, np.random.default_rng(seed)
    live, parts = divided.bent(name)
    results = []
    for at, after in zip(weeks.starts[:-1], weeks.starts[1:], strict=True):
        calm, bent, later = (
            weeks.scores(divided.run.live, divided.parts, at),
            weeks.scores(live, parts, at),
            weeks.scores(live, parts, after),
        )
        for hour in random.integers(24, 144, ONSETS):
            onset = at + int(hour) * HOUR
            spliced = [one if one.start < onset else other for one, other in zip(calm, bent, strict=True)]
            results.append(_first(weeks, [(at, spliced), (after, later)], onset))
    return results


def _first(weeks: Weeks, each: Sequence[tuple[int, Sequence[WindowScore]]], onset: int) -> tuple[float, str, str]:
    alarm, state = None, State()
    for at, windows in each:
        for window in windows:
            if alarm is not None and window.end > (alarm.fired_at or 0) + DAY:
                break
            made = fold(state, [window], weeks.measures[at].watch)
            state = made.state
            open_ = [made.alarms[alarm.key]] if alarm is not None and alarm.key in made.alarms else []
            open_ += [a for a in made.changes if alarm is None and a.track in ("change", "segments")]
            alarm = next((a for a in open_ if (a.fired_at or 0) > onset), alarm)
    if alarm is None or (alarm.fired_at or 0) - onset > WEEK:
        return float("inf"), "", ""
    members = alarm.members if alarm.track == "segments" else alarm.segments
    named = (f"shares:{m.name}" if m.kind == "mixture" else m.segment for m in members)
    return ((alarm.fired_at or 0) - onset) / HOUR, alarm.track, " ".join([*dict.fromkeys(named)][:2])


def row(name: str, each: Sequence[tuple[float, str, str]]) -> dict[str, Any]:
    """A scenario as the report shows it."""
    hours = [h for h, _, _ in each]
    truth = f"shares:{BENT[name].partition('=')[0]}" if name in TOO_LATE else BENT[name]
    hits = [segment for h, _, segment in each if np.isfinite(h)]
    return {
        "drift": name,
        "segment": truth,
        "onsets": len(each),
        "missed": round(float(np.isinf(hours).mean()), 3),
        "median hours": float(np.median(hours)),
        "right segment": round(sum(s.split(" ")[0] == truth for s in hits) / max(len(hits), 1), 3),
        "right, or second": round(sum(truth in s.split(" ") for s in hits) / max(len(hits), 1), 3),
        "none named": round(sum(not s for s in hits) / max(len(hits), 1), 3),
        "alarms of segments": sum(track == "segments" for _, track, _ in each),
    }
