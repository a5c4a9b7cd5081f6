"""`driftline alarms` and `calibrate`: what is shown of them, and what to do next. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import asdict

from schemas import alarm_text
from schemas.alarm_text import Situation, Step, segment_of, what
from schemas.durations import duration_text, moment
from storage.alarm_listings import AlarmRow, CalibrationRow, ChangeRow, EvidenceRow, Member, WatchRecord
from storage.decisions import SilenceRow, silenced_until
from storage.notifications import ToldRow

WINDOWS = 12
"""Windows that a table of evidence has at most."""

CHANGE, SEGMENTS = "change", "segments"
"""Tracks that promises are about."""

AGEING = "ageing"
"""Track, and kind, of alarms that the stream is no longer as the model was trained on."""


class ListedAlarm(AlarmRow, frozen=True, kw_only=True):
    """An alarm. silenced_until: None where it is not silenced."""

    silenced_until: datetime | None

    @property
    def is_firing(self) -> bool:
        """Whether something happens; that a model has aged is a reason to train again, and nothing that happens."""
        return self.state == "firing" and self.track != AGEING


class AlarmLine(msgspec.Struct, frozen=True):
    """An alarm, for a table."""

    state: str
    since: datetime
    evidence: float | None
    what: str
    judged: str
    alarm: str


class MemberLine(msgspec.Struct, frozen=True):
    """A signal that an alarm names, for a table. evidence: the most so far; 1 is the line."""

    signal: str
    stream: str
    size: str
    evidence: float
    z: float | None
    since: datetime
    remark: str


class EvidenceLine(msgspec.Struct, frozen=True):
    """The evidence after a window, for a table. most: the signal that has most of it."""

    window: datetime
    size: str
    stream: str
    rows: int
    evidence: float
    most: str


class CalibrationLine(msgspec.Struct, frozen=True):
    """A calibration, for a table. promise: false alarms a month."""

    season: str
    calm_weeks: str
    promise: str
    line_set_by: str


class ToldLine(msgspec.Struct, frozen=True):
    """What a target knows of a change of an alarm, for a table. told: wall time, or why it is not told."""

    target: str
    change: str
    told: str


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of an alarm.

    Attributes:
        alarm: The alarm.
        calibration: By which it was measured; None of an incident, or if the season was measured anew since.
        changes: Of its state, the first one first.
        evidence: After the windows from its onset to its end.
        told: What became of its changes at each target of `driftline notify`.
        next: What to do.
    """

    alarm: ListedAlarm
    calibration: CalibrationRow | None
    changes: list[ChangeRow]
    evidence: list[EvidenceRow]
    told: list[ToldRow]
    next: list[Step]


def listed(rows: Sequence[AlarmRow], silences: Sequence[SilenceRow]) -> list[ListedAlarm]:
    """Add to alarms until when they are silenced."""
    return [ListedAlarm(**asdict(row), silenced_until=silenced_until(row, silences)) for row in rows]


def alarm_lines(rows: Sequence[ListedAlarm], names: Mapping[str, str]) -> list[AlarmLine]:
    """Make one line per alarm.

    Args:
        rows: The alarms.
        names: By id, as of `short_names`.
    """
    return [
        AlarmLine(
            state=_state(row),
            since=row.started_at,
            evidence=_rounded(row.severity),
            what=row.kind if row.state is None else what(row.message),
            judged=row.verdict or "",
            alarm=names[row.alarm_id],
        )
        for row in rows
    ]


def short_names(rows: Sequence[AlarmRow]) -> dict[str, str]:
    """Shorten the ids of alarms: `events:1h:2022-02-15T11:00` where there is no such alarm of another run.

    Args:
        rows: All alarms.
    """
    short = {
        row.alarm_id: row.alarm_id.removeprefix(f"{row.track}:{row.run_id}:").removesuffix(":00") for row in rows
    }
    count = Counter(short.values())
    return {alarm_id: name if count[name] == 1 else alarm_id for alarm_id, name in short.items()}


