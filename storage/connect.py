"""Connections to Postgres. What is hopeless is said at once; what may pass raises psycopg's own errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import IsolationLevel, Transaction, rows
from psycopg.abc import RV, PQGen
from psycopg.types import json

from runtime.connections import database_advice
from schemas.errors import DatabaseUnreachable
from storage.address import parameters, where
from storage.encoding import adapt
from storage.errors import explain
from storage.refusal import connection_error

_SESSION = """
    SELECT pg_backend_pid() = %(pid)s, set_config('DateStyle', 'ISO', false), set_config('TimeZone', 'UTC', false),
           CASE WHEN pg_backend_pid() = %(pid)s
                THEN set_config('default_transaction_isolation', 'read committed', false) END,
           CASE WHEN pg_backend_pid() = %(pid)s AND current_setting('idle_in_transaction_session_timeout') = '0'
                THEN set_config('idle_in_transaction_session_timeout', %(idle)s, false) END"""
"""Settings of a new session, and whether it has a server process of its own: a pooler gives another number.

What dates look like follows a client through a pooler. The rest would be left behind in the session of others.
"""

_LIMIT = """
    SELECT set_config('idle_in_transaction_session_timeout', %s, true)
    WHERE current_setting('idle_in_transaction_session_timeout') = '0'"""


Jsonb, Rollback, dict_row = json.Jsonb, psycopg.Rollback, rows.dict_row
"""Of psycopg, for those who use a `Connection`."""


class Connection(psycopg.Connection[Any]):
    """An autocommitting connection.

    pooled: a pooler may give each transaction another server process. No setting, prepared statement or LISTEN
    outlives its transaction then.
    idle: how long Postgres lets a transaction wait for us. Of one that is stopped, or cut off unnoticed, in the
    middle of it: till then it keeps rows locked, and others wait for it. An operator's own limit stands.
    patience: seconds to wait for an answer, of a server that is frozen, or behind something that swallows what is
    sent; None: for ever. The connection is closed then, and OperationalError raised.
    """

    pooled = False
    idle = "60s"
    patience: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None or self.patience is None:
            return super().wait(gen, interval, timeout)
        deadline = time.monotonic() + self.patience
        try:
            return super().wait(gen, interval, self.patience)
        except psycopg.OperationalError:
            if time.monotonic() < deadline:
                raise
            self.close()
            raise psycopg.OperationalError(f"Postgres has not answered for {self.patience:g} s") from None

    @contextmanager
    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Iterator[Transaction]:
        with super().transaction(savepoint_name, force_rollback) as transaction:
            if self.pooled:
                self.execute(_LIMIT, (self.idle,))
            yield transaction


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """The same for asyncio; whoever opens one calls `settle`."""

    pooled = False


def connect(url: str, name: str = "driftline", *, idle: str = Connection.idle) -> Connection:
    """Connect. name: what Postgres calls us to others. idle: see `Connection`.

    Raises DatabaseUnreachable where trying again cannot help, UsageError for what is no libpq URL,
    psycopg.OperationalError where trying again may help.
    """
    options = parameters(url, name)
    try:
        connection = Connection.connect(**options, autocommit=True)
        connection.idle = idle
        row = connection.execute(_SESSION, _session(connection, idle)).fetchone()
        _settle(connection, row)
        connection.isolation_level = IsolationLevel.READ_COMMITTED  # whatever is the default there
        return connection
    except psycopg.OperationalError as error:
        raise connection_error(error, url) from None


async def settle(connection: AsyncConnection) -> None:
    """Give a new connection the settings that `connect` gives."""
    cursor = await connection.execute(_SESSION, _session(connection, Connection.idle))
    _settle(connection, await cursor.fetchone())


def _session(connection: Connection | AsyncConnection, idle: str) -> dict[str, Any]:
    return {"pid": connection.info.backend_pid, "idle": idle}


def _settle(connection: Connection | AsyncConnection, row: Any) -> None:
    adapt(connection)
    connection.pooled = not row[0]
    if connection.pooled:
        connection.prepare_threshold = None


def connect_now(url: str) -> Connection:
    """As `connect`, for commands that answer once. Raises DatabaseUnreachable also where trying again may help."""
    try:
        return connect(url)
    except psycopg.OperationalError as error:
        raise _no_answer(error, url) from None


def _no_answer(error: psycopg.OperationalError, url: str) -> DatabaseUnreachable:
    reason = " ".join(str(error).split())
    failure = explain(error, url) if error.sqlstate else None
    if failure is None:
        return DatabaseUnreachable(f"Postgres did not answer at {where(url)}", f"{database_advice()} ({reason})")
    return DatabaseUnreachable(f"{failure.what} ({reason})", failure.do)


def connect_directly(url: str) -> Connection:
    """As `connect_now`, for what pg_dump and the like do. Raises DatabaseUnreachable for a pooler, too."""
    connection = connect_now(url)
    if connection.pooled:
        connection.close()
        raise DatabaseUnreachable(
            f"{where(url)} is a connection pooler", "set DATABASE_URL to the server itself for this command"
        )
    return connection


def snapshots(connection: Connection) -> Connection:
    """Make every transaction of a connection a read-only snapshot: all its statements see the same rows."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection
