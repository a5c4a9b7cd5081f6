"""An alarm as it is stored with each of its changes, published and sent. Times are ms since the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from schemas.records import Time, described

AlarmState = Literal["pending", "firing", "recovered", "withdrawn"]


ChangeKind = Literal[
    "unit",
    "scale",
    "shift",
    "spread",
    "missing",
    "new",
    "gone",
    "shares",
    "more",
    "fewer",
    "gap",
    "duplicates",
    "late",
    "clock",
    "labels",
    "concept",
]
"""unit: values arrive in another unit. scale: each is so many times the usual. shift: so much more. spread: their
middle stays, and they scatter more. missing: more or fewer are missing. new: values that were not known. gone: a
value hardly comes any more. shares: values come more or less often. more, fewer, gap: records. duplicates: records
come twice. late: events are missing whose labels came. clock: records come at other hours. labels: missing ones.
concept: the error moved, and no input."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What kind of change a signal shows, compared with what the same hours usually hold.

    Attributes:
        kind: Of change.
        sure: How sure that is, 0 to 1.
        since: Onset, better than that of the evidence: what came since then differs most.
        factor: Values are so many times the usual, or there are so many times the usual records.
        offset: Values are so much above the usual, or records so many hours behind.
        value: That is gone or has moved most; of kind `unit`, the change of unit in words.
        before, after: The median; or the share of records that have the value, that are missing or that are new.
        other, other_before, other_after: The value that took most of what another one lost, and its shares.
        hours: Of the day, event time, between which it is so, day after day, such as (22, 4); None: all of them.
    """

    kind: ChangeKind
    sure: float
    since: Time = 0
    factor: float | None = None
    offset: float | None = None
    value: str | None = None
    before: float | None = None
    after: float | None = None
    other: str | None = None
    other_before: float | None = None
    other_after: float | None = None
    hours: tuple[int, int] | None = None


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
        change: What kind of change it is, where the counts show it.
        segment: That it is of, such as `service=metered`; of the shares of segments, what divides them, such as
            `service`. Absent where it is of the whole stream.
    """

    role: str
    name: str
    kind: str
    column: str | None
    size_s: int
    value: float
    since: Time
    consequence: bool
    change: Change | None = None
    segment: str = ""


def leading(members: Sequence[Any]) -> Any:
    """Return the member whose change says what an alarm is about: the worst one of which a kind is known, or None.

    What has far less evidence than the worst is no explanation of it.

    Args:
        members: The worst first, as `AlarmMember`.
    """
    own = [m for m in members if not m.consequence] or [*members]
    most = max((m.value for m in own), default=0.0)
    return next((m for m in own if m.change is not None and m.value >= most / 2), None)


class _Named(Protocol):
    """A member, however it is read."""

    @property
    def name(self) -> str: ...
    @property
    def column(self) -> str | None: ...
    @property
    def consequence(self) -> bool: ...
    @property
    def segment(self) -> str: ...


_Any = TypeVar("_Any", bound=_Named)


def own(members: Sequence[_Any]) -> Sequence[_Any]:
    """Leave out the segments that explain a change of the whole stream. members: of an alarm, the worst first."""
    return [member for member in members if not member.segment] or members


class AlarmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm as it was after a change.

    Attributes:
        alarm_id: The same for the same evidence.
        run_id: Of the run.
        stream: Name of the stream.
        track: `change`: the stream is not as it was in the weeks before. `segments`: some of it is not. `ageing`:
            it has not been as the model was trained on for weeks. `harm`: the error of a day is above what it was
            in the weeks before.
        state: After the change.
        kind: `drift`, `gap`, `volume`, `coverage`, `ageing`, `error` or `mixture`.
        harm: `harmless`, `concept`, `both` or `unlabelled` (none came yet); None where that does not apply.
        message: In sentences, one to a line; the first says what changed and when, the last what to do.
        role, size_s, window_start: The window that raised it; of track `ageing`, the season that began.
        first_evidence: Its onset, an estimate.
        pending_at, fired_at, recovered_at: When its state changed, event time; None: not yet.
        value: The most evidence so far; 1 is the line, or what is tolerated.
        promise: False alarms a month that were promised; None: nothing was.
        calibration_id: What the line follows from.
        members: What it names, the worst first; of a change of the whole stream, then the segments that explain it.
        error_usual, error_now: The mean absolute error of the model in the unit of the label: what it usually is in
            these hours, and the most since the onset, over a day at most. None: not known.
        estimated: How far the mean absolute error is expected to be above the usual at most, as a share, by the
            events alone; None where that is not known, or does not apply.
        unestimated: Why it is not known.
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
    error_usual: float | None = None
    error_now: float | None = None
    estimated: float | None = None
    unestimated: str | None = None

    @property
    def columns(self) -> list[str]:
        """What its members are of, the worst first."""
        return list(dict.fromkeys(m.column or m.name for m in own(self.members)))


class AlarmChange(AlarmRecord, frozen=True, kw_only=True):
    """A record of topic `alarms`, whose key is the alarm's id.

    Attributes:
        number: Of the alarm's changes: 1, 2, ... Those of one alarm come in this order, each once.
    """

    number: Annotated[int, Meta(ge=1)]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the records of topic `alarms`."""
    return described(msgspec.json.schema(AlarmChange))
