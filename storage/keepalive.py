"""Keeps transactions alive while a process computes, so that Postgres does not end them as idle."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
from psycopg.pq import TransactionStatus

from storage.connect import Connection

LONGEST_S = 20.0
"""Between two statements: a third of the limit that our own connections set."""

_LIMIT = "SELECT setting::int FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"


@contextmanager
def kept_alive(connections: Sequence[Connection]) -> Iterator[None]:
    """Keep the transactions of some connections from being ended as idle while this process lives.

    A process that is stopped, or cut off, sends nothing: Postgres then ends its transactions and frees their rows,
    which is what the limit is for.

    Args:
        connections: To one database. Their owner may use them meanwhile.
    """
    if not connections:
        yield
        return
    stop = threading.Event()
    seconds = _interval(connections[0])
    thread = threading.Thread(target=_speak, args=(connections, seconds, stop), name="keepalive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()  # not joined: it may be waiting for a server that does not answer


def _interval(connection: Connection) -> float:
    """Seconds between two statements, by the operator's limit or by ours."""
    row = connection.execute(_LIMIT).fetchone()
    limit_ms: int = row[0] if row else 0
    return min(limit_ms / 3_000, LONGEST_S) if limit_ms else LONGEST_S


def _speak(connections: Sequence[Connection], seconds: float, stop: threading.Event) -> None:
    while not stop.wait(seconds):
        for connection in connections:
            if connection.info.transaction_status == TransactionStatus.INTRANS:
                with suppress(psycopg.Error):  # its owner finds out for himself
                    connection.execute("SELECT")
