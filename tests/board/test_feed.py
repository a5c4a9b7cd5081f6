"""What waits for a page is bounded, whatever the page does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from board.database import Database
from board.live import BACKLOG, Feed, event
from board.metrics import Metrics
from board.picture import Picture
from tests.board.conftest import Served
from tests.board.test_live import followed, until
from tests.monitor.feed import T0
from tests.monitor.feed import Feed as Run


def feed() -> Feed:
    return Feed(Database("postgresql://nobody@localhost/nothing"), Picture(), Metrics(), "r", 3_600)


def test_a_page_is_told_what_it_has_not_heard_in_order() -> None:
    told = feed()
    for number in range(5):
        told.tell(event("n", number))
    assert told.since(5) == []
    assert told.since(3) == [event("n", 3), event("n", 4)]
    assert told.since(0) == [event("n", number) for number in range(5)]


def test_a_page_that_is_too_far_behind_is_given_up() -> None:
    told = feed()
    for number in range(BACKLOG + 3):
        told.tell(event("n", number))
    assert told.since(2) is None
    found = told.since(3)
    assert found is not None
    assert len(found) == BACKLOG


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
