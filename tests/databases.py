"""Databases of one test."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from storage.connect import connect
from storage.migrations import migrate


def limit_sleep(database: str, seconds: int = 1) -> None:
    """End those who stay idle in a transaction for so long, instead of what the stages set for themselves."""
    with psycopg.connect(database, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '{seconds}s'")


def no_fsync(server: str) -> None:
    """Only where nobody's data are. Who is killed loses nothing by it: what was written, the kernel has."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")


EARLIER = Path(__file__).parent / "storage" / "data" / "version_4.sql.gz"
"""A database as migrations 1 to 4 and the stages of that time left it; its first lines say how it was made.

Runs `february` (finished, with every kind of dead letter, gaps, an injected drift), `halfway` (without an end),
`foreign` (begun by another model), `live` and `dummy`; windows of 6h and 1d.
"""


@contextmanager
def earlier_database(server: str) -> Iterator[str]:
    """URL of a new database of the version before, not migrated yet; dropped afterwards."""
    with fresh_database(server, migrated=False) as url:
        with psycopg.connect(url) as connection:
            connection.execute(gzip.decompress(EARLIER.read_bytes()))
        yield url


@contextmanager
def fresh_database(server: str, template: str = "", options: str = "", *, migrated: bool = True) -> Iterator[str]:
    """URL of a new database with all tables; dropped afterwards, whoever is still connected.

    template: URL of another one, which is copied: a quarter of the time. options: of CREATE DATABASE.
    migrated: whether it gets the tables.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    like = f" TEMPLATE {urlsplit(template).path[1:]} STRATEGY FILE_COPY" if template else ""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}{like} {options}")
    try:
        if migrated and not template:
            with connect(url) as connection:
                migrate(connection)
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
