"""Pages of runs of several streams in one database, one of them without labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.browser.replays import Board
from tests.side_by_side import add_all

pytestmark = [pytest.mark.integration, pytest.mark.browser]

OF_LABELS = "#mae-name, #coverage-now, #mae-head"


def test_a_page_shows_what_is_of_labels_only_where_the_stream_has_some(
    dummy: str, boards: Callable[[str], Board], visit: Callable[..., Any]
) -> None:
    with psycopg.connect(dummy) as connection:
        add_all(connection)
    board = boards(dummy)
    page = visit(f"{board.url}/?run=paid&size=1h", ready="#heat[data-drawn=true]")
    assert [found.is_visible() for found in page.locator(OF_LABELS).all()] == [False] * 3
    assert "MAE" not in page.locator("#content").inner_text()
    assert "payments" in page.locator("#source").inner_text()
    groups = page.locator("#run optgroup").evaluate_all("groups => groups.map(({label}) => label)")
    assert sorted(groups) == ["parts", "payments", "taxi"]
    page.goto(f"{board.url}/?run=made&size=1h")
    page.wait_for_selector("#heat[data-drawn=true]")
    assert [found.is_visible() for found in page.locator(OF_LABELS).all()] == [True] * 3
    assert page.locator("#mae-name").inner_text() == "Error (MAE, kN)"
