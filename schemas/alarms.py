"""An alarm as it is stored with each of its changes, published and sent. Times are ms since the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.records import Time, described

AlarmState = Literal["pending", "firing", "recovered", "withdrawn"]


class AlarmMember(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that an alarm names.

    Attributes:
        role: Of its records, `events` or `labels`.
        name: Of the signal.
        kind: What it is of, such as `column`, `prediction`, `error` or `volume`.
        column: That it is of, if any.
        size_s: Seconds of the windows that show it most.
        value: The most evidence; 1 is the line.
        since: Its onset, an estimate.
        consequence: Whether another member explains it.
    """

    role: str
    name: str
    kind: str
    column: str | None
    size_s: int
    value: float
    since: Time
    consequence: bool


class AlarmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm as it was after a change.

    Attributes:
        alarm_id: The same for the same evidence.
        run_id: Of the run.
        stream: Name of the stream.
        track: `change`: the stream is not as it was in the weeks before. `ageing`: it has not been as the model was
            trained on for weeks. `harm`: the error of a day is above what it was in the weeks before.
        state: After the change.
        kind: `drift`, `gap`, `volume`, `coverage`, `ageing` or `error`.
        harm: `harmless`, `concept`, `both` or `unlabelled`; None where that does not apply.
        message: In a sentence.
        role, size_s, window_start: The window that raised it; of track `ageing`, the season that began.
        first_evidence: Its onset, an estimate.
        pending_at, fired_at, recovered_at: When its state changed, event time; None: not yet.
        value: The most evidence so far; 1 is the line, or what is tolerated.
        promise: False alarms a month that were promised; None: nothing was.
        calibration_id: What the line follows from.
        members: What it names, the worst first.
    """

    alarm_id: str
    run_id: str
    stream: str
    track: str
    state: AlarmState
    kind: str
    harm: str | None
    message: str
    role: str
    size_s: int
    window_start: Time
    first_evidence: Time
    pending_at: Time
    fired_at: Time | None
    recovered_at: Time | None
    value: float
    promise: float | None
    calibration_id: str
    members: Annotated[tuple[AlarmMember, ...], Meta(max_length=10_000)]

    @property
    def columns(self) -> list[str]:
        """What its members are of, the worst first."""
        return list(dict.fromkeys(m.column or m.name for m in self.members))


class AlarmChange(AlarmRecord, frozen=True, kw_only=True):
    """A record of topic `alarms`, whose key is the alarm's id.

    Attributes:
        number: Of the alarm's changes: 1, 2, ... Those of one alarm come in this order, each once.
    """

    number: Annotated[int, Meta(ge=1)]


NAMED = 2
"""Columns of an alarm in its short name."""


def short_name(kind: str, columns: Sequence[str]) -> str:
    """Name an alarm in a few words: its first columns, or what it is of.

    Args:
        kind: Of the alarm.
        columns: That it names, the worst first.
    """
    if kind == "error":
        return "larger error"
    if kind not in ("drift", "ageing") or not columns:
        return kind
    more = len(columns) - NAMED
    named = ", ".join(columns[:NAMED]) + (f" +{more}" if more > 0 else "")
    return f"ageing: {named}" if kind == "ageing" else named


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the records of topic `alarms`."""
    return described(msgspec.json.schema(AlarmChange))
