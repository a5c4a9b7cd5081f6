"""What targets are told, in words. Pure."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import msgspec

from notifier.planning import Notice
from schemas.alarm_text import told, what
from schemas.alarms import AlarmRecord
from schemas.durations import moment
from schemas.text import printable

SEVERITIES = {"harm": "critical", "change": "warning", "ageing": "info"}
"""By track."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a target is told of one alarm.

    Attributes:
        id: The same whenever this is sent again, in ASCII.
        title: One line.
        body: Plain text.
        alarm: As it was after the change.
        number: Of the change.
        reminder: 0: the change itself.
        began_at, changed_at: When the alarm began to fire, and when the change was made; wall time.
        over: Whether the run is over, so that the alarm changes no more.
        link: To the alarm on the board.
    """

    id: str
    title: str
    body: str
    alarm: AlarmRecord
    number: int
    reminder: int
    began_at: datetime
    changed_at: datetime
    over: bool
    link: str

    @property
    def fires(self) -> bool:
        """Whether the alarm fires."""
        return self.alarm.state == "firing"


def message(notice: Notice, board_url: str) -> Message:
    """Say what has changed.

    Args:
        notice: The change, or which reminder of it.
        board_url: Address of the board.
    """
    change, alarm = notice.change, notice.change.alarm
    number = f"{change.number}+{notice.reminder}" if notice.reminder else str(change.number)
    name = f"{quote(alarm.alarm_id, safe=':')}#{number}"
    link = f"{board_url.rstrip('/')}/alarm?{urlencode({'run': alarm.run_id, 'id': alarm.alarm_id})}"
    state = "still firing" if notice.reminder else alarm.state
    return Message(
        id=name,
        title=printable(f"[{state}] {alarm.run_id}: {what(alarm.message)}", 200),
        body=printable("\n".join(_lines(notice, link, name)), 4_000, keep="\n"),
        alarm=alarm,
        number=change.number,
        reminder=notice.reminder,
        began_at=change.began_at,
        changed_at=change.created_at,
        over=change.over,
        link=link,
    )


def _lines(notice: Notice, link: str, name: str) -> list[str]:
    alarm = notice.change.alarm
    in_shell = shlex.quote(alarm.alarm_id)
    lines = [
        *told(alarm.message),
        "",
        f"Run {alarm.run_id} of stream {alarm.stream}, track {alarm.track}. {_course(alarm)}",
    ]
    if notice.reminder:
        lines.append(f"It has been firing since {_text(notice.change.began_at)} (wall time).")
    lines += ["", f"Board:  {link}", f"Look:   driftline alarms show {in_shell}"]
    if alarm.state == "firing":
        lines.append(f"Judge:  driftline alarms ack {in_shell} --as real   (or known, or false)")
    return [*lines, f"Id:     {name}"]


def _course(alarm: AlarmRecord) -> str:
    """When what happened, in event time."""
    since = f"Since {_text(moment(alarm.first_evidence))} (event time)"
    if alarm.state == "recovered" and alarm.recovered_at is not None:
        return f"{since}, recovered {_text(moment(alarm.recovered_at))}."
    if alarm.state == "withdrawn":
        return f"{since}; withdrawn: a window was computed again, and the evidence is gone."
    return f"{since}."


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%a %Y-%m-%d %H:%M} UTC"


def alert(told: Message, ends_at: datetime) -> dict[str, object]:
    """Make the alert that an Alertmanager takes. Its labels are the same for all changes of the alarm.

    Args:
        told: The message.
        ends_at: Until when it fires unless it is told again; of what fires no more, when that ended.
    """
    alarm = told.alarm
    return {
        "labels": {
            "alertname": "DriftlineAlarm",
            "alarm": alarm.alarm_id,
            "run": alarm.run_id,
            "stream": alarm.stream,
            "track": alarm.track,
            "severity": SEVERITIES.get(alarm.track, "warning"),
        },
        "annotations": {
            "summary": told.title,
            "description": printable(alarm.message, 2_000, keep="\n"),
            "kind": alarm.kind,
            "harm": alarm.harm or "",
            "columns": ", ".join(alarm.columns),
            "since": _text(moment(alarm.first_evidence)),
            "id": told.id,
        },
        "startsAt": _rfc3339(told.began_at),
        "endsAt": _rfc3339(max(ends_at, told.began_at)),
        "generatorURL": told.link,
    }


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
