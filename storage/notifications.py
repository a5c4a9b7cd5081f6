"""Which changes of alarms a target is still to be told of, and who tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from schemas.alarms import AlarmRecord
from storage.connect import Connection, dict_row
from storage.queries import load_queries
from storage.select import select

_SQL = load_queries(Path(__file__).with_suffix(".sql"))

MOST = 500
"""Changes that are read at a time."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an alarm, as one target sees it.

    Attributes:
        change_id: Of the row.
        number: Of the alarm's changes.
        alarm: As it was after the change.
        created_at: When it was made, wall time.
        began_at: When the first change of the alarm was made, wall time.
        sent_s: Seconds since the target was told of it, or reminded; None: it is yet to be told.
        reminders: That it got.
        over: Whether the run is over, so that the alarm changes no more.
        judged: Whether somebody has said what the alarm was.
    """

    change_id: int
    number: int
    alarm: AlarmRecord
    created_at: datetime
    began_at: datetime
    sent_s: float | None
    reminders: int
    over: bool
    judged: bool


class TargetRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a target is served.

    Attributes:
        target: Its name.
        error: Why the newest attempt failed; None: it did not.
        failing_since: Since when attempts have failed, wall time.
        silent_s: Seconds since a notifier looked after it.
        waiting: Changes that it is to be told of; those of silenced alarms, too.
    """

    target: str
    error: str | None
    failing_since: datetime | None
    silent_s: float
    waiting: int


class ToldRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change of an alarm at one target.

    Attributes:
        target: Its name.
        number: Of the alarm's changes.
        state: Of the alarm after it.
        outcome: `sent`; `silenced` or `before`: nobody has to be told any more; None: it waits.
        sent_at: When it, or the newest reminder of it, was sent, wall time.
        reminders: That followed it.
        error: Why it waits, where the newest attempt failed.
    """

    target: str
    number: int
    state: str
    outcome: str | None
    sent_at: datetime | None
    reminders: int
    error: str | None


class Ledger:
    """What one target was told, on a connection that commits by itself. Methods raise `storage.errors.Error`."""

    def __init__(
        self, connection: Connection, target: str, *, stream: str | None, tracks: Sequence[str], holder: str
    ) -> None:
        """Begin.

        Args:
            connection: One that may write.
            target: Name of the target.
            stream: Whose alarms it is told of; None: of all.
            tracks: Of alarms that it is told of.
            holder: Names the process.
        """
        self._connection = connection
        self._params = {"target": target, "stream": stream, "tracks": [*tracks], "holder": holder}

    def add(self) -> None:
        """Note the target, unless it is known. A new one is told of what fires now, and not of what was before."""
        with self._connection.transaction():
            if self._connection.execute(_SQL["add_target"], self._params).fetchone() is not None:
                self._connection.execute(_SQL["skip_history"], self._params)

    def claim(self, seconds: float) -> bool:
        """Take the target, or keep it, for so long; whether nobody else has it."""
        row = self._connection.execute(_SQL["claim"], self._params | {"seconds": seconds}).fetchone()
        return row is not None

    def release(self) -> None:
        """Leave the target to whoever comes next."""
        self._connection.execute(_SQL["release"], self._params)

    def changes(self) -> list[Change]:
        """List what the target is to be told of, and what it was told of and still fires, oldest first."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_SQL["changes"], self._params | {"most": MOST}).fetchall()
        return [Change(**row | {"alarm": msgspec.json.decode(row["alarm"], type=AlarmRecord)}) for row in rows]

    def mark(self, change_ids: Sequence[int], outcome: str = "sent", reminders: int = 0) -> None:
        """Note that changes need not be sent any more.

        Args:
            change_ids: Of the changes.
            outcome: `sent` or `silenced`.
            reminders: That were sent since.
        """
        params = {"change_ids": [*change_ids], "outcome": outcome, "reminders": reminders}
        self._connection.execute(_SQL["mark"], self._params | params)

    def report(self, error: str | None) -> None:
        """Note how the newest attempt went. error: Why it failed, without anything secret; None: it did not."""
        self._connection.execute(_SQL["failed" if error else "works"], self._params | {"error": error})


def told(connection: Connection, alarm_id: str) -> list[ToldRow]:
    """List who was told of the changes of an alarm and when, and for whom they wait; by target, in order."""
    return select(connection, _SQL["told"], ToldRow, {"alarm_id": alarm_id})


def targets(connection: Connection) -> list[TargetRow]:
    """List the targets that were served within a week."""
    return select(connection, _SQL["targets"], TargetRow, {})
