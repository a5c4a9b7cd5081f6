"""Clients that hold connections and want nothing: the board goes on answering the others."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from board import connections
from tests.board.conftest import Served
from tests.fleet import PATIENCE_S, eventually

pytestmark = pytest.mark.integration

MORE_THAN_SERVED = 520
HEAD = b"GET /api/runs HTTP/1.1\r\nhost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def board(calm: tuple[Served, str]) -> Served:
    return calm[0]


@pytest.fixture
def call(board: Served) -> Iterator[Callable[[bytes], socket.socket]]:
    """Opens a connection and says something; all are closed with the test."""
    port = int(board.url.rpartition(":")[2])
    with ExitStack() as stack:

        def opened(sent: bytes) -> socket.socket:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            client.sendall(sent)
            return client

        yield opened


def ended(client: socket.socket) -> bool:
    """Whether the other side has closed it; reads what there is."""
    client.settimeout(0.01)
    try:
        while client.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def until_ended(client: socket.socket, drip: bytes = b"") -> None:
    """Goes on speaking meanwhile."""

    def gone() -> bool:
        try:
            client.sendall(drip)
        except OSError:
            return True
        return ended(client)

    eventually(gone, lambda: "the connection stays open")


@pytest.mark.parametrize("sent", [b"", HEAD, b"GET / HT"], ids=["silent", "half a head", "half a line"])
def test_more_connections_than_are_served_keep_nobody_out(
    board: Served, call: Callable[[bytes], socket.socket], sent: bytes
) -> None:
    clients = [call(sent) for _ in range(MORE_THAN_SERVED)]
    for path in ("/healthz", "/", "/api/runs", "/metrics"):
        assert httpx.get(board.url + path, timeout=PATIENCE_S, trust_env=False).status_code == 200
    assert sum(ended(client) for client in clients) >= MORE_THAN_SERVED - connections.MOST


@pytest.mark.parametrize(
    ("sent", "drip"),
    [
        (b"", b""),
        (HEAD, b"x"),
        (HEAD + b"\r\n" + HEAD, b"x"),
        (HEAD + b"content-length: 1000000\r\n\r\n", b"x"),
    ],
    ids=["silent", "a head byte by byte", "a second head byte by byte", "a body byte by byte"],
)
def test_who_does_not_come_to_the_end_of_a_request_is_let_go(
    call: Callable[[bytes], socket.socket], monkeypatch: pytest.MonkeyPatch, sent: bytes, drip: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    until_ended(call(sent), drip)


def test_who_never_comes_to_the_end_of_a_head_is_let_go_before_it_fills_the_memory(
    call: Callable[[bytes], socket.socket],
) -> None:
    until_ended(call(HEAD), b"x-more: " + b"x" * 10_000 + b"\r\n")


def test_who_does_not_take_the_answer_is_let_go(
    board: Served, call: Callable[[bytes], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "TAKE_S", 0.5)
    client = call(b"GET /static/plotly.min.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 20)
    mine = client.getsockname()

    def known() -> bool:
        return any(each.client == mine for each in [*board.server.server_state.connections])

    eventually(known, lambda: "it never came to the board")
    eventually(lambda: not known(), lambda: "the connection stays open")


def test_who_takes_it_slowly_gets_all_of_it(
    board: Served, call: Callable[[bytes], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "TAKE_S", 0.5)
    whole = len(board.get("/static/plotly.min.js").content)
    client = call(b"GET /static/plotly.min.js HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
    taken = 0
    while part := client.recv(20_000):
        taken += len(part)
    assert taken > whole
