"""Boards that need no stream: a year of windows of one hour, and nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from benchmarks.board import seed
from tests.browser.conftest import Visit
from tests.browser.replays import Board

pytestmark = [pytest.mark.integration, pytest.mark.browser]

HOURS = 8_760


def test_a_year_is_shown_whole(browser: Any, dummy: str, boards: Callable[[str], Board], visit: Visit) -> None:
    with psycopg.connect(dummy, autocommit=True) as connection:
        seed(connection, "year", windows=HOURS, metrics=["drift", "missing_share", "mean"])
    page = visit(f"{boards(dummy).url}/?run=year&size=1h", ready="#heat[data-drawn]")
    assert page.locator("#heat").get_attribute("data-windows") == str(HOURS)
    drawn = page.evaluate("""() => {
        const cells = document.querySelector('#cells');
        const { data } = cells.getContext('2d').getImageData(0, 30, cells.width, 1);
        return data.filter((value, i) => i % 4 === 3 && value > 0).length / cells.width }""")
    assert drawn > 0.95


def test_without_a_run_the_page_says_what_to_do(
    dummy: str, boards: Callable[[str], Board], visit: Visit, complaints: list[str]
) -> None:
    page = visit(boards(dummy).url, ready="#empty .do")
    assert "driftline demo" in page.locator("#empty .do").inner_text()
    complaints[:] = [said for said in complaints if "404" not in said]
