"""A server that refuses in another language than English. Real, and of an older version than the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from board.settings import Settings
from consumer.retry import connect as consumer_connect
from local.stack.postgres import Postgres
from schemas.errors import DatabaseUnreachable
from schemas.streams.taxi import TAXI
from storage.connect import connect, connect_now
from storage.prepare import prepare
from storage.refusal import failure_reason, refuses
from tests.board.conftest import serving
from tests.databases import fresh_database
from tests.monitor.feed import T0, TRIPS, Feed, monitor
from tests.servers import PASSWORD, german_postgres

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with german_postgres(tmp_path_factory.mktemp("german")) as url:
        yield url


def other(url: str, *, user: str = "admin", password: str = PASSWORD, path: str = "/postgres") -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}", path=path).geturl()


@pytest.mark.parametrize(
    ("wrong", "state"),
    [({"password": "falsch"}, "28P01"), ({"user": "niemand"}, "28P01"), ({"path": "/nirgends"}, "3D000")],
)
def test_what_is_refused_in_german_is_hopeless(german: str, wrong: dict[str, str], state: str) -> None:
    for way in (connect, connect_now, consumer_connect):
        with pytest.raises(DatabaseUnreachable, match="Postgres refused") as caught:
            way(other(german, **wrong))
        assert f"(SQLSTATE {state})" in caught.value.do
        assert "fehlgeschlagen" in caught.value.do or "existiert nicht" in caught.value.do
        assert "falsch" not in str(caught.value)


def test_the_doctor_and_the_stack_tell_a_refusal_too(german: str) -> None:
    assert refuses(Postgres().trouble(other(german, password="falsch"), {}, 3))
    assert not Postgres().trouble(german, {}, 3)


def test_too_many_connections_pass(german: str) -> None:
    with psycopg.connect(german, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE narrow LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 0")
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(other(german, user="narrow"))
    reason = failure_reason(caught.value, other(german, user="narrow"))
    assert reason.endswith("(SQLSTATE 53300)")
    assert not refuses(reason)


def test_a_server_that_is_away_is_not_asked_again() -> None:
    away = "postgresql://postgres@127.0.0.1:1/postgres"
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(away)
    assert "SQLSTATE" not in failure_reason(caught.value, away)


def test_tables_roles_windows_and_board_on_a_postgres_of_debian_s(german: str, tmp_path: Path) -> None:
    with fresh_database(german) as url:
        prepare(url, {"DRIFTLINE_WRITER_PASSWORD": "writer0", "DRIFTLINE_BOARD_PASSWORD": "board0"})
        prepare(url)
        writer = other(url, user="driftline", password="writer0", path=urlsplit(url).path)
        with Feed(writer) as feed:
            feed.flush(TRIPS, 0, [T0])
            feed.finish()
            monitor(writer)
            assert [row[0] for row in feed.connection.execute("SELECT rows FROM driftline.window_result")] == [1]
        for login in (url, writer, other(url, user="driftline_board", password="board0", path=urlsplit(url).path)):
            with serving(Settings(stream=TAXI, database_url=login, reports=tmp_path / "reports")) as board:
                assert [run["run"] for run in board.json("/api/runs")["runs"]] == ["r"]
