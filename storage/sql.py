"""SQL kept in `.sql` files: named queries for the stages, numbered migrations for the tables.

-- name: claim_partition
-- Takes the partition from whoever had it.
UPDATE …;
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_TABLES = Path(__file__).parents[1] / "schemas" / "tables"
_TRIES = 10
_RACE = ("23505", "42P06", "42P07", "40P01")
"""SQLSTATE of whoever makes schema or tables while somebody else does: they are there then."""


class Connection(Protocol):
    """The part of psycopg's Connection that migrations need."""

    def execute(self, query: Any, params: Any = ..., /) -> Any: ...
    def transaction(self) -> Any: ...


def queries(path: Path) -> dict[str, str]:
    """The named queries of a file. Raises ValueError for a name that comes twice or a file without any."""
    parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, bodies = parts[1::2], parts[2::2]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{path}: no `-- name:` line, or one twice")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}


def migrations() -> Iterator[tuple[int, str, str]]:
    """(number, name, SQL) of each migration, ascending. Raises ValueError unless numbered 1, 2, 3…"""
    for expected, path in enumerate(sorted(_TABLES.glob("*.sql")), 1):
        number, _, name = path.stem.partition("_")
        if int(number) != expected:
            raise ValueError(f"{path.name}: expected number {expected}")
        yield expected, name, path.read_text(encoding="utf-8")


def migrate(connection: Connection) -> list[int]:
    """Bring the tables up to date in one transaction; returns the numbers applied. Safe from all stages at once.

    Where nothing is to be done it takes no lock, and needs no right but to read. Raises psycopg's errors:
    lock_not_available where somebody keeps tables locked for ten seconds.
    """
    for left in reversed(range(_TRIES)):
        if not _missing(connection):
            break
        try:
            with connection.transaction():
                return _apply(connection)
        except Exception as error:
            if left == 0 or getattr(error, "sqlstate", None) not in _RACE:
                raise
    return []


def _missing(connection: Connection) -> list[tuple[int, str, str]]:
    done = set()
    if connection.execute("SELECT to_regclass('driftline.migration')").fetchone() != (None,):
        done = {row[0] for row in connection.execute("SELECT number FROM driftline.migration").fetchall()}
    return [migration for migration in migrations() if migration[0] not in done]


def _apply(connection: Connection) -> list[int]:
    """What is missing, once nobody else is at it. Readers cannot take that lock."""
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
    return applied
