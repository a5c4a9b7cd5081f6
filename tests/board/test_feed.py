"""What waits for a page is bounded, whatever the page does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from board import app
from board.board_data import BoardReader
from board.database import Database
from board.event_stream import _send_body, _wait_for_message, serve_events
from board.feeds import BACKLOG, Feed, Hub, encode_event
from board.metrics import Metrics
from schemas.streams.taxi import TAXI
from tests.board.conftest import Served
from tests.board.test_live import followed, until
from tests.monitor.feed import T0
from tests.monitor.feed import Feed as Run


def feed() -> Feed:
    return Feed(Database("postgresql://nobody@localhost/nothing", TAXI), BoardReader(), Metrics(), "r", 3_600)


def test_a_page_is_told_what_it_has_not_heard_in_order() -> None:
    page_feed = feed()
    for number in range(5):
        page_feed.publish(encode_event("n", number))
    assert page_feed.messages_since(5) == []
    assert page_feed.messages_since(3) == [encode_event("n", 3), encode_event("n", 4)]
    assert page_feed.messages_since(0) == [encode_event("n", number) for number in range(5)]


def test_a_page_that_is_too_far_behind_is_given_up() -> None:
    page_feed = feed()
    for number in range(BACKLOG + 3):
        page_feed.publish(encode_event("n", number))
    assert page_feed.messages_since(2) is None
    found = page_feed.messages_since(3)
    assert found is not None
    assert len(found) == BACKLOG


def test_a_page_hears_at_once_what_is_said_while_it_begins_to_wait() -> None:
    async def waited() -> None:
        page_feed, sent = feed(), asyncio.Queue[Any]()
        waiting = asyncio.create_task(_wait_for_message(page_feed, sent.put))
        await asyncio.sleep(0)
        page_feed.publish(encode_event("n", 1))
        await asyncio.wait_for(waiting, 60)
        assert sent.empty()

    asyncio.run(waited())


@pytest.mark.parametrize("steps", range(1, 5))
def test_a_page_that_is_sent_home_goes_whatever_it_is_being_sent(steps: int) -> None:
    async def forever() -> None:
        async def send(_: Any) -> None:
            await asyncio.sleep(0)

        while True:
            await _send_body(send, b"")

    async def ended() -> None:
        sending = asyncio.create_task(forever())
        for _ in range(steps):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending], timeout=60)
        assert sending.cancelled()

    asyncio.run(ended())


def test_a_page_that_takes_nothing_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is free then: nothing waits for it, not even the end of the answer."""
    for patience in ("SEND_S", "LAST_S"):
        monkeypatch.setattr(f"board.event_stream.{patience}", 0.05)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def disconnect_a_silent_page() -> None:
        database, metrics = Database("postgresql://nobody@localhost/nothing", TAXI), Metrics()
        hub = Hub(database, BoardReader(), metrics, 1)
        nothing = Feed(database, BoardReader(), metrics, "", 0)
        await asyncio.wait_for(serve_events(hub, nothing, metrics, asyncio.Event().wait, send), 60)
        assert b"dropped_total 1.0" in metrics.text()

    asyncio.run(disconnect_a_silent_page())


@pytest.mark.integration
def test_a_page_is_told_of_a_run_that_began_before_it_followed(
    prepared: str, serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_yet(*_: Any) -> tuple[str, int]:
        return "", 0

    board = serve(prepared)
    monkeypatch.setattr(app, "followed_run", none_yet)
    with Run(prepared) as run:
        run.mark(T0)
        for _ in range(2):
            with followed(board) as events:
                assert until(events, "run") == {"run": "r"}


@pytest.mark.integration
def test_only_so_many_pages_are_followed(prepared: str, serve: Callable[..., Served]) -> None:
    board = serve(prepared, clients=2)
    with Run(prepared) as run, followed(board, run="r") as one, followed(board, run="r") as two:
        run.mark(T0)
        states: list[Any] = [until(one, "status"), until(two, "status")]
        assert states[0]["run"] == "r"
        refused = board.get("/api/events", run="r")
        assert refused.status_code == 503
        assert "2 pages" in refused.json()["error"]
        assert "driftline_board_clients 2.0" in board.get("/metrics").text
