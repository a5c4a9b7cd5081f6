"""pgbouncer in transaction mode: each transaction may be given another session, and leaves it to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from cli.backup import backup
from cli.restore import restore
from runtime.connections import Addresses
from schemas.errors import DatabaseUnreachable
from storage.connect import connect
from storage.migrations import migrate
from tests.board.conftest import Served
from tests.board.test_live import closed_hours, followed, until
from tests.fleet import Fleet
from tests.monitor.feed import Feed, monitor
from tests.servers import pgbouncer

pytestmark = pytest.mark.integration

SETTINGS = (
    *("role", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "search_path"),
    *("default_transaction_isolation", "default_transaction_read_only"),
)


@pytest.fixture(scope="module")
def pooler(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pgbouncer(stack.database_url, tmp_path_factory.mktemp("pgbouncer")) as url:
        yield url


@pytest.fixture
def pooled(pooler: str, database: str) -> str:
    """URL of the test's database, by way of the pooler."""
    return urlsplit(pooler)._replace(path=urlsplit(database).path).geturl()


def sessions(database: str) -> dict[Any, int]:
    """What is set in the server's sessions that others are given: in several at once, so that none is missed."""
    settings = ", ".join(f"current_setting($${name}$$)" for name in SETTINGS)
    ask = f"SELECT {settings}, (SELECT count(*) FROM pg_prepared_statements)"
    opened = [psycopg.connect(database, prepare_threshold=None) for _ in range(5)]
    found = [connection.execute(ask.encode()).fetchone() for connection in opened]
    for connection in opened:
        connection.close()
    return {row: found.count(row) for row in found}


def test_consumers_and_a_monitor_leave_the_same_rows(
    fleet: Fleet, pooled: str, same_rows: Callable[[], None]
) -> None:
    stages = [fleet.consumer(database_url=pooled), fleet.consumer(database_url=pooled)]
    fleet.finish(*stages, fleet.monitor(database_url=pooled))
    same_rows()
    assert len(sessions(pooled)) == 1


def test_what_the_board_may_and_may_not_do_stays_with_the_board(
    prepared: str, pooled: str, serve: Callable[..., Served]
) -> None:
    before = sessions(pooled)
    board = serve(pooled)
    for _ in range(5):
        board.json("/api/runs")
        board.json("/healthz")
    with board.board.database.blocking() as connection:
        assert connection.execute("SELECT current_user::text").fetchone() == ("driftline_board",)
    assert sessions(pooled) == before
    with connect(pooled) as connection:
        connection.execute("INSERT INTO driftline.event VALUES ('e', 'r', 'late', now(), NULL, 'x')")


def test_a_page_is_told_of_a_window_though_the_pooler_passes_nothing_on(
    prepared: str, pooled: str, serve: Callable[..., Served]
) -> None:
    board = serve(pooled)
    with Feed(prepared) as feed, followed(board, run="r", size="1h") as events:
        until(events, "status")
        closed_hours(feed, 1)
        monitor(pooled)
        assert until(events, "windows")["windows"]["rows"] == [60]


def test_a_limit_holds_for_a_transaction_and_not_for_the_session(pooled: str) -> None:
    limit = "SHOW idle_in_transaction_session_timeout"
    with connect(pooled, idle="7s") as connection:
        assert connection.pooled
        with connection.transaction():
            assert connection.execute(limit).fetchone() == ("7s",)
        assert connection.execute(limit).fetchone() == ("0",)
    with connect(pooled) as connection:
        assert migrate(connection) == []


def test_what_copies_a_session_is_told_to_go_to_the_server_itself(pooled: str, tmp_path: Path) -> None:
    for command in (lambda: backup(pooled, tmp_path / "x.dump"), lambda: restore(pooled, tmp_path / "x.dump")):
        with pytest.raises(DatabaseUnreachable, match="is a connection pooler: set DATABASE_URL"):
            command()


def test_a_password_that_the_pooler_refuses_is_hopeless(pooled: str) -> None:
    url = urlsplit(pooled)
    with pytest.raises(DatabaseUnreachable, match="Postgres refused"):
        connect(url._replace(netloc=f"{url.username}:falsch@{url.hostname}:{url.port}").geturl())


def test_a_session_of_its_own_is_told_from_a_pooled_one(database: str, pooled: str) -> None:
    with connect(database) as direct, connect(pooled) as through:
        assert (direct.pooled, through.pooled) == (False, True)


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_monitor_needs_two_connections_of_a_pool_and_in_session_mode_three(
    database: str, stack: Addresses, tmp_path: Path, mode: str
) -> None:
    with pgbouncer(stack.database_url, tmp_path, mode=mode, size=3 if mode == "session" else 2) as pooler:
        url = urlsplit(pooler)._replace(path=urlsplit(database).path).geturl()
        with Feed(database) as feed:
            closed_hours(feed)
            monitor(url)
            rows = feed.connection.execute("SELECT rows FROM driftline.window_result").fetchall()
            assert rows == [(60,)] * 3
