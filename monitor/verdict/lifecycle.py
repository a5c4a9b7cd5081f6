"""The life of an alarm: pending, firing, recovered. Pure; times are ms of event time.

Evidence comes in units of the line: at 1 the alarm fires. One alarm is open at a time: whatever else moves
meanwhile becomes a member of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Literal

import msgspec

from monitor.verdict.estimate import NO_ESTIMATOR, ComparedDay, Expected, Trust
from monitor.verdict.harm import TOLERATED, Errors, added
from monitor.verdict.members import (
    Aged,
    Ageing,
    AlarmKind,
    Harm,
    Member,
    Moved,
    SignalKind,
    Track,
    harm_of,
    kind_of,
    named,
    together,
    uninhibited,
)
from monitor.verdict.season import DAY, HOUR
from schemas.definition import LABELS, Role
from schemas.durations import duration_text, moment

AlarmState = Literal["pending", "firing", "recovered"]

AlarmKey = tuple[Track, Role, int, int]
"""Track, and role, size and start of the window that raised it; of track `ageing` that is a season."""


class AlarmThresholds(msgspec.Struct, frozen=True):
    """When an alarm changes its state.

    Attributes:
        pending: Above this share of the line a change is suspected.
        firing: Above this one it is told.
        calm: Below this one nothing is left of it.
        quiet: Evidence that has fallen over this time, ms, is calm as well: what has grown for days would take as
            many days to come down. An alarm fires at least so long.
        first: So long, ms, a suspected change that explains a larger error has to fire before that does by itself.
        looks: So long after it has fired, ms, the records are looked into: what kind of change is it?
    """

    pending: float = 0.5
    firing: float = 1.0
    calm: float = 0.25
    quiet: int = DAY
    first: int = 6 * HOUR
    looks: tuple[int, ...] = (0, 6 * HOUR, DAY, 3 * DAY)


THRESHOLDS = AlarmThresholds()


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of a stream.

    Attributes:
        track: What it is an alarm of.
        role, size, start: The window that raised it, or the season before which it was raised: with the track, its
            key within a run.
        state: As of now.
        kind: Of what.
        harm: Whether the model is hurt; None where that does not apply.
        first_evidence: Where the evidence begins: an estimate of the onset.
        pending_at, fired_at, recovered_at: Ends of the windows that changed its state; None: not yet.
        value: The most evidence so far, in units of the line.
        members: The signals that it names, the worst first.
        calibration_id: Whose line it crossed.
        promise: What was promised then, false alarms a month; None: nothing could be.
        excess: How far the mean absolute error was above the usual at most, as a share; None: that is not known.
        usual_error: What it usually is in these hours, in the unit in which summaries add it up.
        hurt: The excess in units of what is tolerated over such a stretch: beyond 1 the model is hurt.
        looked: How often the records were looked into.
        estimated: How far it is expected to be, by the events alone; None: that is not known.
        unestimated: Why it is not.
        segments: Of track `change`, segments that explain it, the worst first.
    """

    track: Track = "change"
    role: Role
    size: int
    start: int
    state: AlarmState = "pending"
    kind: AlarmKind = "drift"
    harm: Harm | None = None
    first_evidence: int
    pending_at: int
    fired_at: int | None = None
    recovered_at: int | None = None
    value: float
    members: tuple[Member, ...]
    calibration_id: str
    promise: float | None = None
    excess: float | None = None
    usual_error: float | None = None
    hurt: float | None = None
    looked: int = 0
    estimated: float | None = None
    unestimated: str | None = None
    segments: tuple[Member, ...] = ()

    @property
    def key(self) -> AlarmKey:
        """What makes it unique in its run."""
        return self.track, self.role, self.size, self.start

    def name(self, run_id: str) -> str:
        """Its id: the same for the same evidence, whoever folded it and when."""
        return alarm_id(run_id, self.key)

    @property
    def columns(self) -> tuple[str, ...]:
        """What its members are of, the worst first."""
        return tuple(dict.fromkeys(m.column or m.name for m in self.members))


