"""The board as whoever it may log in as."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from storage import roles
from tests.board.conftest import Served

pytestmark = pytest.mark.integration


@contextmanager
def login(database: str, *grants: str) -> Iterator[str]:
    """URL of a login of its own; gone afterwards. grants: what follows GRANT, with {} for its name."""
    name, url = f"login_{uuid.uuid4().hex[:8]}", urlsplit(database)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'login0'")
        for grant in grants:
            admin.execute(f"GRANT {grant.format(name)}".encode())
    yield url._replace(netloc=f"{name}:login0@{url.hostname}:{url.port}").geturl()
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'")
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")


@pytest.fixture
def maker(prepared: str) -> Iterator[str]:
    """URL of a login that may give the board's role away, as whoever made it with CREATEROLE, and may not be it."""
    reads = "USAGE ON SCHEMA driftline TO {}", "SELECT ON ALL TABLES IN SCHEMA driftline TO {}"
    with login(prepared, f"{roles.BOARD} TO {{}} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", *reads) as url:
        yield url


@pytest.fixture
def stranger(prepared: str) -> Iterator[str]:
    """URL of a login to which the schema is closed."""
    with login(prepared, f"CONNECT ON DATABASE {urlsplit(prepared).path[1:]} TO {{}}") as url:
        yield url


def test_who_may_read_nothing_is_told_so(stranger: str, serve: Callable[..., Served]) -> None:
    refused = serve(stranger).get("/api/runs")
    assert refused.status_code == 503
    assert "may not read the tables" in refused.json()["error"]
    assert "driftline migrate" in refused.json()["do"]


def test_who_made_the_role_and_may_not_be_it_reads_as_itself(maker: str, serve: Callable[..., Served]) -> None:
    board = serve(maker)
    assert board.json("/api/runs")["runs"] == []
    assert board.json("/healthz") == {"ok": True}
