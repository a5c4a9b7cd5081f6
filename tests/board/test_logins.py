"""The board as whoever it may log in as."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from schemas import roles
from tests.board.conftest import Served

pytestmark = pytest.mark.integration


@pytest.fixture
def maker(prepared: str) -> Iterator[str]:
    """URL of a login that may give the board's role away, as whoever made it with CREATEROLE, and may not be it."""
    name, url = f"maker_{uuid.uuid4().hex[:8]}", urlsplit(prepared)
    with psycopg.connect(prepared, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'maker0'")
        admin.execute(f"GRANT {roles.BOARD} TO {name} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        admin.execute(f"GRANT USAGE ON SCHEMA driftline TO {name}")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA driftline TO {name}")
    yield url._replace(netloc=f"{name}:maker0@{url.hostname}:{url.port}").geturl()
    with psycopg.connect(prepared, autocommit=True) as admin:
        admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'")
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")


@pytest.fixture
def stranger(prepared: str) -> Iterator[str]:
    """URL of a login to which the schema is closed."""
    name, url = f"stranger_{uuid.uuid4().hex[:8]}", urlsplit(prepared)
    with psycopg.connect(prepared, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'strange0'")
        admin.execute(f"GRANT CONNECT ON DATABASE {url.path[1:]} TO {name}")
    yield url._replace(netloc=f"{name}:strange0@{url.hostname}:{url.port}").geturl()
    with psycopg.connect(prepared, autocommit=True) as admin:
        admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'")
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")


def test_who_may_read_nothing_is_told_so(stranger: str, serve: Callable[..., Served]) -> None:
    refused = serve(stranger).get("/api/runs")
    assert refused.status_code == 503
    assert "may not read the tables" in refused.json()["error"]
    assert "driftline migrate" in refused.json()["do"]


def test_who_made_the_role_and_may_not_be_it_reads_as_itself(maker: str, serve: Callable[..., Served]) -> None:
    board = serve(maker)
    assert board.json("/api/runs") == {"runs": []}
    assert board.json("/healthz") == {"ok": True}
