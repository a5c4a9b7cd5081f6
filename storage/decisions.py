"""What people decide: how they judge alarms, what is silenced, which weeks are not calm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from schemas.alarms import AlarmRecord, own
from schemas.errors import UsageError
from schemas.text import printable
from storage.alarm_listings import AlarmRow
from storage.alarms import ask_to_fold
from storage.connect import Connection
from storage.queries import load_queries
from storage.select import select

SQL = load_queries(Path(__file__).with_suffix(".sql"))


class SilenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A silence. run_id, track, column_name: None is any. state: `active`, `pending` or `ended`. Wall time."""

    silence_id: int
    state: str
    run_id: str | None
    track: str | None
    column_name: str | None
    starts_at: datetime
    ends_at: datetime
    author: str
    reason: str


class ExcludedWeek(msgspec.Struct, frozen=True):
    """A season that is not calm. stream: name of the stream."""

    stream: str
    season_start: datetime
    reason: str
    author: str
    excluded_at: datetime

    @property
    def week(self) -> str:
        return f"{self.season_start:%Y-%m-%d}"


def acknowledge(connection: Connection, alarm: AlarmRow, verdict: str, note: str, author: str) -> None:
    """Keep what somebody judged of an alarm.

    Args:
        connection: One that may write.
        alarm: Any alarm, whatever its state.
        verdict: `false`, `known` or `real`.
        note: Why.
        author: Who says so.
    """
    judged = {"verdict": verdict, "note": printable(note), "author": printable(author)}
    with connection.transaction():
        connection.execute(SQL["acknowledge"], {"alarm_id": alarm.alarm_id, "run_id": alarm.run_id} | judged)
        ask_to_fold(connection, alarm.run_id)


def silences(connection: Connection, *, ended: bool = False) -> list[SilenceRow]:
    """List silences, the one that ends last first. ended: those that are over, too."""
    return select(connection, SQL["silences"], SilenceRow, {"ended": ended})


def add_silence(
    connection: Connection,
    *,
    run: str | None,
    track: str | None,
    column: str | None,
    until: datetime | None,
    duration: timedelta | None,
    author: str,
    reason: str,
) -> tuple[int, datetime]:
    """Begin a silence now.

    Args:
        connection: One that may write.
        run: That it is for; None is any.
        track: The same.
        column: The same.
        until: When it ends, wall time.
        duration: How long it lasts, where there is no `until`.
        author: Who wants it.
        reason: Why.

    Returns:
        Its id, and when it ends.

    Raises:
        UsageError: It would be over already.
    """
    words = {"author": printable(author), "reason": printable(reason)}
    what = {"run_id": run, "track": track, "column": column, "until": until, "duration": duration}
    row = connection.execute(SQL["add_silence"], what | words).fetchone()
    if row is None:
        raise UsageError("the silence would be over already", "choose a later --until, in UTC or with a zone")
    return row[0], row[1]


def end_silence(connection: Connection, silence_id: int) -> None:
    """End a silence now.

    Raises:
        UsageError: There is none of this id that has not ended.
    """
    if connection.execute(SQL["end_silence"], {"silence_id": silence_id}).fetchone() is None:
        active = ", ".join(str(row.silence_id) for row in silences(connection)) or "none"
        raise UsageError(f"there is no active silence {silence_id}", f"active: {active}; `driftline silence list`")


def silenced_until(alarm: AlarmRow | AlarmRecord, found: Iterable[SilenceRow]) -> datetime | None:
    """Return until when an alarm is silenced; None: it is not.

    Args:
        alarm: The alarm. It is silenced while all of its members are, but for consequences of others.
        found: All silences.
    """
    active = [
        row
        for row in found
        if row.state == "active" and row.run_id in (None, alarm.run_id) and row.track in (None, alarm.track)
    ]
    names: set[str | None] = {m.column or m.name for m in own(alarm.members) if not m.consequence}
    ends = [
        max((row.ends_at for row in active if row.column_name in (None, name)), default=None)
        for name in names or {None}
    ]
    known = [end for end in ends if end is not None]
    return min(known) if len(known) == len(ends) else None


def excluded_weeks(connection: Connection, stream: str) -> list[ExcludedWeek]:
    """List the seasons of a stream that people have excluded, the newest first."""
    return select(connection, SQL["excluded_weeks"], ExcludedWeek, {"stream": stream})


def exclude_weeks(
    connection: Connection, stream: str, starts: Sequence[datetime], reason: str, author: str
) -> list[str]:
    """Exclude seasons from the calm ones.

    Args:
        connection: One that may write.
        stream: Name of the stream.
        starts: When the seasons begin.
        reason: Why.
        author: Who says so.

    Returns:
        Runs that are to be folded again.
    """
    words = {"reason": printable(reason), "author": printable(author)}
    with connection.transaction():
        connection.execute(SQL["exclude"], {"stream": stream, "starts": [*starts]} | words)
        return _ask_to_fold(connection, stream)


def include_weeks(connection: Connection, stream: str, starts: Sequence[datetime]) -> list[str]:
    """Let excluded seasons count as calm again; all, or none.

    Returns:
        Runs that are to be folded again.

    Raises:
        UsageError: One was not excluded.
    """
    with connection.transaction():
        found = connection.execute(SQL["include"], {"stream": stream, "starts": [*starts]}).fetchall()
        if missing := sorted({*starts} - {start for (start,) in found}):
            days = ", ".join(f"{row.season_start:%Y-%m-%d}" for row in excluded_weeks(connection, stream))
            raise UsageError(f"the week of {missing[0]:%Y-%m-%d} is not excluded", f"excluded: {days or 'none'}")
        return _ask_to_fold(connection, stream)


def _ask_to_fold(connection: Connection, stream: str) -> list[str]:
    return sorted(run_id for (run_id,) in connection.execute(SQL["ask_to_fold_stream"], {"stream": stream}))