def _state(row: ListedAlarm) -> str:
    state = row.state or "incident"
    return f"{state}, silenced" if row.silenced_until and row.state in ("pending", "firing") else state


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def member_lines(alarm: AlarmRow, evidence: Sequence[EvidenceRow]) -> list[MemberLine]:
    """Make one line per signal that an alarm names, the worst first.

    Args:
        alarm: The alarm.
        evidence: After its windows.
    """
    return [
        MemberLine(
            signal=_named(member),
            stream=member.role,
            size=duration_text(1_000 * member.size_s),
            evidence=round(member.value, 2),
            z=None if member.segment else _largest_z(evidence, member.role, member.size_s, member.name),
            since=member.since,
            remark="a consequence" if member.consequence else "",
        )
        for member in alarm.members
    ]


def _named(member: Member) -> str:
    if not member.segment:
        return member.name
    return f"shares of {member.name}" if member.segment == member.name else f"{member.name} of {member.segment}"


def _largest_z(evidence: Sequence[EvidenceRow], role: str, size_s: int, signal: str) -> float | None:
    found = [row.z[signal] for row in evidence if (row.stream, row.size_s) == (role, size_s) and signal in row.z]
    return _rounded(max(found, default=None))


def evidence_lines(evidence: Sequence[EvidenceRow]) -> list[EvidenceLine]:
    """Make a line for each of the windows with the most evidence, in order of time."""
    most = sorted(evidence, key=lambda row: -row.value)[:WINDOWS]
    return [
        EvidenceLine(
            window=row.window_start,
            size=row.size,
            stream=row.stream,
            rows=row.rows,
            evidence=round(row.value, 2),
            most=row.signal or "",
        )
        for row in sorted(most, key=lambda row: (row.window_start, row.size_s, row.stream))
    ]


def told_lines(rows: Sequence[ToldRow]) -> list[ToldLine]:
    """Make a line for each change of an alarm and each target that it concerns."""
    return [ToldLine(target=row.target, change=row.state, told=_told(row)) for row in rows]


def _told(row: ToldRow) -> str:
    if row.outcome is None:
        return f"waits: {row.error}" if row.error else "waits"
    if row.outcome == "silenced":
        return "no: it ended while it was silenced"
    if row.outcome == "before":
        return "no: it was over before the target was added"
    at = f"{row.sent_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if row.sent_at else ""
    plural = "" if row.reminders == 1 else "s"
    return f"{at}, after {row.reminders} reminder{plural}" if row.reminders else at


def facts(found: Details) -> Iterator[tuple[str, str]]:
    """List what is known of an alarm, with a name for each."""
    alarm = found.alarm
    yield "run", alarm.run_id
    yield "state", _state(alarm)
    times = {
        "onset": alarm.first_evidence,
        "pending": alarm.pending_at,
        ("firing" if alarm.pending_at else "from"): alarm.started_at if alarm.state != "pending" else None,
        ("recovered" if alarm.pending_at else "to"): alarm.recovered_at,
    }
    yield from ((name, minute(at)) for name, at in times.items() if at is not None)
    if alarm.withdrawn_at:
        yield "withdrawn", f"{minute(alarm.withdrawn_at)} (wall time): a window was computed again"
    if alarm.size_s and alarm.window_start and alarm.track != AGEING:
        size = duration_text(1_000 * alarm.size_s)
        yield "raised by", f"window of {size} of {alarm.stream}, {minute(alarm.window_start)}"
    if alarm.estimated is not None:
        yield "estimated", f"by inputs alone, the error is up to {1 + alarm.estimated:.2f} × the usual"
    elif alarm.unestimated:
        yield "estimated", f"no: {alarm.unestimated}"
    if alarm.track in (CHANGE, SEGMENTS):
        yield "promise", _promised(alarm)
        if alarm.track == CHANGE and found.calibration and found.calibration.set_by:
            yield "line set by", str(found.calibration.set_by)
    if alarm.verdict:
        note = f": {alarm.note}" if alarm.note else ""
        yield "judged", f"{alarm.verdict}, by {alarm.judged_by}{note}"
    if alarm.silenced_until:
        yield "silenced", f"until {minute(alarm.silenced_until)} (wall time)"


def _promised(alarm: AlarmRow) -> str:
    if alarm.promise is None:
        return "none yet: `driftline calibrate` says why"
    return f"at most {alarm.promise:.1f} false alarms a month on average"


