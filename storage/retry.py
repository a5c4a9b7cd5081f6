"""What may pass is waited for; what is hopeless is said at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import psycopg
import structlog
from psycopg import errors

from runtime.connections import database_advice
from schemas.errors import DatabaseUnreachable, DriftlineError
from storage.address import where

log = structlog.get_logger()

PASSES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
    errors.ReadOnlySqlTransaction,
)
"""Errors of Postgres that may be gone at the next try."""


class Trouble(NamedTuple):
    """What happened, as the log names it; the words for it; what the operator may do about it."""

    event: str
    error: str
    do: str


def persistently(
    session: Callable[[], None],
    url: str,
    stop: threading.Event,
    *,
    longest: float = 10.0,
    trouble: Callable[[str], None] = lambda _: None,
    others: Callable[[Exception], Trouble | None] = lambda _: None,
) -> None:
    """Run a session to its end; each time Postgres goes away, say so, wait and begin it again.

    A session begins from what is in Postgres, as after a kill, so that there is one way to recover.
    longest: seconds between two tries, which begin at 0.2 and double. trouble: is told what was lost. others: what
    else may pass. Raises DatabaseUnreachable without rights.
    """
    delay, full = 0.1, ""
    while not stop.is_set():
        began = time.monotonic()
        try:
            session()
            break
        except Exception as error:
            if (found := others(error) or lost(error, url)) is None:
                raise
            if time.monotonic() - began > longest:
                delay, full = 0.1, ""
            delay = min(2 * delay, longest)
            if found.event == "database_full" or (full and found.event == "database_down"):
                full = full or found.do  # a server that ran out of room may be down until there is some
                found = Trouble("database_full", found.error, full)
            log.warning(found.event, error=found.error, do=found.do, retry_s=delay)
            trouble(f"{found.event}: {found.error}")
            stop.wait(delay)


def lost(error: Exception, url: str) -> Trouble | None:
    """What an error of Postgres means; None for one that will come again.

    Raises DatabaseUnreachable without rights.
    """
    if isinstance(error, errors.InsufficientPrivilege):
        raise DatabaseUnreachable(
            f"Postgres refused {where(url)} ({error.diag.message_primary})", "grant it, or correct DATABASE_URL"
        ) from None
    if not isinstance(error, PASSES):
        return None
    event, do = _meaning(error, url)
    return Trouble(event, " ".join(str(error).split()), do)


def told(error: Exception, url: str) -> DriftlineError | None:
    """The same for a command that answers once; None for what is a mistake of the program."""
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName | errors.UndefinedColumn):
        return DatabaseUnreachable(f"the tables at {where(url)} are not up to date", "run `driftline migrate`")
    try:
        found = lost(error, url)
    except DatabaseUnreachable as refused:
        return refused
    return DatabaseUnreachable(f"{found.event} ({found.error})", found.do) if found else None


def _meaning(error: Exception, url: str) -> tuple[str, str]:
    """The event and what to do."""
    if isinstance(error, errors.DiskFull):
        return "database_full", "free space on the disk of Postgres: nothing is lost, it goes on then"
    if isinstance(error, errors.LockNotAvailable):
        return "database_locked", "end who holds tables of schema driftline: pg_locks names them; it goes on then"
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return "database_read_only", "name the primary in DATABASE_URL, or a role that may write"
    if isinstance(error, errors.TooManyConnections):
        return "database_down", "end other clients of Postgres, or raise max_connections: it goes on then"
    return "database_down", f"{database_advice()}; see that its disk is not full: it goes on then"
