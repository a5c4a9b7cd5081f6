"""Connections to Postgres. A refusal raises DatabaseUnreachable at once; what may pass raises psycopg's errors."""

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
from storage.address import connection_parameters, redacted
from storage.encoding import restrict_text
from storage.errors import explain
from storage.refusal import connection_error

_SESSION = """
    SELECT pg_backend_pid() = %(pid)s, set_config('DateStyle', 'ISO', false), set_config('TimeZone', 'UTC', false),
           CASE WHEN pg_backend_pid() = %(pid)s
                THEN set_config('default_transaction_isolation', 'read committed', false) END,
           CASE WHEN pg_backend_pid() = %(pid)s AND current_setting('idle_in_transaction_session_timeout') = '0'
                THEN set_config('idle_in_transaction_session_timeout', %(idle)s, false) END,
           CASE WHEN pg_backend_pid() = %(pid)s AND current_setting('tcp_keepalives_idle')::int > 30
                THEN (set_config('tcp_keepalives_idle', '30', false),
                      set_config('tcp_keepalives_interval', '10', false),
                      set_config('tcp_keepalives_count', '3', false)) END"""
"""Settings of a new session, and whether it has a server process of its own: a pooler gives another number.

Postgres notices within a minute that the host of a client is gone, also while it waits for the rest of a statement,
which the limit of idle transactions does not cover. A pooler lets the format of dates follow its client. The other
settings would stay behind in the sessions of others.
"""

_LIMIT = """
    SELECT set_config('idle_in_transaction_session_timeout', %s, true)
    WHERE current_setting('idle_in_transaction_session_timeout') = '0'"""


Jsonb, Rollback, dict_row = json.Jsonb, psycopg.Rollback, rows.dict_row
"""Of psycopg, for those who use a `Connection`."""


class Connection(psycopg.Connection[Any]):
    """An autocommitting connection.

    pooled: a pooler may give each transaction another server process, so that no setting, prepared statement or
    LISTEN outlives its transaction.
    idle: how long Postgres lets a transaction stay idle. A process that is stopped, or cut off unnoticed, keeps its
    rows locked until then. A limit that the operator has set takes precedence. Postgres counts only between two
    statements. So a transaction that others wait for has no COPY, and no `executemany`: psycopg ends its pipeline
    with a flush, after which Postgres waits for the rest of a pipeline, and counts no more.
    patience: seconds to wait for an answer of a server that is frozen, or cut off; None is for ever. After that the
    connection is closed, and OperationalError raised.
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
    """The same for asyncio. Call `configure_session` once it is open."""

    pooled = False


def connect(url: str, name: str = "driftline", *, idle: str = Connection.idle) -> Connection:
    """Connect to Postgres.

    Args:
        url: Of the database.
        name: The application name that Postgres shows to others.
        idle: As in `Connection`.

    Raises:
        DatabaseUnreachable: Postgres refuses, and would refuse again.
        UsageError: The URL cannot be parsed.
        psycopg.OperationalError: Another attempt may succeed.
    """
    options = connection_parameters(url, name)
    try:
        connection = Connection.connect(**options, autocommit=True)
        connection.idle = idle
        row = connection.execute(_SESSION, _session(connection, idle)).fetchone()
        _finish(connection, row)
        connection.isolation_level = IsolationLevel.READ_COMMITTED  # whatever the server's default
        return connection
    except psycopg.OperationalError as error:
        raise connection_error(error, url) from None


async def configure_session(connection: AsyncConnection) -> None:
    """Give a new connection the settings that `connect` gives."""
    cursor = await connection.execute(_SESSION, _session(connection, Connection.idle))
    _finish(connection, await cursor.fetchone())


def _session(connection: Connection | AsyncConnection, idle: str) -> dict[str, Any]:
    return {"pid": connection.info.backend_pid, "idle": idle}


def _finish(connection: Connection | AsyncConnection, row: Any) -> None:
    restrict_text(connection)
    connection.pooled = not row[0]
    if connection.pooled:
        connection.prepare_threshold = None


def connect_now(url: str) -> Connection:
    """Connect for a command that makes one attempt.

    Raises:
        DatabaseUnreachable: Postgres refuses, or does not answer.
        UsageError: The URL cannot be parsed.
    """
    try:
        return connect(url)
    except psycopg.OperationalError as error:
        raise _no_answer(error, url) from None


def _no_answer(error: psycopg.OperationalError, url: str) -> DatabaseUnreachable:
    reason = " ".join(str(error).split())
    failure = explain(error, url) if error.sqlstate else None
    if failure is None:
        return DatabaseUnreachable(
            f"Postgres did not answer at {redacted(url)}", f"{database_advice(url)} ({reason})"
        )
    return DatabaseUnreachable(f"{failure.what} ({reason})", failure.do)


def connect_directly(url: str) -> Connection:
    """Connect for what pg_dump and the like do, which no pooler supports.

    Raises:
        DatabaseUnreachable: As `connect_now`, or the server is a pooler.
        UsageError: The URL cannot be parsed.
    """
    connection = connect_now(url)
    if connection.pooled:
        connection.close()
        raise DatabaseUnreachable(
            f"{redacted(url)} is a connection pooler", "set DATABASE_URL to the server itself for this command"
        )
    return connection


def snapshots(connection: Connection) -> Connection:
    """Make every transaction of a connection a read-only snapshot: all its statements see the same rows."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection
