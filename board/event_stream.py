"""Server-sent events of one page: `windows`, `status`, `run`, `sizes`, `away`, and pings in between."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from board.feeds import PING_S, Feed, Hub
from board.metrics import Metrics
from board.middleware import Receive, Send

BEGIN: dict[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")],
}
SEND_S = 20.0
"""A page that reads nothing for this long is disconnected."""
LAST_S = 1.0
"""For the end of the response, which a page that reads nothing does not read either."""


async def serve_events(hub: Hub, feed: Feed, metrics: Metrics, receive: Receive, send: Send) -> None:
    """Send the events of a feed to a page until it disconnects or falls behind, or the board shuts down."""
    await send(dict(BEGIN))
    ends = (_wait_for_disconnect(receive), _wait_for_shutdown(hub), _send_messages(feed, metrics, send))
    tasks = [asyncio.create_task(each) for each in ends]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Exception):
            async with asyncio.timeout(LAST_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_shutdown(hub: Hub) -> None:
    await hub.closing.wait()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_messages(feed: Feed, metrics: Metrics, send: Send) -> None:
    """Send messages in order, and only the newest status, until the page does not keep up."""
    sent, version = feed.published, feed.status_version
    with suppress(TimeoutError):
        await _send_body(send, b"retry: 1000\n\n" + await feed.recent_windows() + feed.status)
        while (messages := feed.messages_since(sent)) is not None:
            parts = messages if feed.status_version == version else [*messages, feed.status]
            sent, version = feed.published, feed.status_version
            if parts:
                await _send_body(send, b"".join(parts))
            else:
                await _wait_for_message(feed, send)
    metrics.dropped.inc()


async def _wait_for_message(feed: Feed, send: Send) -> None:
    try:
        async with asyncio.timeout(PING_S):
            await feed.wait_for_message()
    except TimeoutError:
        await _send_body(send, b"event: ping\ndata: {}\n\n")


async def _send_body(send: Send, body: bytes) -> None:
    async with asyncio.timeout(SEND_S):  # wait_for loses a cancellation that comes as it ends, before Python 3.12
        await send({"type": "http.response.body", "body": body, "more_body": True})
