"""Middleware before every route: which requests are allowed, and the security headers of each answer.

No CORS, no cookies, nothing that writes. A page elsewhere that has its own name resolve to this machine (DNS
rebinding) is refused by the Host that the browser sends.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
import structlog

from board.metrics import Metrics

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

CSP = (
    "default-src 'none'; script-src 'self';"
    " style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    " 'sha256-gG0b4ixT/IQUp7JJLbyKcpYcYDjq2Wp8NGv3f+aasqo=';"
    " img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""The styles by hash are plotly.js' own: an empty one, which it fills by script, and the one of its maps."""

HEADERS = {
    b"content-security-policy": CSP.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    b"cache-control": b"no-store",
}
"""Of every answer that does not set them itself."""


EVENTS = "/api/events"
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::[0-9]{1,5})?")


class RequestGuard:
    """An ASGI application around another. names: hosts it answers to. routes: paths that metrics name."""

    def __init__(self, app: Any, names: frozenset[str], routes: frozenset[str], metrics: Metrics) -> None:
        self._app, self._names, self._routes, self._metrics = app, names, routes, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, answered, head = time.monotonic(), 0, scope["method"] == "HEAD"

        async def guarded(message: MutableMapping[str, Any]) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
                own = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((k, v) for k, v in HEADERS.items() if k not in own)]
            if head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is None:
                await self._app({**scope, "method": "GET"}, receive, guarded)
            else:
                await refuse(guarded, *refusal)
        finally:
            took = time.monotonic() - began
            self._metrics.requests.labels(self._route(scope["path"]), str(answered)).observe(took)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = dict(scope["headers"])
        if not self._addressed(headers.get(b"host", b"")):
            return (
                421,
                "this board does not go by that name",
                "open it at its own address, or start it with --allow-host",
            )
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "the board is read-only", "use GET"
        if scope["method"] == "HEAD" and scope["path"] == EVENTS:
            return 405, "events have no head", "use GET"
        if headers.get(b"sec-fetch-site") == b"cross-site" and scope["path"].startswith("/api/"):
            return 403, "a page of another site sent this request", "open the board itself"
        return None

    def _addressed(self, host: bytes) -> bool:
        found = _HOST.fullmatch(host.decode("latin-1").lower())
        return found is not None and (found[1] or found[2]) in self._names

    def _route(self, path: str) -> str:
        if path in self._routes:
            return path
        first = path.removeprefix("/").partition("/")[0]
        return f"/{first}/*" if first in ("static", "reports") else "other"


async def refuse(send: Send, status: int, error: str, do: str) -> None:
    """Send an error as JSON in one piece."""
    headers = [(b"content-type", b"application/json")]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    body = orjson.dumps({"error": error, "do": do})
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
