"""Limits on slow clients, so that idle HTTP connections cannot use up all that the board may serve.

uvicorn closes only connections that are idle between two requests. One that never sends a request, sends it byte by
byte, or does not read the response would stay for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_S = 10.0
"""For a request to arrive, from the opening of the connection or the end of the previous response."""
HEAD_BYTES = 65_536
"""Of a request, with its headers and body."""
TAKE_S = 20.0
"""For a client that reads nothing of the response."""
MOST = 256
"""Connections that may wait for their clients; the one that has waited longest makes room."""

_Protocol: Any = AutoHTTPProtocol


class WaitingConnections:
    """Connections of one server that wait for their clients, the one that has waited longest first."""

    def __init__(self) -> None:
        self._known: dict[HttpConnection, None] = {}

    def add(self, connection: HttpConnection) -> None:
        self.remove(connection)
        self._known[connection] = None
        if len(self._known) > MOST:
            next(iter(self._known)).abort()

    def remove(self, connection: HttpConnection) -> None:
        self._known.pop(connection, None)


class HttpConnection(_Protocol):  # type: ignore[misc]
    """uvicorn's protocol, with a limit on how long it waits for the client."""

    def __init__(self, waiting: WaitingConnections, **server: Any) -> None:
        super().__init__(**server)
        self._waiting = waiting
        self._received = 0
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > HEAD_BYTES:
            self.abort()
            return
        super().data_received(data)
        if self._is_responding and not self.flow.write_paused:
            self._stop_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_responding and not self.flow.write_paused:
            self._wait_for_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_timer(TAKE_S, self._check_response_read, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._is_responding:
            self._stop_timer()
        else:
            self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def abort(self) -> None:
        self._stop_timer()
        self.transport.abort()

    @property
    def _is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_request(self) -> None:
        self._received = 0
        self._start_timer(HEAD_S, self.abort)

    def _check_response_read(self, before: int) -> None:
        """Abort unless the client has read something since. A client that reads slowly may continue."""
        left = self.transport.get_write_buffer_size()
        if left < before:
            self._start_timer(TAKE_S, self._check_response_read, left)
        else:
            self.abort()

    def _start_timer(self, seconds: float, then: Any, *arguments: Any) -> None:
        self._stop_timer()
        self._limit = self.loop.call_later(seconds, then, *arguments)
        self._waiting.add(self)

    def _stop_timer(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit = None
        self._waiting.remove(self)
