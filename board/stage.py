"""`driftline board`: serve until told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import uvicorn

from board.app import Board, application
from board.connections import HttpConnection, WaitingConnections
from board.settings import Settings
from runtime.invocation import exit_with_command
from schemas.errors import DriftlineError
from storage.connect import connect
from storage.errors import Error

END_S = 5
"""For answers that are under way when it ends."""


class Server(uvicorn.Server):
    """Ends the pages that follow before it shuts down, since it would wait for them otherwise."""

    def __init__(self, board: Board, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application(board),
                http=partial(HttpConnection, WaitingConnections()),  # type: ignore[arg-type]
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=END_S,
                limit_concurrency=512,
            )
        )
        self._board, self._started = board, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._board.hub.close()
        await super().shutdown(sockets)


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: Of the board.
        say: Is called with the address once the board answers.

    Raises:
        DriftlineError: The port is taken.
        DatabaseUnreachable: Postgres refuses.
        UsageError: The database's address is no libpq URL.
    """
    with suppress(Error):  # while it is down, the pages say so
        connect(settings.database_url).close()
    for noisy in ("psycopg.pool", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    board = Board(settings)
    with listening_socket(settings.host, settings.port) as listener:
        server = Server(board, lambda: say(address(settings.host, listener.getsockname()[1])))
        asyncio.run(server.serve([listener]))


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises DriftlineError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=128)
    except OSError as error:
        raise DriftlineError(
            f"the board cannot listen at {host}:{port} ({error.strerror})",
            "choose a --host of this machine, such as 127.0.0.1"
            if error.errno in (errno.EADDRNOTAVAIL, socket.EAI_NONAME)
            else "choose another by --port, such as --port 0 for any that is free",
        ) from None
    # Inherited by every connection. Without it the body of an answer waits for the head to be acknowledged: 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address(host: str, port: int) -> str:
    """Return the address for a browser."""
    host = host.strip("[]")
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"


if __name__ == "__main__":
    exit_with_command("board")
