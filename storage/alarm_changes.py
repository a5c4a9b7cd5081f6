"""Changes of alarms, from the table that they are written to until they are published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from schemas.alarms import AlarmChange, AlarmRecord
from storage.connect import Connection
from storage.keepalive import kept_alive
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_suffix(".sql"))

MOST = 500
"""Changes that are published at a time."""


def unpublished(connection: Connection) -> int:
    """Count the changes that are not published yet."""
    ((count,),) = connection.execute(_SQL["unpublished"]).fetchall()
    return int(count)


class Outbox:
    """The oldest changes that are not published yet, while nobody else may publish any."""

    def __init__(self, connection: Connection) -> None:
        """connection: In a transaction that holds the claim."""
        self._connection = connection
        rows = connection.execute(_SQL["next"], {"most": MOST}).fetchall()
        self._ids = [change_id for change_id, *_ in rows]
        self.changes: Sequence[AlarmChange] = [
            AlarmChange(**msgspec.structs.asdict(msgspec.json.decode(alarm, type=AlarmRecord)), number=number)
            for _, number, alarm in rows
        ]

    @property
    def is_full(self) -> bool:
        """Whether there may be more."""
        return len(self._ids) == MOST

    def mark(self) -> None:
        """Note that they are published."""
        self._connection.execute(_SQL["mark"], {"ids": self._ids})


@contextmanager
def claimed(connection: Connection) -> Iterator[Outbox | None]:
    """Claim the right to publish; None where somebody else has it. Commits at the end, rolls back on an exception.

    It is held while Kafka is waited for.
    """
    with kept_alive([connection]), connection.transaction():
        row = connection.execute(_SQL["claim"]).fetchone()
        yield Outbox(connection) if row else None
