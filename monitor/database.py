"""Connections to Postgres: what is hopeless is said at once, what may pass is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict

from schemas.connections import CORRECT, UNREADABLE, refuses
from schemas.errors import DatabaseUnreachable
from schemas.sql import migrate

log = structlog.get_logger()

Connection = psycopg.Connection[Any]

_SLEEP_LIMIT = """
    SELECT set_config('idle_in_transaction_session_timeout', '60s', false)
    WHERE current_setting('idle_in_transaction_session_timeout') = '0'"""
"""Of one that is stopped, or cut off unnoticed, with a window in its claim: the others wait for it till then. It
is idle there while it computes, which takes much less. An operator's own limit stands."""


def connect(url: str, name: str = "driftline") -> Connection:
    """An autocommitting connection. name: what Postgres calls us to others.

    Raises DatabaseUnreachable where trying again cannot help, psycopg.OperationalError where it may.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5, fallback_application_name=name)
        connection.execute(_SLEEP_LIMIT)
        return connection
    except psycopg.ProgrammingError:
        raise DatabaseUnreachable(*UNREADABLE) from None
    except psycopg.OperationalError as error:
        if refuses(str(error)):
            raise DatabaseUnreachable(f"Postgres refused {where(url)}", f"{CORRECT} ({error})") from None
        raise


def connect_now(url: str) -> Connection:
    """As `connect`, for commands that answer once. Raises DatabaseUnreachable for whatever is wrong."""
    try:
        return connect(url)
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(
            f"Postgres did not answer at {where(url)}", f"run `driftline stack up`, or set DATABASE_URL ({error})"
        ) from None


def prepared(url: str) -> None:
    """Bring the tables up to date. Raises as `connect`."""
    with connect(url) as connection:
        migrate(connection)


def snapshots(connection: Connection) -> Connection:
    """Make every transaction of a connection a read-only snapshot: all its statements see the same rows."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def where(url: str) -> str:
    """A URL as it may be shown: without the password."""
    parts = conninfo_to_dict(url)
    return "{user}@{host}:{port}/{dbname}".format_map(
        {"user": "", "host": "localhost", "port": 5432, "dbname": ""} | parts
    )


def persistently(
    session: Callable[[], None],
    url: str,
    stop: threading.Event,
    longest: float = 10.0,
    trouble: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a session to its end; each time the database goes away, say so, wait and begin it again.

    longest: seconds between two tries, which begin at 0.2 and double. trouble: is told what was lost. Raises
    DatabaseUnreachable without rights.
    """
    delay = 0.1
    while not stop.is_set():
        began = time.monotonic()
        try:
            session()
            break
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseUnreachable(
                f"Postgres refused {where(url)} ({error.diag.message_primary})", "grant it, or correct DATABASE_URL"
            ) from None
        except psycopg.OperationalError as error:
            delay = 0.2 if time.monotonic() - began > longest else min(2 * delay, longest)
            log.warning("database_down", error=str(error).strip(), do=_remedy(error, url), retry_s=delay)
            trouble(f"database_down: {str(error).strip()}")
            stop.wait(delay)


def _remedy(error: psycopg.OperationalError, url: str) -> str:
    if isinstance(error, psycopg.errors.DiskFull):
        return "make room where Postgres keeps its data: nothing is lost, it goes on then"
    return f"see that Postgres is up at {where(url)}: it goes on then"
