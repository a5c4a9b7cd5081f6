"""Receivers of messages on this machine, which can be down for a while."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HERE = "127.0.0.1"


class HttpReceiver:
    """Takes whatever is posted to it. Closed, it refuses connections; opened again, it has the same port."""

    def __init__(self) -> None:
        self.port = 0
        self.got: list[tuple[dict[str, str], Any]] = []
        """(headers, JSON) of each request."""
        self.status = 200
        self._server: ThreadingHTTPServer | None = None
        self.open()

    def open(self) -> None:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if ours.status == 200:
                    ours.got.append((dict(self.headers), body))
                self.send_response(ours.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                """As a page that a POST was redirected to: it says yes to anything."""
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((HERE, self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def ids(self) -> list[str]:
        """Ids of the messages, in the order in which they came."""
        return [headers["X-Driftline-Id"] for headers, _ in self.got]


@contextmanager
def receiving() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    try:
        yield receiver
    finally:
        receiver.close()