def alarm_id(run_id: str, key: AlarmKey) -> str:
    """Name the alarm of a run that a window raised."""
    track, role, size, start = key
    return f"{track}:{run_id}:{role}:{duration_text(size)}:{moment(start):%Y-%m-%dT%H:%M:%S}"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What stands against the stream after a window.

    Attributes:
        role, size, start: The window.
        level: The newest evidence of all sizes, in units of the line.
        is_calm: Whether, at every size, little is left of it or it falls.
        moved: Evidence of every signal at every size; only needed where there is some.
        shares: Rows and labels as shares of what is expected, by kind of signal.
        labelled_until: End of the newest window of labels; None without labels.
        calibration_id: Whose line is the unit.
        promise: False alarms a month; None: nothing can be promised.
        errors: Of the windows of the last day, oldest first.
        harm: Excess of the error of a day from which on it is harmed; None: not known.
        expected: The same, of events before their labels come.
        days: The newest days, whose estimates labels can be compared with.
        estimates: When they are used.
        track: Of the alarms that it makes.
    """

    role: Role
    size: int
    start: int
    level: float
    is_calm: bool
    moved: Sequence[Moved]
    shares: Mapping[str, float]
    labelled_until: int | None
    calibration_id: str
    promise: float | None
    errors: Sequence[Errors] = ()
    harm: float | None = None
    expected: Sequence[Expected] = ()
    days: Sequence[ComparedDay] = ()
    estimates: Trust = NO_ESTIMATOR
    track: Track = "change"

    @property
    def end(self) -> int:
        return self.start + self.size

    def errors_since(self, onset: int) -> Errors | None:
        """The errors, as far as they are known; of a day at most. None where they say nothing."""
        found = added([part for part in self.errors if part.start >= onset])
        return None if found is None or found.excess is None else found

    def estimated_since(self, onset: int) -> tuple[float | None, str | None]:
        """How far it is expected to be above the usual, likewise; and why that is not known."""
        parts = [part for part in self.expected if part.start >= onset]
        return self.estimates.excess(parts, self.days, max((part.end for part in self.errors), default=0))


class DayOfErrors(msgspec.Struct, frozen=True, kw_only=True):
    """The error of the last day.

    Attributes:
        size: Of its windows, ms.
        errors: Of the day.
        line: Excess from which on it is harmed.
        moved: What the open alarm of track `change` names.
        calibration_id: What makes the usual error.
    """

    size: int
    errors: Errors
    line: float
    moved: Sequence[Member]
    calibration_id: str


def advance(alarm: Alarm | None, now: Evidence, thresholds: AlarmThresholds = THRESHOLDS) -> Alarm | None:
    """Take one window into account.

    Args:
        alarm: The one that was open before it.
        now: The evidence after it.
        thresholds: Thresholds and times.

    Returns:
        The one that is open after it, or has just recovered; None where none is, or it was only suspected.
    """
    if alarm is None:
        if now.level <= thresholds.pending:
            return None
        alarm = _suspected(now)
    elif alarm.state == "pending" and now.level < thresholds.calm:
        return None
    alarm = _with_members(alarm, now, thresholds.pending)
    if alarm.fired_at is None:
        return (
            msgspec.structs.replace(alarm, state="firing", fired_at=now.end)
            if now.level > thresholds.firing
            else alarm
        )
    if now.is_calm and now.end - alarm.fired_at >= thresholds.quiet:
        return msgspec.structs.replace(alarm, state="recovered", recovered_at=now.end)
    return alarm


def age(alarm: Alarm | None, now: Ageing, season: int, calibration_id: str) -> Alarm | None:
    """Take into account how far the newest seasons are from the training.

    It fires once a signal is surely beyond its tolerance, and recovers once the mean of none is.

    Args:
        alarm: The one of track `ageing` that was open before.
        now: How far they are.
        season: Start of the one that begins, ms.
        calibration_id: What that is measured against.

    Returns:
        The one that is open after it, or has just recovered; None where there is none.
    """
    if not now.moved:
        return alarm and msgspec.structs.replace(alarm, state="recovered", recovered_at=season)
    if alarm is None and not any(one.is_beyond for one in now.moved):
        return None
    members = tuple(_aged_member(one, now) for one in now.moved if one.is_beyond)
    if alarm is not None:
        members = members or alarm.members
        harm, value = _harm_of_age(members, now), max(alarm.value, members[0].value)
        return msgspec.structs.replace(alarm, members=members, harm=harm, value=value)
    return Alarm(
        track="ageing",
        role=members[0].role,
        size=now.length,
        start=season,
        state="firing",
        kind="ageing",
        harm=_harm_of_age(members, now),
        first_evidence=now.since,
        pending_at=season,
        fired_at=season,
        value=members[0].value,
        members=members,
        calibration_id=calibration_id,
    )


def _aged_member(one: Aged, now: Ageing) -> Member:
    """A member; its value is how many times its tolerance it has surely moved."""
    kind: SignalKind = "error" if one.name in ("mae", "bias") else "volume" if one.name == "volume" else "column"
    return Member(
        role=one.role,
        name=one.name,
        kind=kind,
        column=one.name if kind == "column" else None,
        size=now.length,
        value=one.low / one.tolerance,
        since=now.since,
    )


def _harm_of_age(members: Sequence[Member], now: Ageing) -> Harm | None:
    return harm_of(members, now.since + 1 if now.labelled else None, now.since)


def hurt(alarm: Alarm | None, now: DayOfErrors, thresholds: AlarmThresholds = THRESHOLDS) -> Alarm | None:
    """Take into account how large the error of the last day is.

    It fires above the line, and recovers once the error of a day is above the usual by less than half of that.

    Args:
        alarm: The one of track `harm` that was open before.
        now: The day.
        thresholds: How long it fires at least.

    Returns:
        The one that is open after it, or has just recovered; None where there is none.
    """
    day, excess = now.errors, now.errors.excess
    if excess is None or (alarm is None and excess <= now.line):
        return alarm
    value, since = excess / now.line, day.start if alarm is None else alarm.first_evidence
    mae = Member(role=LABELS, name="mae", kind="error", column=None, size=DAY, value=value, since=since)
    if alarm is None:
        return Alarm(
            track="harm",
            role=LABELS,
            size=now.size,
            start=day.end - now.size,
            state="firing",
            kind="error",
            harm=harm_of([mae, *now.moved], day.end, since, harmed=True),
            first_evidence=since,
            pending_at=day.end,
            fired_at=day.end,
            value=value,
            members=(mae,),
            calibration_id=now.calibration_id,
            excess=excess,
            usual_error=day.usual / day.labels,
        )
    if excess < now.line / 2 and day.end - (alarm.fired_at or day.end) >= thresholds.quiet:
        return msgspec.structs.replace(alarm, state="recovered", recovered_at=day.end)
    if value <= alarm.value:
        return alarm
    usual = day.usual / day.labels
    return msgspec.structs.replace(alarm, value=value, excess=excess, usual_error=usual, members=(mae,))


def _suspected(now: Evidence) -> Alarm:
    members = named(now.moved)
    return Alarm(
        track=now.track,
        role=now.role,
        size=now.size,
        start=now.start,
        first_evidence=members[0].since if members else now.start,
        pending_at=now.end,
        value=now.level,
        members=members,
        calibration_id=now.calibration_id,
        promise=now.promise,
    )


def _with_members(alarm: Alarm, now: Evidence, least: float) -> Alarm:
    """Add what has moved since, while there is at least so much evidence; but not what a collapse explains.

    What has fired goes on to name what it named: one hour without records takes nothing back.
    """
    fresh = named(now.moved) if now.level > least else ()
    if alarm.fired_at is None:
        members = uninhibited(together(alarm.members, fresh), now.shares)
    else:
        members = together(alarm.members, uninhibited(fresh, now.shares))
    kind = kind_of(members, now.shares) if alarm.state == "pending" else alarm.kind
    if kind != "drift":
        members = tuple(m for m in members if m.kind in ("volume", "coverage")) or members
    since = members[0].since if members and alarm.state == "pending" else alarm.first_evidence
    alarm = _with_errors(alarm, now.errors_since(since), TOLERATED if now.harm is None else now.harm)
    harmed = None if alarm.hurt is None else alarm.hurt > 1
    harm = harm_of(members, now.labelled_until, since, harmed=harmed)
    estimated, doubt = (None, None) if harm is None else now.estimated_since(since)
    return msgspec.structs.replace(
        alarm,
        kind=kind,
        members=members,
        harm=harm,
        first_evidence=since,
        value=max(alarm.value, now.level),
        estimated=None if doubt else max((e for e in (alarm.estimated, estimated) if e is not None), default=None),
        unestimated=doubt,
    )


def _with_errors(alarm: Alarm, now: Errors | None, line: float) -> Alarm:
    """Keep what was worst so far. The error of less than a day scatters more, so that more of it is tolerated."""
    if now is None or now.excess is None:
        return alarm
    hurt = now.excess / (line * sqrt(DAY / min(now.end - now.start, DAY)))
    if alarm.hurt is not None and hurt <= alarm.hurt:
        return alarm
    return msgspec.structs.replace(alarm, hurt=hurt, excess=now.excess, usual_error=now.usual / now.labels)
