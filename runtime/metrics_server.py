"""GET /metrics and GET /healthz, answered by a thread of their own while the stage works."""

from __future__ import annotations

import errno
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from typing import Any

import structlog
from prometheus_client.exposition import choose_encoder

from runtime.metrics import Instruments
from schemas.errors import PortUnusable

log = structlog.get_logger()


@contextmanager
def serving(instruments: Instruments, host: str, port: int | None) -> Iterator[str | None]:
    """Serve /metrics and /healthz for as long as the block lasts.

    Args:
        instruments: The metrics and health of the stage.
        host: The address to listen at; '' is all of them.
        port: 0 is any free one, None serves nothing.

    Yields:
        The server's URL.

    Raises:
        PortUnusable: It cannot listen there.
    """
    if port is None:
        yield None
        return
    with _bind(host, port, instruments) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="telemetry", daemon=True)
        thread.start()
        log.info("metrics_at", url=server.url)
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def _bind(host: str, port: int, instruments: Instruments) -> _Server:
    where = f"{host}:{port}"
    try:
        family, *_, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return _Server(family, address, partial(_Handler, instruments))
    except socket.gaierror as error:
        raise PortUnusable(f"{host} names no address of this machine ({error.strerror})", _OTHER_HOST) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortUnusable(f"something listens at {where} already", "choose another --metrics-port") from None
        do = _OTHER_HOST if error.errno == errno.EADDRNOTAVAIL else "choose another --metrics-port"
        raise PortUnusable(f"cannot listen at {where} ({error.strerror})", do) from None


_OTHER_HOST = "choose another --metrics-host"


ANSWERED_S = 10.0
"""Limit of a connection, from its opening to the end of its answer."""
MOST = 64
"""Limit of connections at once, each of which is a thread; the oldest is closed for a new one."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, family: int, address: Any, handler: Callable[..., _Handler]) -> None:
        self.address_family = family
        self._opened: dict[socket.socket, float] = {}
        """Connections and since when, by the monotonic clock; the oldest first."""
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._opened[request] = time.monotonic()
        self._close_old()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._opened.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self._close_old()

    def _close_old(self) -> None:
        """Shut down connections that are too old or too many: their threads then read the end of the stream."""
        with self._lock:
            late = time.monotonic() - ANSWERED_S
            for request, since in [*self._opened.items()]:
                if since < late or len(self._opened) > MOST:
                    self._opened.pop(request)
                    with suppress(OSError):
                        request.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        """Bind without the reverse name lookup that HTTPServer does, and may wait for."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, *_: Any) -> None:
        """Ignore clients that hang up in the middle of an answer."""

    @property
    def url(self) -> str:
        name = f"[{self.server_name}]" if self.address_family == socket.AF_INET6 else self.server_name
        return f"http://{name}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "driftline", ""
    timeout = 5.0
    """Seconds that a client may take for its request."""

    def __init__(self, instruments: Instruments, *arguments: Any) -> None:
        self._instruments = instruments
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._metrics()
        elif path == "/healthz":
            self._health()
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"there are /metrics and /healthz\n")

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Refuse any other method: http.server finds handlers by name."""
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", b"GET it\n", more={"Allow": "GET"})

    def _metrics(self) -> None:
        encode, kind = choose_encoder(self.headers.get("Accept", ""))
        self._answer(HTTPStatus.OK, kind, encode(self._instruments.registry))

    def _health(self) -> None:
        report = self._instruments.health.report()
        status = HTTPStatus.OK if report.well else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, "application/json", dumps(asdict(report)).encode() + b"\n")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        given = {"Content-Type": kind, "Content-Length": str(len(body)), "X-Content-Type-Options": "nosniff"}
        for name, value in {**given, "Cache-Control": "no-store", **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: a scrape every few seconds is no event."""
