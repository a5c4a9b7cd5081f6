"""Evidence and alarms of a dummy run: made-up scores of its windows, folded as a monitor folds them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from msgspec.structs import replace

from local.dummy.figures import MAE, MAE_GROWTH
from local.dummy.plan import DAY, LATENESS, DummyPlan, DummyTraffic, strength
from monitor.verdict.estimate import Expected, Trust
from monitor.verdict.evidence import allowances
from monitor.verdict.fold import Series, State, Watch, WindowScore, encode_state, fold
from monitor.verdict.harm import Errors
from monitor.verdict.lifecycle import Alarm, alarm_id
from monitor.verdict.members import Signal
from monitor.verdict.order import Extent, Place, first_start, next_windows
from monitor.verdict.promise import Promise
from monitor.verdict.record import evidence_row, record
from monitor.verdict.season import Season
from schemas.alarms import AlarmRecord, Change
from schemas.definition import EVENTS, LABELS, Role
from schemas.durations import duration_text
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from storage.alarms import CalibrationRow, EvidenceRow
from storage.chunk import PREDICTION

SEASON = Season.from_stream(TAXI)
PROMISE = Promise.from_seasons(1.0, 4)
SIGNALS: Mapping[Role, tuple[Signal, ...]] = {
    EVENTS: (
        *(Signal(name, "column", name) for name in (*TRIPS.numbers, *TRIPS.categories)),
        Signal(PREDICTION, "prediction", PREDICTION),
        Signal("volume", "volume"),
    ),
    LABELS: (
        Signal(str(OUTCOMES.label), "label", OUTCOMES.label),
        Signal("error", "error"),
        Signal("coverage", "coverage"),
    ),
}
COVERAGE = 0.98
"""Share of the events whose label comes."""

RATE = 1.4
"""Of the exponential tail of calm evidence."""

MOST = 1_000
"""Windows that are folded at a time."""


@dataclass
class DummyFold:
    """What a monitor would have written since the state before.

    Attributes:
        state: After the last window.
        calibrations: Of the seasons that have begun.
        evidence: Of each window.
        alarms: That were pending, fired or went on, as they are now, by their id.
        dropped: Ids of those that were pending before, and came to nothing.
        changes: Alarms as they were when they fired or recovered.
    """

    state: State
    calibrations: list[CalibrationRow] = field(default_factory=list)
    evidence: list[EvidenceRow] = field(default_factory=list)
    alarms: dict[str, AlarmRecord] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    changes: list[AlarmRecord] = field(default_factory=list)


def fold_dummy(plan: DummyPlan, traffic: DummyTraffic, until: int, state: State) -> DummyFold:
    """Fold the windows that have closed since.

    Args:
        plan: The run.
        traffic: Its rows.
        until: The event time that has been reached, ms.
        state: After what was folded before.
    """
    made, first, more = DummyFold(state), first_start(plan.start, plan.sizes), True
    extents = [
        Extent(role=role, size=size, lateness=lateness, until=until - lateness)
        for role, lateness in LATENESS.items()
        for size in plan.sizes
    ]
    while more:
        places, more = next_windows(first, extents, made.state.last, SEASON, MOST)
        if places:
            _fold(made, plan, traffic, places)
    return made


def _fold(made: DummyFold, plan: DummyPlan, traffic: DummyTraffic, places: list[Place]) -> None:
    """Fold windows of one season."""
    watch, last = _watch(places[0].season, plan), made.state.last
    if last is None or last[0] != watch.season:
        made.calibrations.append(_calibration(watch, plan, made.state))
    found = fold(made.state, [_score(plan, traffic, place) for place in places], watch, look=_look)
    made.state = found.state
    made.evidence += [
        evidence_row(p, watch.calibration_id, traffic.rows(p.score.start, p.score.end)) for p in found.points
    ]
    made.dropped += (gone := [alarm_id(plan.run, key) for key in found.dropped])
    made.alarms |= {alarm.name(plan.run): _record(alarm, plan) for alarm in found.alarms.values()}
    made.alarms = {name: alarm for name, alarm in made.alarms.items() if name not in gone}
    made.changes += [_record(alarm, plan) for alarm in found.changes]


def _look(alarm: Alarm, score: WindowScore) -> Alarm:
    """Distances come in kilometres; of other columns nobody can say what happened to them."""
    known = Change(
        kind="unit",
        sure=0.95,
        since=alarm.first_evidence,
        value="miles as kilometres",
        factor=1.609,
        before=1.9,
        after=3.06,
    )
    members = tuple(replace(m, change=known if m.column == "trip_distance" else None) for m in alarm.members)
    return replace(alarm, members=members)


def _record(alarm: Alarm, plan: DummyPlan) -> AlarmRecord:
    return record(alarm, plan.run, TAXI, 1.0)


def _score(plan: DummyPlan, traffic: DummyTraffic, place: Place) -> WindowScore:
    """Make up scores: noise, what drifts in the window, and what follows from that in labels and errors."""
    role, start, end, signals = place.role, place.start, place.start + place.size, SIGNALS[place.role]
    seed = plan.seed, start // place.size, place.size, role == LABELS
    bent = {s.columns: strength(s, start, end) for s in (*plan.stretches, plan.unannounced)}
    z = np.random.default_rng(seed).normal(0, 0.8, len(signals))
    for number, signal in enumerate(signals):
        z[number] += max((by for columns, by in bent.items() if signal.name in columns), default=0.0)
        if signal.kind in ("label", "error"):
            z[number] += 0.7 * max(bent.values())
    shares = _shares(plan, traffic, role, start, end)
    if shares.get("volume", 1.0) < 0.5:  # what came says nothing of columns
        z[:-1], z[-1] = 0.0, 6.0 * (1 - shares["volume"])
    return WindowScore(
        role=role,
        size=place.size,
        start=start,
        due=place.due,
        season=place.season,
        z=tuple(np.clip(z, -3, 6).astype(np.float32).astype(float).tolist()),
        shares=shares,
        errors=_errors(role, traffic, start, end, max(bent.values())),
    )


def _errors(role: Role, traffic: DummyTraffic, start: int, end: int, level: float) -> Errors | Expected:
    """The errors that the figures of such a window have on average, and that its events make expect."""
    if role == EVENTS:
        rows = traffic.rows(start, end)
        return Expected(start, end, rows, 0, rows * (MAE + MAE_GROWTH * level), rows * MAE)
    labels = round(COVERAGE * traffic.rows(start, end))
    return Errors(start, end, labels, labels * (MAE + MAE_GROWTH * level), labels * MAE)


def _shares(plan: DummyPlan, traffic: DummyTraffic, role: Role, start: int, end: int) -> dict[str, float]:
    """Rows of those expected; of labels hardly any are missing."""
    return {"coverage": COVERAGE} if role == LABELS else {"volume": traffic.share(start, end)}


def _watch(season: int, plan: DummyPlan) -> Watch:
    series = {
        (role, size): Series(
            signals=signals,
            drift=tuple(allowances(signals, size).tolist()),
            line=(max(4.0, 10.0 - 5.0 * size / DAY),) * len(signals),
            rates=(RATE,) * len(signals),
        )
        for role, signals in SIGNALS.items()
        for size in plan.sizes
    }
    return Watch(
        season=season,
        calibration_id=f"{season:064x}",
        promise=PROMISE.rate,
        series=series,
        estimates=Trust(refused=None, strange=0.0),
    )


def _calibration(watch: Watch, plan: DummyPlan, before: State) -> CalibrationRow:
    sizes = ", ".join(duration_text(size) for size in plan.sizes)
    set_by = {"season": watch.season - 2 * SEASON.length, "role": EVENTS, "size": plan.sizes[0], "signal": "volume"}
    return CalibrationRow(
        season=watch.season,
        calibration_id=watch.calibration_id,
        weeks=tuple(watch.season - n * SEASON.length for n in range(PROMISE.seasons, 0, -1)),
        promise=watch.promise,
        set_by=set_by,
        refused=None,
        about=PROMISE.sentence(sum(map(len, SIGNALS.values())), sizes),
        signals={role: [signal.name for signal in of] for role, of in SIGNALS.items()},
        lines={
            role: {str(size // 1_000): list(watch.series[role, size].line) for size in plan.sizes}
            for role in SIGNALS
        },
        unwatched={},
        payload=b"",
        state=encode_state(before),
    )
