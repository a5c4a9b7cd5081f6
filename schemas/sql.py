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
_TABLES = Path(__file__).parent / "tables"
_LOCK = 0x64726966746C696E  # "driftlin": one migration at a time, whoever starts first


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
    """Bring the tables up to date in one transaction; returns the numbers applied. Safe from all stages at once."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE SCHEMA IF NOT EXISTS driftline")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS driftline.migration"
            " (number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {row[0] for row in connection.execute("SELECT number FROM driftline.migration").fetchall()}
        applied = []
        for number, name, text in migrations():
            if number not in done:
                connection.execute(text)
                connection.execute("INSERT INTO driftline.migration (number, name) VALUES (%s, %s)", (number, name))
                applied.append(number)
        return applied
