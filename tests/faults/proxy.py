"""Wires to a server that can be cut: all of them, at will, or one while a COMMIT is under way."""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: close with RST, as a host does that lost its state."""

_SO_ATTACH_FILTER = 26
_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A program of the kernel's packet filter: keep 0 bytes."""


class Wire:
    """Forwards every connection to its own port to one server, until it is cut.

    port: on 127.0.0.1. server: host and port; may be given later than here.
    """

    def __init__(self, server: tuple[str, int] | None = None) -> None:
        self.server = server
        self._refuses = False
        self._flows = threading.Event()
        self._flows.set()
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def url(self, database: str) -> str:
        """The same database, by way of this wire."""
        parts = urlsplit(database)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"))

    def reset(self) -> None:
        """End every connection with RST. New ones are served."""
        for each in list(self._sockets):
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """End every connection, and new ones at once, until `mend`."""
        self._refuses = True
        self.reset()

    def silence(self) -> None:
        """Pass nothing on and end nothing, as where packets are lost, until `mend`."""
        self._flows.clear()

    def vanish(self) -> None:
        """From now on it is as if the other host had lost its power: what clients send is not even acknowledged."""
        code = ctypes.create_string_buffer(_NOTHING)
        program = struct.pack("HL", 1, ctypes.addressof(code))
        for each in (self._listener, *self._sockets):
            if each.getsockname()[1] == self.port:
                each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def mend(self) -> None:
        """What was held back flows, new connections are served."""
        self._refuses = False
        self._flows.set()

    def close(self) -> None:
        """End all connections."""
        self.mend()
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """One connection, to its end. A server that is down is an end too."""
        with client, suppress(OSError):
            self._flows.wait()
            if self._refuses or self.server is None:
                return
            with socket.create_connection(self.server) as server:
                pair = {client, server}
                self._sockets |= pair
                try:
                    self._forward(client, server)
                finally:
                    self._sockets -= pair

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(65_536)
                self._flows.wait()
                if not data:
                    other[source].shutdown(socket.SHUT_RDWR)
                    return
                if source is client and not self._passes(client, server, data):
                    return
                other[source].sendall(data)

    def _passes(self, client: socket.socket, server: socket.socket, data: bytes) -> bool:
        """Whether what the client sent goes on to the server; else the connection ends."""
        return True


class CommitCutter(Wire):
    """At the n-th COMMIT to Postgres it closes the client's side, and leaves Postgres in the dark.

    delivered: whether that COMMIT still reaches Postgres: the client cannot tell one from the other.
    """

    def __init__(self, database: str, *, at: int, delivered: bool) -> None:
        parts = urlsplit(database)
        self._at, self._delivered = at, delivered
        self._lock = threading.Lock()
        self._commits = 0
        super().__init__((parts.hostname or "", parts.port or 5432))

    @property
    def was_cut(self) -> bool:
        return self._commits >= self._at

    def _passes(self, client: socket.socket, server: socket.socket, data: bytes) -> bool:
        if b"COMMIT" not in data or not self._is_the_one():
            return True
        if self._delivered:
            server.sendall(data)
            server.recv(1)  # Postgres answers: it is committed
        client.shutdown(socket.SHUT_RDWR)
        self._closing.wait()
        return False

    def _is_the_one(self) -> bool:
        with self._lock:
            self._commits += 1
            return self._commits == self._at
