"""Who may ask, how, and what every answer says to the browser."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from board import files
from board.app import HANDLERS
from board.metrics import Metrics
from board.middleware import RequestGuard
from board.stage import listening_socket
from tests.board.conftest import Served

pytestmark = pytest.mark.integration

PATHS = sorted({path for handler in HANDLERS for path in handler.paths})
ASKED = [path.split("{")[0] + ("board.css" if "{" in path else "") for path in PATHS if path != "/api/events"]


@pytest.fixture(scope="module")
def board(calm: tuple[Served, str]) -> Served:
    return calm[0]


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and files of the test's own."""
    monkeypatch.setattr(files, "PAGES", tmp_path / "pages")
    monkeypatch.setattr(files, "STATIC", tmp_path / "static")
    (tmp_path / "pages").mkdir()
    (tmp_path / "static" / "deep").mkdir(parents=True)
    for page in ("index", "window", "report", "dead-letters"):
        (tmp_path / "pages" / f"{page}.html").write_text(f"<title>{page}</title>\n")
    (tmp_path / "pages" / "frame.html").write_text("<!doctype html>\n<!-- head -->\n")
    (tmp_path / "static" / "board.css").write_text("body {}")
    (tmp_path / "static" / "deep" / "board.js").write_text("export {}")
    (tmp_path / "static" / "secret.pem").write_text("secret")
    (tmp_path / "secret.css").write_text("secret")
    (tmp_path / "static" / "link.css").symlink_to(tmp_path / "secret.css")


@pytest.mark.parametrize("path", [*ASKED, "/nowhere", "/static/nothing.css", "/api/board?size=x", "/at?t=x"])
def test_every_answer_is_strict(board: Served, pages: None, path: str) -> None:
    headers = board.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith(("default-src 'none'", "sandbox"))
    assert "script-src 'self';" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "cache-control" in headers
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers
    assert "set-cookie" not in headers


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_questions_are_answered(board: Served, path: str, method: str) -> None:
    found = board.client.request(method, path)
    assert found.status_code == 405
    assert found.headers["allow"] == "GET, HEAD"


def test_a_head_has_no_body(board: Served, pages: None) -> None:
    for path in ("/", "/api/runs", "/static/board.css"):
        found = board.client.head(path)
        assert (found.status_code, found.content) == (200, b"")
    assert board.client.head("/api/events").status_code == 405


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.", "", "[::1].evil", "10.0.0.1"],
)
def test_another_name_is_refused(board: Served, host: str) -> None:
    found = board.client.get("/api/runs", headers={"host": host})
    assert found.status_code in (400, 421)
    assert "runs" not in found.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000"])
def test_its_own_names_are_answered(board: Served, host: str) -> None:
    assert board.client.get("/api/runs", headers={"host": host}).status_code == 200


def test_a_name_that_was_allowed_is_answered(prepared: str, serve: Callable[..., Served]) -> None:
    board = serve(prepared, allow_hosts=("Board.example",))
    assert board.client.get("/api/runs", headers={"host": "board.example:8000"}).status_code == 200


def test_another_sites_page_gets_nothing(board: Served, pages: None) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert board.client.get("/api/report", headers=elsewhere).status_code == 403
    assert board.client.get("/", headers=elsewhere).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../queries.sql",
        "/static/%2e%2e/queries.sql",
        "/static/..%2fqueries.sql",
        "/static/%2e%2e%2f%2e%2e%2fsecret.css",
        "/static//etc/passwd",
        "/static/secret.pem",
        "/static/link.css",
        "/static/.hidden.css",
        "/static/deep",
        "/static/board.css%00.js",
        "/static/" + "a/" * 20 + "b.css",
        "/reports/../../../queries.sql",
        "/reports/%2e%2e%2fqueries.sql",
        "/reports/..%2f..%2fsecret.css",
        "/reports/" + "0" * 32 + ".html",
    ],
)
def test_nothing_but_what_is_meant_is_served(board: Served, pages: None, path: str) -> None:
    url = httpx.URL(board.url).copy_with(raw_path=path.encode())
    found = board.client.send(httpx.Request("GET", url))
    assert found.status_code == 404, found.text
    assert "secret" not in found.text
    assert "SELECT" not in found.text


@pytest.mark.parametrize("path", ["/schema", "/docs", "/openapi.json", "/schema/openapi.json", "/redoc"])
def test_it_does_not_describe_itself(board: Served, path: str) -> None:
    assert board.get(path).status_code == 404


def test_files_are_sent_once(board: Served, pages: None) -> None:
    first = board.get("/static/deep/board.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["cache-control"] == "no-cache"
    again = board.client.get("/static/deep/board.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Head and body are sent one after the other: with Nagle's algorithm the body comes 40 ms later."""
    with listening_socket("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_plotly_comes_from_its_package(board: Served) -> None:
    found = board.get("/static/plotly.min.js")
    assert found.status_code == 200
    assert "plotly.js v" in found.text[:300]


def test_a_mistake_in_the_program_shows_nothing_of_it(board: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("inner secret")

    monkeypatch.setattr(board.board.board_reader, "board", fail)
    found = board.get("/api/board")
    assert found.status_code == 500
    assert set(found.json()) == {"error", "do"}
    assert "secret" not in found.text


def test_it_cannot_write_even_if_it_wanted(board: Served) -> None:
    with board.board.database.blocking() as connection:
        assert connection.execute("SELECT current_user::text").fetchone() == ("driftline_board",)
        for statement in ("DELETE FROM driftline.run", "CREATE TEMP TABLE t (x int)", "SELECT * FROM pg_authid"):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement)
            assert refused.value.sqlstate in ("25006", "42501")
            connection.rollback()


def test_metrics_name_the_routes_and_nothing_else(board: Served) -> None:
    board.get("/api/runs")
    board.get("/nowhere/at/all")
    text = board.get("/metrics").text
    assert 'driftline_board_request_seconds_count{route="/api/runs",status="200"} ' in text
    assert 'route="other",status="404"' in text
    assert "nowhere" not in text
    assert "driftline_board_listening 1.0" in text


def test_a_path_that_is_none_is_refused_and_counted_as_others_are() -> None:
    guard = RequestGuard(None, frozenset(), frozenset(), Metrics())
    assert [guard._route(path) for path in ("*", "", "/", "/static/x.css", "/nowhere")] == [
        "other", "other", "other", "/static/*", "other",
    ]  # fmt: skip


def test_few_packed_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("x" * 1_000)
    for version in range(20):
        assert gzip.decompress(files.packed(tmp_path / "report.html", f"{version}")) == b"x" * 1_000
    assert files.packed.cache_info().currsize <= 8
