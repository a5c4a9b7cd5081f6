"""What kind of change: shipped scenarios at many moments of real months, folded as the monitor does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.verdicts.months import SEASON, Summaries, Trained, trained, trips
from benchmarks.verdicts.watching import scored
from models import reference as references
from monitor.calibrating import Calibrator, Measure
from monitor.drift.columns import Ints
from monitor.verdict.calibration import DEFAULT_SIZES
from monitor.verdict.fold import State, WindowScore, fold
from monitor.verdict.kinds import changes, explained, looked_at
from monitor.verdict.lifecycle import Alarm, AlarmKey
from monitor.verdict.members import Harm, Member
from monitor.verdict.season import DAY, HOUR, WEEK
from monitor.verdict.summary import summarize_events, summarize_labels
from producer.bend import SENT, bend
from producer.scenario import Scenario
from producer.scenarios import load
from schemas.alarms import ChangeKind, leading
from schemas.definition import EVENTS, LABELS, Role
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from storage.alarms import WatchTerms
from tuning.evidence import spliced

REGION = "US-NY"
CLOCKS_BEHIND = 5 * HOUR
"""UTC is that far from New York in winter; an hour raises no alarm."""

EACH_WEEK = 6
"""Onsets."""

LASTS = 8 * DAY
"""From the onset on; what is not found by then counts as not found."""

ALL_CLOCKS = "all clocks five hours behind"
"""Not a shipped scenario: whoever starts a replay chooses its time."""

RIGHT: Mapping[str, set[tuple[str, ChangeKind]]] = {
    "miles-to-km": {("trip_distance", "unit")},
    "fare-rise": {("fare_amount", "scale"), ("total_amount", "scale")},
    "slower-traffic": {("duration_min", "scale"), ("error", "concept")},
    "rush-hours": {("duration_min", "scale"), ("error", "concept")},
    "zone-closed": {("PULocationID", "gone")},
    "missing-passengers": {("passenger_count", "missing")},
    "nightly-gaps": {("payment_type", "missing"), ("RatecodeID", "missing")},
    "new-payment": {("payment_type", "new")},
    "worn-meters": {("trip_distance", "spread")},
    "wrong-clock": {("VendorID", "gone"), ("volume", "late")},
    "dispatched-fares": {("fare_amount", "shift"), ("total_amount", "shift")},
    "lost-events": {("volume", "fewer")},
    "delayed-events": {("volume", "late"), ("error", "late"), ("volume", "fewer")},
    "duplicated-events": {("volume", "duplicates"), ("coverage", "duplicates")},
    "lost-labels": {("coverage", "labels")},
    ALL_CLOCKS: {
        (name, "clock") for name in ("volume", "prediction", *TRIPS.numbers, *TRIPS.categories, str(OUTCOMES.label))
    },
}
"""What may be named of each scenario: the column that is bent, or what follows from it in the same words."""

HARM: Mapping[str, Harm | None] = {
    "miles-to-km": "both",
    "fare-rise": "harmless",
    "slower-traffic": "concept",
    "rush-hours": "concept",
    "zone-closed": "harmless",
    "missing-passengers": "harmless",
    "nightly-gaps": "harmless",
    "new-payment": "harmless",
    "worn-meters": "both",
    "wrong-clock": "harmless",
    "dispatched-fares": "harmless",
    "lost-events": None,
    "delayed-events": None,
    "duplicated-events": None,
    "lost-labels": None,
}
"""What each does to the model; None: neither to what it reads nor to its error. Of the same trips, the error grows
by 70 % or more with distances in km, by a fifth or more with durations, and by less than 2 % with the others."""


@dataclass(frozen=True)
class Month:
    """Months of a stream that a model of the month before scores."""

    trained: Trained
    covered: tuple[int, int]
    table: pa.Table
    calm: Summaries

    @property
    def calibrator(self) -> Calibrator:
        known = self.trained.known[EVENTS]
        return Calibrator(self.trained.layout, TAXI, self.trained.model.reference(), (known.start, known.end))


@cache
def month(training: str, *names: str) -> Month:
    """Read months, and train on the first."""
    known = trained(training)
    covered, table = trips(*names)
    return Month(known, covered, table, sent(known, table, covered))


def sent(known: Trained, table: pa.Table, covered: tuple[int, int]) -> Summaries:
    """Summarise trips and their labels as the consumer accepts them: what is sent too late is left out."""
    prediction = known.model.predict(references.columns(table, TRIPS))
    scored_ = references.reference(table, TAXI, prediction, table[OUTCOMES.label].to_numpy())
    times: Ints = table[TRIPS.time].to_numpy().astype(np.int64)
    behind = (table[SENT].to_numpy() if SENT in table.column_names else times) - times
    pane = TAXI.terms.pane_ms - times % TAXI.terms.pane_ms
    inside = (times >= covered[0]) & (times < covered[1])
    took = np.nan_to_num(scored_[OUTCOMES.label].to_numpy(), nan=np.inf) * 60_000
    events = scored_.filter(pa.array(inside & (behind - pane < TAXI.terms.lateness_ms)))
    labels = scored_.filter(pa.array(inside & (behind + took <= TAXI.terms.label_lateness_ms)))
    labels = labels.select([OUTCOMES.id, OUTCOMES.time, OUTCOMES.label])
    first, size = covered[0], covered[1] - covered[0]
    return {
        EVENTS: summarize_events(events, known.layout, TAXI, start=first, size=size),
        LABELS: summarize_labels(labels, events, known.layout, TAXI, start=first, size=size),
    }


def onsets(weeks: Iterable[int], seed: int = 7) -> list[int]:
    """Random moments of weeks, ms."""
    random = np.random.default_rng(seed)
    return [start + int(h) * HOUR for start in weeks for h in random.integers(24, 144, EACH_WEEK)]


class Bent:
    """A scenario that begins at any moment of some months."""

    def __init__(self, name: str, of: Month) -> None:
        self._of = of
        self._all: Summaries | None = None
        if name == ALL_CLOCKS:
            self._all = {role: replace(one, start=one.start - CLOCKS_BEHIND) for role, one in of.calm.items()}
            return
        self._scenario: Scenario = load(name, TAXI, of.covered)
        first = of.covered[0]
        if not any(drift.ramp for drift in self._scenario.drifts):
            self._all = self._summaries(of.table, first, of.covered)

    def at(self, onset: int) -> Summaries:
        """What two weeks hold, in the first of which it begins."""
        first = SEASON.start(onset)
        span = first, min(first + 2 * WEEK, self._of.covered[1])
        if self._all is None:
            times = self._of.table[TRIPS.time].to_numpy()
            part = self._of.table.filter(pa.array((times >= span[0] - DAY) & (times < span[1])))
            return self._summaries(part, onset, span)
        return {r: spliced(c.between(*span), self._all[r].between(*span), onset) for r, c in self._of.calm.items()}

    def _summaries(self, table: pa.Table, onset: int, span: tuple[int, int]) -> Summaries:
        bent = bend(table, self._scenario, onset=onset, lasts=self._of.covered[1] - onset)
        return sent(self._of.trained, bent, span)


class Watching:
    """Follows weeks of a month as the monitor does."""

    def __init__(self, of: Month) -> None:
        self._of, self._calibrator = of, of.calibrator
        self._measures: dict[int, Measure] = {}
        terms = TAXI.terms
        self._lateness: dict[Role, int] = {EVENTS: terms.lateness_ms, LABELS: terms.label_lateness_ms}

    def measure(self, season: int, live: Summaries | None = None) -> Measure:
        """What a season is measured against: the calm weeks before it, or those with what has begun in `live`."""
        if live is None and season in self._measures:
            return self._measures[season]
        first = SEASON.start(self._of.covered[0])
        own = [at for at in range(first, season, WEEK) if at >= self._of.covered[0]]
        terms = WatchTerms(layout=self._calibrator.layout.hash, sizes=DEFAULT_SIZES, promise=1.0, holidays=REGION)

        def week(at: int) -> dict[Role, list[Any]]:
            held = self._of.calm if live is None or at < live[EVENTS].start else live
            return {role: [one.between(at, at + WEEK)] for role, one in held.items()}

        found = self._calibrator.calibrate(season, own, week, terms=terms, excluded=())
        if live is None:
            self._measures[season] = found
        return found

    def alarms(self, live: Summaries, until: int, *, after: int = 0) -> list[Alarm]:
        """Alarms of track `change` of some weeks, as they are at their end, or when the first is a day old.

        Args:
            live: Whole weeks, up to two.
            until: Where to stop, ms.
            after: Alarms that fire before this moment are cut off: evidence begins anew then.
        """
        state = State()
        known: dict[AlarmKey, Alarm] = {}
        start, end = live[EVENTS].start, min(live[EVENTS].end, until)
        for season in range(start, end, WEEK):
            measure = self.measure(season, live if season > start and after else None)
            begin = max(season, after // DAY * DAY - DAY)
            part = {r: s.between(begin, min(season + WEEK, end)) for r, s in live.items()}
            scores = scored(measure, part, self._lateness)
            folded = fold(state, scores, measure.watch, look=partial(self._look, measure, live))
            state = folded.state
            known |= folded.alarms
            if after and any(a.fired_at and a.track == "change" for a in known.values()):
                break
        return [one for one in known.values() if one.track == "change" and one.fired_at is not None]

    def through(self, begin: int, end: int) -> list[Alarm]:
        """Alarms of the months as they are, from the beginning of a week to a moment."""
        state = State()
        known: dict[AlarmKey, Alarm] = {}
        for season in range(begin, end, WEEK):
            measure = self.measure(season)
            part = {r: s.between(season, min(season + WEEK, end)) for r, s in self._of.calm.items()}
            look = partial(self._look, measure, self._of.calm)
            folded = fold(state, scored(measure, part, self._lateness), measure.watch, look=look)
            state = folded.state
            known |= folded.alarms
        return [one for one in known.values() if one.track == "change" and one.fired_at is not None]

    def _look(self, measure: Measure, live: Summaries, alarm: Alarm, score: WindowScore) -> Alarm:
        first = max(looked_at(alarm, score.end), live[EVENTS].start)
        found = {}
        for role, summary in live.items():
            until = (score.due - self._lateness[role]) // HOUR * HOUR
            found[role] = summary.between(first // HOUR * HOUR, min(until, score.end))
        return explained(alarm, measure.calibration, found, TAXI)


def found(name: str, of: Month, watching: Watching, weeks: Iterable[int]) -> dict[str, Any]:
    """Begin a scenario at moments of some weeks, and count what its first alarm names."""
    bent, said, hours = Bent(name, of), Counter[str](), list[float]()
    kinds, harm = Counter[str](), Counter[str]()
    for onset in onsets(weeks):
        alarms = [
            a for a in watching.alarms(bent.at(onset), onset + LASTS, after=onset) if (a.fired_at or 0) > onset
        ]
        if not alarms:
            said["missed"] += 1
            continue
        hours.append(((alarms[0].fired_at or 0) - onset) / HOUR)
        kind = named(alarms[0])
        said["silent" if kind is None else "right" if kind in RIGHT[name] else "wrong"] += 1
        kinds["nothing" if kind is None else f"{kind[1]} of {kind[0]}"] += 1
        harm[str(alarms[0].harm)] += 1
    alarms_found = max(len(hours), 1)
    return {
        "scenario": name,
        "onsets": said.total(),
        "alarms": len(hours),
        **{how: round(said[how] / alarms_found, 3) for how in ("right", "silent", "wrong")},
        "median hours": float(np.median(hours)) if hours else None,
        "named": dict(kinds.most_common()),
        "harm right": round(harm[str(HARM.get(name))] / alarms_found, 3) if name in HARM else None,
        "harm": dict(harm.most_common()),
    }


def calm(of: Month, watching: Watching, first: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Ask calm months, from a moment on, for kinds.

    Returns:
        By size, the share of windows of which a kind is named: those between the onset and the end of an alarm that
        names one, since nothing else does. And for comparison: how many alarms there were; and by size the share of
        windows that would be named if all their columns were asked about, alarm or not, which nobody does.
    """
    end = of.covered[1] // DAY * DAY
    begin = SEASON.start(first + WEEK - 1)
    followed = watching.through(begin, end)
    spans = [(a.first_evidence, a.recovered_at or end) for a in followed if named(a) is not None]
    told, asked = {}, {}
    for size in DEFAULT_SIZES:
        starts = range(begin, end - size + 1, size)
        told[f"{size // HOUR} h"] = sum(
            any(since < start + size and start < until for since, until in spans) for start in starts
        ) / len(starts)
        if size > HOUR:
            asked[f"{size // HOUR} h"] = round(
                sum(bool(_asked(of, watching, start, size)) for start in starts) / len(starts), 4
            )
    return told, {"alarms": len(followed), "that name a kind": len(spans), "if all were asked": asked}


def _asked(of: Month, watching: Watching, start: int, size: int) -> Mapping[Any, Any]:
    calibration = watching.measure(SEASON.start(start)).calibration
    held = {role: one.between(start, start + size) for role, one in of.calm.items()}
    members = [
        Member(role=role, name=s.name, kind=s.kind, column=s.column, size=size, value=1.0, since=start)
        for role in held
        for s in calibration.signals(role)
        if s.kind in ("column", "label", "volume", "coverage")
    ]
    return changes(calibration.layout, calibration.references, held, members, TAXI)


def named(alarm: Alarm) -> tuple[str, ChangeKind] | None:
    """What an alarm says first: of its members, the worst one of which a kind is known."""
    found = leading(alarm.members)
    return None if found is None or found.change is None else (found.name, found.change.kind)
