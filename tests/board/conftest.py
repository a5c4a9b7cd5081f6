"""A board that serves, on a database of the test's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from board.app import Board
from board.settings import Settings
from board.stage import Server, listening_socket
from runtime.connections import Addresses
from schemas.streams.taxi import TAXI
from storage.prepare import prepare
from tests.databases import fresh_database
from tests.fleet import PATIENCE_S, eventually


@dataclass
class Served:
    """url: of the board; client: asks it; board: what its routes share; server: to be told to stop."""

    url: str
    client: httpx.Client
    board: Board
    server: Server
    thread: threading.Thread

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.client.get(path, params=params)

    def json(self, path: str, **params: Any) -> Any:
        found = self.get(path, **params)
        assert found.status_code == 200, found.text
        return found.json()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    board, started = Board(settings), threading.Event()
    with listening_socket(settings.host, 0) as listener:
        server = Server(board, started.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        assert started.wait(PATIENCE_S)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False) as client:
            served = Served(url, client, board, server, thread)
            try:
                eventually(lambda: board.hub.listening, lambda: "the board does not listen")
                yield served
            finally:
                served.stop()


@pytest.fixture(scope="module")
def calm(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A board and its database, for all tests of a module that only ask."""
    with fresh_database(stack.database_url) as database:
        prepare(database)
        with serving(
            Settings(stream=TAXI, database_url=database, reports=tmp_path_factory.mktemp("reports"))
        ) as board:
            yield board, database


@pytest.fixture
def prepared(database: str) -> str:
    """URL of a fresh database with all tables and roles."""
    prepare(database)
    return database


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts boards, and ends them with the test."""
    with ExitStack() as stack:

        def start(database: str, **changes: Any) -> Served:
            settings = Settings(stream=TAXI, database_url=database, **{"reports": tmp_path / "reports", **changes})
            return stack.enter_context(serving(settings))

        yield start


@pytest.fixture
def board(prepared: str, serve: Callable[..., Served]) -> Served:
    return serve(prepared)
