"""NOTIFY and LISTEN: how a commit wakes monitors and boards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas import notices
from schemas.notices import WindowNotice
from storage.connect import Connection

_NOTIFY = "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS sent (payload)"


def notify_progress(connection: Connection, run_ids: Sequence[str]) -> None:
    """Notify that these runs moved, once the transaction commits."""
    connection.execute(_NOTIFY, (notices.PROGRESS, list(run_ids)))


def notify_windows(connection: Connection, written: Iterable[WindowNotice]) -> None:
    """Notify that these windows were written, once the transaction commits."""
    connection.execute(_NOTIFY, (notices.WINDOW, [notices.encode(notice) for notice in written]))


def listen_statement(channel: str) -> str:
    """Give the statement by which a connection listens to one of the channels of `schemas.notices`."""
    return f"LISTEN {channel}"
