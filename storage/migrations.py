"""Numbered migrations of the tables, from `schemas/tables`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

import schemas
from storage.queries import load_queries

_TABLES = Path(schemas.__file__).parent / "tables"
_SQL = load_queries(Path(__file__).with_suffix(".sql"))
_TRIES = 10
_RACE = ("23505", "42P06", "42P07", "40P01")
"""SQLSTATE of an attempt to create a schema or table that another process is creating: it exists then."""


def migrations() -> Iterator[tuple[int, str, str]]:
    """List the migrations of this version.

    Yields:
        Number, name and SQL of each, ascending.

    Raises:
        ValueError: They are not numbered 1, 2, 3 …
    """
    for expected, path in enumerate(sorted(_TABLES.glob("*.sql")), 1):
        number, _, name = path.stem.partition("_")
        if int(number) != expected:
            raise ValueError(f"{path.name}: expected number {expected}")
        yield expected, name, path.read_text(encoding="utf-8")


def migrate(connection: psycopg.Connection[Any]) -> list[int]:
    """Bring the tables up to date, in one transaction. All stages may call it at once.

    Where nothing is missing, it takes no lock and needs no right but to read.

    Args:
        connection: It commits by itself (autocommit).

    Returns:
        The numbers of the migrations that were applied.

    Raises:
        psycopg.errors.LockNotAvailable: Somebody has kept tables locked for ten seconds.
        psycopg.Error: Whatever else Postgres refuses.
    """
    for left in reversed(range(_TRIES)):
        if not _missing(connection):
            break
        try:
            with connection.transaction():
                return _apply(connection)
        except psycopg.Error as error:
            if left == 0 or error.sqlstate not in _RACE:
                raise
    return []


def _missing(connection: psycopg.Connection[Any]) -> list[tuple[int, str, str]]:
    done = set()
    if connection.execute("SELECT to_regclass('driftline.migration')").fetchone() != (None,):
        done = {row[0] for row in connection.execute("SELECT number FROM driftline.migration").fetchall()}
    return [migration for migration in migrations() if migration[0] not in done]


def _apply(connection: psycopg.Connection[Any]) -> list[int]:
    """Apply what is missing, while no other process does. Readers cannot take that lock."""
    if connection.execute("SHOW lock_timeout").fetchone() == ("0",):
        connection.execute("SET LOCAL lock_timeout = '10s'")
    if connection.execute("SELECT to_regclass('driftline.migration')").fetchone() == (None,):
        if connection.execute("SELECT to_regnamespace('driftline')").fetchone() == (None,):
            connection.execute("CREATE SCHEMA driftline")
        connection.execute(
            "CREATE TABLE driftline.migration"
            " (number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
    connection.execute("LOCK TABLE driftline.migration IN SHARE ROW EXCLUSIVE MODE")
    applied = []
    for number, name, text in _missing(connection):
        connection.execute(text)
        connection.execute("INSERT INTO driftline.migration (number, name) VALUES (%s, %s)", (number, name))
        applied.append(number)
    _hand_over(connection)
    return applied


def _hand_over(connection: psycopg.Connection[Any]) -> None:
    """Give what is new to the owner of the other tables: it, too, must be able to bring them up to date next time.

    A login that may not become that owner keeps them; what the migrations grant suffices for reading and writing.
    """
    with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute(_SQL["hand_over"])
