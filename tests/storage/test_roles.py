"""What each role may and may not do, tried against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from runtime.connections import ROOT, Addresses
from schemas.errors import DatabaseUnreachable
from storage import roles
from storage.connect import connect
from storage.migrations import migrate, migrations
from storage.prepare import prepare
from tests.databases import fresh_database
from tests.monitor.feed import HOUR, T0, TRIPS, Feed, monitor

pytestmark = pytest.mark.integration

PASSWORDS = {roles.READER: "reader0", roles.BOARD: "board0"}
"""The same in every test: roles belong to the server that all tests share."""

WRITES = (
    "DELETE FROM driftline.run",
    "INSERT INTO driftline.event VALUES ('e', 'r', 'late', now(), NULL, 'x')",
    "UPDATE driftline.run SET source = 'x'",
    "TRUNCATE driftline.run",
    "DROP TABLE driftline.run",
    "CREATE TEMP TABLE t (x int)",
    "CREATE TABLE driftline.t (x int)",
    "CREATE TABLE public.t (x int)",
    "CREATE SCHEMA s",
    "CREATE ROLE somebody",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY driftline.run TO '/tmp/run'",
    "SELECT * FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_from_bytea(0, 'x')",
    "SET ROLE driftline",
    "SELECT slot FROM driftline.claim FOR UPDATE",
    "SELECT slot FROM driftline.claim FOR KEY SHARE",
    "BEGIN; LOCK TABLE driftline.migration IN SHARE ROW EXCLUSIVE MODE",
    "BEGIN; LOCK TABLE driftline.claim IN ROW SHARE MODE",
    "SELECT pg_advisory_lock(1)",
    "SET temp_file_limit = -1",
    "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
)
RECORDS = (
    "SELECT payload FROM driftline.chunk",
    "SELECT raw FROM driftline.dead_letter",
    "SELECT key FROM driftline.dead_letter",
    "SELECT headers FROM driftline.dead_letter",
    "SELECT detail FROM driftline.dead_letter",
    "SELECT * FROM driftline.dead_letter",
)


def login(database: str, role: str) -> str:
    url = urlsplit(database)
    return url._replace(netloc=f"{role}:{PASSWORDS[role]}@{url.hostname}:{url.port}").geturl()


@contextmanager
def superuser(database: str) -> Iterator[psycopg.Connection[Any]]:
    """Logged in as one of this moment only, since nobody may rename who is logged in."""
    name, url = f"super_{uuid.uuid4().hex[:8]}", urlsplit(database)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD 'super0'")
        try:
            with psycopg.connect(
                url._replace(netloc=f"{name}:super0@{url.hostname}:{url.port}").geturl()
            ) as connection:
                yield connection
                connection.rollback()
        finally:
            admin.execute(f"DROP ROLE {name}")


@pytest.fixture(scope="module")
def granted(stack: Addresses) -> Iterator[str]:
    """One database for all: what these tests try is refused."""
    with fresh_database(stack.database_url) as url:
        with psycopg.connect(url) as connection:
            roles.grant(connection, PASSWORDS)
        yield url


@pytest.mark.parametrize("role", [roles.READER, roles.BOARD])
@pytest.mark.parametrize("statement", WRITES)
def test_a_reader_is_refused_even_when_it_asks_to_write(granted: str, role: str, statement: str) -> None:
    with psycopg.connect(login(granted, role), autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.mark.parametrize("statement", RECORDS)
def test_records_are_for_the_board_and_not_for_dashboards(granted: str, statement: str) -> None:
    with psycopg.connect(login(granted, roles.BOARD)) as connection:
        connection.execute(statement)
    with (
        psycopg.connect(login(granted, roles.READER)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize("role", [roles.READER, roles.BOARD])
def test_a_reader_reads_every_other_table_and_view_without_naming_the_schema(granted: str, role: str) -> None:
    with psycopg.connect(login(granted, role)) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'driftline'::regnamespace AND relkind IN ('r', 'v')"
        ).fetchall()
        assert {"run", "window_result", "progress"} <= {name for (name,) in tables}
        for (name,) in tables:
            if name not in ("chunk", "dead_letter"):
                connection.execute(f"SELECT * FROM {name} LIMIT 1")
        connection.execute("SELECT first_offset, rows FROM chunk")
        connection.execute("SELECT reason, count(*) FROM dead_letter GROUP BY 1")


def test_a_reader_is_read_only_without_being_asked(granted: str) -> None:
    with psycopg.connect(login(granted, roles.READER)) as connection:
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)


@pytest.mark.parametrize("role", [roles.READER, roles.BOARD])
def test_a_reader_that_rests_is_sent_away_and_none_fills_the_disk(granted: str, role: str) -> None:
    with psycopg.connect(login(granted, role)) as connection:
        for limit in ("idle_session_timeout", "idle_in_transaction_session_timeout", "statement_timeout"):
            assert connection.execute(f"SHOW {limit}".encode()).fetchone() != ("0",)
        assert connection.execute("SHOW temp_file_limit").fetchone() == ("1GB",)


def test_whoever_reads_keeps_nobody_from_starting_nor_from_writing(granted: str) -> None:
    """Open transactions over every table, and every advisory lock that there is a number for."""
    with (
        psycopg.connect(login(granted, roles.BOARD)) as reader,
        psycopg.connect(granted) as other,
        Feed(granted) as feed,
    ):
        for (name,) in other.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'driftline'::regnamespace AND relkind = 'r'"
        ).fetchall():
            reader.execute(f"SELECT * FROM driftline.{name} LIMIT 1".encode())
        other.execute("SELECT pg_advisory_lock(%s)", (0x64726966746C696E,))
        for stream in ("events", "labels"):
            window = f"r/{stream}/{HOUR}/{T0}"
            other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 7595448453092895091))", (window,))
        assert prepare(granted) == []
        feed.flush(TRIPS, 0, [T0])
        feed.finish()
        monitor(granted)
        assert feed.connection.execute("SELECT status FROM driftline.window_result").fetchall() == [("final",)]


def test_who_may_only_read_finds_the_tables_up_to_date(granted: str) -> None:
    with connect(login(granted, roles.READER)) as connection:
        assert migrate(connection) == []


def test_an_owner_of_the_schema_needs_no_right_on_the_database(
    stack: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = list(migrations())
    with fresh_database(stack.database_url) as url, superuser(url) as connection:
        connection.execute("DROP SCHEMA driftline CASCADE")
        monkeypatch.setattr("storage.migrations.migrations", lambda: iter(every[:2]))
        migrate(connection)
        connection.execute("CREATE ROLE owner_only")
        connection.execute("ALTER SCHEMA driftline OWNER TO owner_only")
        for (name,) in connection.execute(
            "SELECT c.oid::regclass FROM pg_class c"
            " WHERE relnamespace = 'driftline'::regnamespace AND relkind IN ('r', 'v')"
        ).fetchall():
            connection.execute(f"ALTER TABLE {name} OWNER TO owner_only".encode())
        connection.execute("SET ROLE owner_only")
        assert migrate(connection) == []
        monkeypatch.setattr("storage.migrations.migrations", lambda: iter(every))
        assert migrate(connection) == [number for number, _, _ in every[2:]]
        connection.rollback()


def test_who_keeps_tables_locked_that_are_to_be_changed_is_named(
    stack: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = list(migrations())
    with fresh_database(stack.database_url) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA driftline CASCADE")
            monkeypatch.setattr("storage.migrations.migrations", lambda: iter(every[:1]))
            migrate(connection)
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET lock_timeout = '100ms'".encode())
        monkeypatch.setattr("storage.migrations.migrations", lambda: iter(every))
        with psycopg.connect(url, application_name="a dashboard") as reader:
            reader.execute("SELECT FROM driftline.window_result")
            with pytest.raises(DatabaseUnreachable, match=r"are locked: stop a dashboard \(pid \d+\)"):
                prepare(url)
        assert prepare(url) == [number for number, _, _ in every[1:]]


def test_a_command_that_postgres_refuses_ends_without_a_traceback(granted: str) -> None:
    with psycopg.connect(granted, autocommit=True) as admin:
        admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger0'")
    try:
        url = urlsplit(granted)
        stranger = url._replace(netloc=f"stranger:stranger0@{url.hostname}:{url.port}").geturl()
        for command in ("runs", "windows --run r", "migrate", "dummy"):
            done = subprocess.run(
                [sys.executable, str(ROOT / "driftline.py"), *command.split()],
                env=os.environ | {"DATABASE_URL": stranger},
                capture_output=True,
                encoding="utf-8",
                check=False,
                timeout=120,
            )
            assert done.returncode == 1, done.stderr
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert "stranger@" in done.stderr
    finally:
        with psycopg.connect(granted, autocommit=True) as admin:
            admin.execute("DROP ROLE stranger")


def test_databases_may_be_prepared_at_once_and_again(granted: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(prepare, [granted] * 8)) == [[]] * 8


def test_whoever_may_not_make_roles_is_told_so(granted: str) -> None:
    with pytest.raises(DatabaseUnreachable, match=r"may not make tables and roles.*set DATABASE_URL"):
        prepare(login(granted, roles.READER))


def test_an_owner_that_may_make_roles_is_no_superuser_and_gives_the_writer_what_it_made(stack: Addresses) -> None:
    """The writer's name is the server's: made, and one that is there renamed, in a transaction that is undone."""
    name = f"owner_{uuid.uuid4().hex[:8]}"
    with fresh_database(stack.database_url) as url, superuser(url) as connection:
        if connection.execute("SELECT to_regrole('driftline')").fetchone() != (None,):
            connection.execute("ALTER ROLE driftline RENAME TO driftline_meanwhile")
        connection.execute(f"CREATE ROLE {name} CREATEROLE")
        connection.execute(f"GRANT {roles.READER}, {roles.BOARD} TO {name} WITH ADMIN TRUE")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO {name}")
        connection.execute("DROP SCHEMA driftline CASCADE")
        connection.execute(f"SET ROLE {name}")
        for _ in range(2):
            migrate(connection)
            roles.grant(connection, {roles.WRITER: "writer0"})
        owners = (
            "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'driftline'::regnamespace"
        )
        assert connection.execute(owners).fetchall() == [(roles.WRITER,)]
        connection.execute("SELECT count(*) FROM driftline.run")
        connection.rollback()
