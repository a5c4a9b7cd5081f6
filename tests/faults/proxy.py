"""A wire to Postgres that can be cut while a COMMIT is under way."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit


class CommitCutter:
    """Forwards everything; at the n-th COMMIT it closes the client's side, and leaves Postgres in the dark.

    delivered: whether that COMMIT still reaches Postgres: the client cannot tell one from the other.
    url: of the same database, by way of this wire.
    """

    def __init__(self, database: str, *, at: int, delivered: bool) -> None:
        parts = urlsplit(database)
        self._server = (parts.hostname or "", parts.port or 5432)
        self._at, self._delivered = at, delivered
        self._lock = threading.Lock()
        self._commits = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        port = self._listener.getsockname()[1]
        self.url = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
        self._start(self._accept)

    @property
    def was_cut(self) -> bool:
        return self._commits >= self._at

    def close(self) -> None:
        """End all connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for each in self._sockets:
            each.close()

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self._start(self._forward, client, server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with suppress(OSError):
            while True:
                for source in select.select([client, server], [], [])[0]:
                    if not (data := source.recv(65_536)):
                        other[source].shutdown(socket.SHUT_RDWR)
                        return
                    if source is client and b"COMMIT" in data and self._is_the_one():
                        self._cut(client, server, data)
                        return
                    other[source].sendall(data)

    def _cut(self, client: socket.socket, server: socket.socket, commit: bytes) -> None:
        if self._delivered:
            server.sendall(commit)
            server.recv(1)  # Postgres answers: it is committed
        client.shutdown(socket.SHUT_RDWR)

    def _is_the_one(self) -> bool:
        with self._lock:
            self._commits += 1
            return self._commits == self._at
