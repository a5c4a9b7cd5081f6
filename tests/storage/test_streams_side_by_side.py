"""Tables and views with runs of several streams in one database, and with those of the version before."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from runtime.connections import Addresses
from schemas.streams.taxi import TAXI
from storage.connect import connect
from storage.migrations import migrate
from storage.streams import remember
from tests.databases import earlier_database

Connection = psycopg.Connection[Any]

pytestmark = pytest.mark.integration

DEFINITION = '{"name": "cards", "events": {"topic": "payments"}, "labels": null}'
SIDE_BY_SIDE = f"""
    INSERT INTO driftline.stream (name, hash, definition) VALUES ('cards', 'c0', '{DEFINITION}');
    INSERT INTO driftline.run (run_id, stream, stream_hash, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms)
    VALUES ('card-run', 'cards', 'c0', 1, 1, 1, 1), ('before', NULL, NULL, 1, 1, 1, 1);
    INSERT INTO driftline.partition_progress (topic, partition, next_offset, log_end)
    VALUES ('trips', 0, 0, 100), ('outcomes', 0, 0, 10), ('payments', 0, 0, 7);
    INSERT INTO driftline.dead_letter (topic, partition, kafka_offset, run_id, reason, event_time)
    VALUES ('payments', 0, 1, 'card-run', 'late', '2022-02-01 00:30'),
           ('trips', 0, 1, 'before', 'late', '2022-02-01 00:30'),
           ('trips', 0, 2, 'before', 'invalid', '2022-02-01 00:30'),
           ('outcomes', 0, 1, 'before', 'late', '2022-02-01 00:30'),
           ('payments', 0, 2, '', 'undecodable', NULL);"""
WINDOW = """
    INSERT INTO driftline.window_result
        (run_id, stream, size_s, window_start, window_end, status, rows, sampled, offsets, written_at)
    VALUES (%s, %s, 3600, '2022-02-01', '2022-02-01 01:00', 'final', 7, 7, '{}', now())"""


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as made:
        made.execute(SIDE_BY_SIDE)
        for window in (("card-run", "events"), ("before", "events"), ("before", "labels")):
            made.execute(WINDOW, window)
        yield made


def test_a_run_is_in_the_topics_of_its_own_stream(connection: Connection) -> None:
    found = connection.execute("SELECT run_id, role, topic FROM driftline.run_topic ORDER BY 1, 2").fetchall()
    assert found == [
        ("before", "events", "trips"),
        ("before", "labels", "outcomes"),
        ("card-run", "events", "payments"),
    ]
    awaited = connection.execute("SELECT run_id, role, topic FROM driftline.run_partition ORDER BY 1, 2").fetchall()
    assert awaited == found
    lags = connection.execute("SELECT run_id, driftline.run_lag(run_id) FROM driftline.run ORDER BY 1").fetchall()
    assert lags == [("before", 110), ("card-run", 7)]


def test_dead_letters_are_counted_for_the_window_of_their_run_and_role(
    connection: Connection,
) -> None:
    found = connection.execute("SELECT run_id, stream, late, dead FROM driftline.window_overview ORDER BY 1, 2")
    assert found.fetchall() == [
        ("before", "events", 1, 1),
        ("before", "labels", 1, 0),
        ("card-run", "events", 1, 0),
    ]
    dead_letters = connection.execute(
        "SELECT DISTINCT run_id, topic, stream FROM driftline.timed_letter ORDER BY 1, 2"
    )
    assert dead_letters.fetchall() == [
        ("", "payments", None),
        ("before", "outcomes", "labels"),
        ("before", "trips", "events"),
        ("card-run", "payments", "events"),
    ]


@pytest.mark.parametrize("name", ["trips", "outcomes", "Events", ""])
def test_what_a_monitor_of_the_version_before_would_write_is_refused(connection: Connection, name: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(WINDOW, ("before", name))
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO driftline.frontier VALUES ('before', %s, 3600, 0)", (name,))


def test_a_run_names_a_definition_that_is_there(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("UPDATE driftline.run SET stream = 'cards', stream_hash = 'c1'")
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE driftline.run SET stream = 'cards', stream_hash = NULL")


@contextmanager
def role_of(connection: Connection) -> Iterator[str]:
    """The name of a new role; dropped afterwards, with all that it owns."""
    name = f"role_{uuid.uuid4().hex[:8]}"
    connection.execute(f"CREATE ROLE {name}")
    try:
        yield name
    finally:
        connection.execute("RESET ROLE")
        connection.execute(f"DROP OWNED BY {name} CASCADE")
        connection.execute(f"DROP ROLE {name}")


def refused(connection: Connection, role: str, privilege: str, kinds: str) -> list[Any]:
    """Tables (r) or views (v) on which a role lacks a privilege."""
    return connection.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'driftline'::regnamespace"
        " AND c.relkind::text = ANY(%s) AND NOT has_table_privilege(%s, c.oid, %s)",
        (list(kinds), role, privilege),
    ).fetchall()


def test_who_could_read_or_write_the_tables_before_can_do_so_since(stack: Addresses) -> None:
    with (
        earlier_database(stack.database_url) as url,
        connect(url) as connection,
        role_of(connection) as reader,
        role_of(connection) as writer,
    ):
        for role, privileges in ((reader, "SELECT"), (writer, "SELECT, INSERT, UPDATE, DELETE")):
            connection.execute(f"GRANT USAGE ON SCHEMA driftline TO {role}")
            connection.execute(f"GRANT {privileges} ON ALL TABLES IN SCHEMA driftline TO {role}")
        migrate(connection)
        for role in (reader, writer):
            assert refused(connection, role, "SELECT", "rv") == []
        for privilege in ("INSERT", "UPDATE", "DELETE"):
            assert refused(connection, writer, privilege, "r") == []
            assert ("stream",) in refused(connection, reader, privilege, "r")


def test_the_owner_of_the_tables_can_use_them_though_another_login_migrated(stack: Addresses) -> None:
    with earlier_database(stack.database_url) as url, connect(url) as connection, role_of(connection) as owner:
        connection.execute(f"ALTER SCHEMA driftline OWNER TO {owner}")
        for kind, found in (
            ("TABLE", "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace"),
            ("FUNCTION", "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace"),
        ):
            for (name,) in connection.execute(f"{found} = 'driftline'::regnamespace").fetchall():
                connection.execute(f"ALTER {kind} {name} OWNER TO {owner}")
        migrate(connection)
        owners = (
            "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'driftline'::regnamespace"
        )
        assert connection.execute(owners).fetchall() == [(owner,)]
        connection.execute(f"SET ROLE {owner}")
        remember(connection, TAXI)
        for view in ("window_overview", "run_partition", "timed_letter", "run_watermark", "ml_metrics"):
            connection.execute(f"SELECT FROM driftline.{view} LIMIT 1")
        connection.execute("SELECT driftline.run_lag('february')")
        connection.execute("RESET ROLE")
