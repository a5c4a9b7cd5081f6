"""What `driftline alarms` and `calibrate` list: the newest first."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from schemas.alarms import AlarmMember, Change
from schemas.durations import duration_text, moment
from schemas.errors import UsageError
from storage.connect import Connection
from storage.listings import NAMED
from storage.queries import load_queries
from storage.select import select

SQL = load_queries(Path(__file__).with_suffix(".sql"))


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that an alarm names; fields as in `schemas.alarms.AlarmMember`."""

    role: str
    name: str
    kind: str
    column: str | None
    size_s: int
    value: float
    since: datetime
    consequence: bool
    change: Change | None = None
    segment: str = ""


class AlarmRow(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm, or an incident of the log, which has no state; columns as of table `alarm`.

    stream, size_s, window_start: the window that raised it.
    members: what it names, the worst first.
    estimated: how far the error is expected to be above the usual, as a share. unestimated: why that is not known.
    verdict, note, judged_by, judged_at: what people judged last.
    """

    alarm_id: str
    run_id: str
    state: str | None
    track: str | None
    kind: str
    harm: str | None
    message: str
    severity: float | None
    first_evidence: datetime | None
    pending_at: datetime | None
    started_at: datetime
    recovered_at: datetime | None
    withdrawn_at: datetime | None
    stream: str | None
    size_s: int | None
    window_start: datetime | None
    columns: list[str]
    members: list[Member]
    promise: float | None
    calibration_id: str | None
    estimated: float | None
    unestimated: str | None
    verdict: str | None
    note: str | None
    judged_by: str | None
    judged_at: datetime | None


class ChangeRow(msgspec.Struct, frozen=True):
    """A change of an alarm. published_at: None until it is in the topic."""

    number: int
    state: str
    created_at: datetime
    published_at: datetime | None


class EvidenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence after one window. value: 1 is the line. z, shares: as in table `evidence`, by name."""

    stream: str
    size_s: int
    window_start: datetime
    rows: int
    value: float
    signal: str | None
    z: dict[str, float]
    shares: dict[str, float]

    @property
    def size(self) -> str:
        return duration_text(1_000 * self.size_s)


class SetBy(msgspec.Struct, frozen=True, kw_only=True):
    """What set the line: the signal that moved most in a calm season, which began at `season`."""

    season: datetime
    role: str
    size_s: int
    signal: str

    def __str__(self) -> str:
        return f"{self.signal} at {duration_text(1_000 * self.size_s)}, {self.season:%Y-%m-%d}"


class CalibrationRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a season is measured against; fields as the columns of table `calibration`."""

    season_start: datetime
    calibration_id: str
    weeks: list[datetime]
    promise: float | None
    set_by: SetBy | None
    refused: str | None
    about: str
    signals: dict[str, list[str]]
    lines: Any
    unwatched: dict[str, dict[str, str]]
    created_at: datetime


class WatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How the promise for a run was kept.

    Attributes:
        run_id: Of the run.
        about: What was said of its newest season; None before the first.
        days: From the first window with evidence to the last; None: nothing can be said of the run.
        alarms: Of track `change` that fired, without those that were withdrawn.
        judged_false, judged_known, judged_real: How many of them people judged so.
    """

    run_id: str
    about: str | None
    days: float | None
    alarms: int
    judged_false: int
    judged_known: int
    judged_real: int


def alarms(connection: Connection, run: str | None = None, part: str | None = None) -> list[AlarmRow]:
    """List alarms, the newest first.

    Args:
        connection: Any connection that may read.
        run: Only of this run.
        part: Only those whose id contains this text.
    """
    found = select(connection, SQL["alarms"], AlarmRow, {"run_id": run, "part": part})
    return [msgspec.structs.replace(row, members=[*map(_member, row.members)]) for row in found]


def _member(stored: Any) -> Member:
    known = msgspec.convert(stored, AlarmMember)
    return Member(**msgspec.structs.asdict(known) | {"since": moment(known.since)})


def alarm_named(connection: Connection, name: str) -> AlarmRow:
    """Find an alarm by its id, or by a part of it that no other id contains.

    Args:
        connection: Any connection that may read.
        name: The id, or a part of it.

    Raises:
        UsageError: There is no such alarm, or more than one; the error names some.
    """
    found = alarms(connection, part=name)
    if exact := [row for row in found if row.alarm_id == name]:
        found = exact
    if len(found) == 1:
        return found[0]
    known = [row.alarm_id for row in found or alarms(connection)][:NAMED]
    if not known:
        raise UsageError(f"there is no alarm {name}, nor any other", "`driftline calibrate` says what is watched")
    raise UsageError(
        f"{len(found)} alarms are called {name}" if found else f"there is no alarm {name}",
        f"name one by its id; the newest: {', '.join(known)}; `driftline alarms` lists them",
    )


def changes(connection: Connection, alarm_id: str) -> list[ChangeRow]:
    """List the changes of an alarm, the first one first."""
    return select(connection, SQL["changes"], ChangeRow, {"alarm_id": alarm_id})


def covered(connection: Connection, run: str) -> tuple[datetime, datetime] | None:
    """Return the event time of which it is stored what the windows of a run held; None without any."""
    row = connection.execute(SQL["covered"], {"run_id": run}).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def evidence(
    connection: Connection, run: str, start: datetime | None = None, end: datetime | None = None
) -> list[EvidenceRow]:
    """List the evidence after the windows of a run that overlap [start, end), in the order of the fold."""
    rows = connection.execute(SQL["evidence"], {"run_id": run, "from": start, "to": end}).fetchall()
    return [
        EvidenceRow(
            stream=stream,
            size_s=size_s,
            window_start=at,
            rows=held,
            value=value,
            signal=signal,
            z=dict(zip(names or (), z, strict=False)),
            shares=shares,
        )
        for stream, size_s, at, held, value, signal, z, shares, names in rows
    ]


def calibrations(connection: Connection, run: str) -> list[CalibrationRow]:
    """List what the seasons of a run are measured against, the newest first."""
    found = select(connection, SQL["calibrations"], CalibrationRow, {"run_id": run})
    return [msgspec.structs.replace(row, set_by=_set_by(row.set_by)) for row in found]


def _set_by(stored: Any) -> SetBy | None:
    if stored is None:
        return None
    season, size_s = moment(stored["season"]), stored["size"] // 1_000
    return SetBy(season=season, role=stored["role"], size_s=size_s, signal=stored["signal"])


def records(connection: Connection, run: str | None = None) -> dict[str, WatchRecord]:
    """Tell how the promises were kept, by run; of those that are watched."""
    return {row.run_id: row for row in select(connection, SQL["records"], WatchRecord, {"run_id": run})}
