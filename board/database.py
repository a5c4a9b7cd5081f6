"""Read-only snapshots of the database, on a few connections that are shared. It may go away and come back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import structlog
from psycopg import IsolationLevel
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from board.http_errors import Busy, Problem, Unavailable
from runtime.connections import login_advice
from schemas.definition import Stream
from schemas.errors import DatabaseUnreachable
from storage.address import connection_parameters, redacted
from storage.connect import AsyncConnection, Connection, configure_session, connect, snapshots
from storage.errors import InsufficientPrivilege, explain
from storage.queries import load_queries
from storage.refusal import failure_reason, refuses

log = structlog.get_logger()

SQL = load_queries(Path(__file__).with_name("queries.sql"))
MIGRATE = "run `driftline migrate`"
_THEN = "this page goes on then"

_NAME = "driftline-board"
CONNECTIONS = 4
PATIENCE_S = 3.0
"""For a connection: a page that says what is wrong is better than one that loads for long."""


class Reader:
    """One moment of the database. fallback: the stream of runs whose definition is not stored."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], fallback: Stream) -> None:
        self._connection = connection
        self.fallback = fallback

    async def rows(self, query: str, **params: Any) -> list[Any]:
        """Return all rows of a named query."""
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(SQL[query], params)
            return await cursor.fetchall()

    async def row(self, query: str, **params: Any) -> Any:
        """Return the first row of a query, None where there is none."""
        found = await self.rows(query, **params)
        return found[0] if found else None


class Database:
    """A pool of snapshots. fallback: as of `Reader`. Raises UsageError for what is no libpq URL."""

    def __init__(self, url: str, fallback: Stream) -> None:
        self._fallback = fallback
        self._where = redacted(url)
        self._url = url
        self._warned = False
        self._used = 0
        """Connections of the pool that are being read from."""
        self.refused = ""
        """What Postgres said last when it refused the listener."""
        self._pool: AsyncConnectionPool[AsyncConnection] | None = None

    async def open(self) -> None:
        """Open the pool; returns at once, whether the database is there or not."""
        self._pool = AsyncConnectionPool(
            kwargs=connection_parameters(self._url, _NAME),
            connection_class=AsyncConnection,
            min_size=1,
            max_size=CONNECTIONS,
            open=False,
            configure=self._configure,
            check=AsyncConnectionPool.check_connection,
            timeout=PATIENCE_S,
            max_waiting=200,
            reconnect_timeout=PATIENCE_S,
        )
        await self._pool.open(wait=False)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close(timeout=2)

    @asynccontextmanager
    async def snapshot(self, patience_s: float | None = None) -> AsyncIterator[Reader]:
        """Read from one moment of the database.

        Args:
            patience_s: For a connection; None is PATIENCE_S.

        Raises:
            Unavailable: The database does not answer, or not as it should.
            Busy: All connections are in use.
        """
        assert self._pool is not None
        with self.translated_errors():
            async with self._pool.connection(patience_s or PATIENCE_S) as connection:
                self._used += 1
                try:
                    if connection.pooled:
                        await connection.execute(SQL["begin"], {"local": True})
                    yield Reader(connection, self._fallback)
                finally:
                    self._used -= 1

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[AsyncConnection]:
        """Open an autocommitting connection for notifications. Raises psycopg.OperationalError."""
        options = connection_parameters(self._url, _NAME)
        async with await AsyncConnection.connect(**options, autocommit=True) as connection:
            await configure_session(connection)
            self.refused = ""
            yield connection

    async def explain_failure(self, error: psycopg.Error) -> str:
        """Return what went wrong, in one line; a refusal of Postgres is remembered."""
        reason = await asyncio.to_thread(failure_reason, error, self._url)
        self.refused = reason if refuses(reason) else ""
        return reason

    @contextmanager
    def blocking(self) -> Iterator[Connection]:
        """Open a connection that only reads, for a thread. Raises Unavailable."""
        with self.translated_errors(), snapshots(connect(self._url, _NAME)) as connection:
            connection.autocommit = False
            connection.execute(SQL["begin"], {"local": connection.pooled})
            if not connection.pooled:
                connection.commit()
            yield connection

    def refusal_advice(self) -> str:
        """Say what to do about a Postgres that refuses the board's login."""
        return login_advice(self._url)

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Raise Unavailable, with what to do, in place of what psycopg raises."""
        try:
            yield
        except Problem:
            raise
        except DatabaseUnreachable as error:
            raise Unavailable(error.what, error.do) from error
        except psycopg.Error as error:
            raise self._away(error) from error

    def _away(self, error: psycopg.Error) -> Problem:
        if self._full(error):
            return self._busy()
        if error.sqlstate is None and refuses(self.refused or str(error)):
            return Unavailable(f"Postgres refused {self._where}", self.refusal_advice())
        if (failure := explain(error, self._url, "read the tables")) is None:
            log.error("query_failed", error=str(error).strip(), sqlstate=error.sqlstate)
            return Unavailable("the database answered with an error", "see the board's log")
        do = f"{MIGRATE} as their owner" if isinstance(error, InsufficientPrivilege) else failure.advice(_THEN)
        return Unavailable(failure.what, do)

    def _full(self, error: psycopg.Error) -> bool:
        return isinstance(error, PoolTimeout | TooManyRequests) and self._used >= CONNECTIONS

    def _busy(self) -> Busy:
        return Busy(
            f"all {CONNECTIONS} of the board's connections to Postgres are in use",
            "ask again in a moment; where it stays so, see what keeps Postgres busy",
        )

    async def _configure(self, connection: AsyncConnection) -> None:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        await configure_session(connection)
        set_json_loads(stored_json, connection)
        await connection.execute(SQL["begin"], {"local": connection.pooled})
        row = await (await connection.execute(SQL["may_write"])).fetchone()
        await connection.commit()
        if row is not None and row[1] and not self._warned:
            self._warned = True
            log.warning(
                "board_may_write", role=row[0], do=f"{MIGRATE}, and let the board log in as driftline_board"
            )


def stored_json(text: str | bytes) -> Any:
    """Return a jsonb value; None for what no browser can take: beyond 64 bits, or nested too deeply. Pure."""
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        return None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) < 19 else None