def minute(at: datetime) -> str:
    """Format a moment as options take it; seconds only where there are any."""
    return f"{at:%Y-%m-%dT%H:%M:%S}".removesuffix(":00")


def weeks_of(alarm: AlarmRow, season: Any, newest: datetime | None) -> list[datetime]:
    """List the seasons that an alarm touches.

    Args:
        alarm: One with a state.
        season: `Season` of the stream.
        newest: Of its windows; it counts while the alarm has not recovered.
    """
    first = _ms(alarm.first_evidence or alarm.started_at)
    last = _ms(alarm.recovered_at or newest or alarm.started_at)
    return [moment(at) for at in range(season.start(first), max(first, last) + 1, season.length)]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def next_steps(
    alarm: ListedAlarm, weeks: Sequence[datetime], covered: tuple[datetime, datetime] | None = None
) -> list[Step]:
    """Say what to do about an alarm, as commands.

    Args:
        alarm: The alarm.
        weeks: That it touches.
        covered: Event time of which it is stored what the run's windows held; None: that is not known.
    """
    situation = Situation(
        alarm_id=alarm.alarm_id,
        run_id=alarm.run_id,
        state=alarm.state,
        track=alarm.track,
        kind=alarm.kind,
        size_s=alarm.size_s,
        window_start=None if alarm.window_start is None else _ms(alarm.window_start),
        verdict=alarm.verdict,
        columns=alarm.columns,
        segment=segment_of(alarm.track, [m.segment for m in alarm.members]),
        onset=None if alarm.first_evidence is None else _ms(alarm.first_evidence),
        until=None if alarm.recovered_at is None else _ms(alarm.recovered_at),
        period=covered and (_ms(covered[0]), _ms(covered[1])),
        is_silenced=alarm.silenced_until is not None,
    )
    return alarm_text.next_steps(situation, [*map(_ms, weeks)])


def calibration_lines(rows: Sequence[CalibrationRow]) -> list[CalibrationLine]:
    """Make one line per season."""
    return [
        CalibrationLine(
            season=f"{row.season_start:%Y-%m-%d}",
            calm_weeks=_weeks(row.weeks),
            promise="none" if row.promise is None else f"{row.promise:.1f} a month",
            line_set_by=str(row.set_by or ""),
        )
        for row in rows
    ]


def _weeks(starts: Sequence[datetime]) -> str:
    if not starts:
        return "0"
    return f"{len(starts)}: {', '.join(f'{start:%y-%m-%d}' for start in starts)}"


def unwatched(row: CalibrationRow) -> Iterator[str]:
    """Say what a calibration leaves unwatched, and why."""
    for role, sizes in row.unwatched.items():
        for size_s, why in sizes.items():
            yield f"{role} at {duration_text(1_000 * int(size_s))} are not watched: {why}"


def describe_record(record: WatchRecord) -> str:
    """Say how the promise was kept: `So far: 8 weeks, 1 alarm, judged real.`"""
    judged = {"real": record.judged_real, "known": record.judged_known, "false": record.judged_false}
    verdicts = ", ".join(f"{count} judged {name}" for name, count in judged.items() if count)
    so_far = f"So far: {_watched_for(record.days or 0)}, {_counted(record.alarms, 'alarm')}"
    return f"{so_far}{', ' if verdicts else ''}{verdicts}."


def _watched_for(days: float) -> str:
    """As the board says it: whole days, from two weeks on whole weeks."""
    whole = round(days)
    if whole < 1:
        return "less than a day"
    return _counted(whole, "day") if whole < 14 else _counted(whole // 7, "week")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def fired(rows: Sequence[ListedAlarm]) -> tuple[list[ListedAlarm], list[ListedAlarm]]:
    """Return the alarms that fire, and those that would if they were not silenced."""
    firing = [row for row in rows if row.is_firing]
    return [row for row in firing if not row.silenced_until], [row for row in firing if row.silenced_until]


def in_states(rows: Sequence[ListedAlarm], states: Sequence[str]) -> list[ListedAlarm]:
    """Keep alarms in one of these states; none is any."""
    return [row for row in rows if not states or row.state in states]
