"""Boards that need no stream: a year of windows of one hour, and nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from benchmarks.board import YEAR, seed
from tests.browser.conftest import Visit
from tests.browser.replays import Board
from tests.fleet import eventually

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
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]


AGAIN = """performance.getEntriesByType('resource').filter(({name}) => name.includes('/api/board'))
    .map(({startTime}) => startTime)"""


def test_a_size_that_is_not_there_is_asked_for_now_and_then(
    dummy: str, boards: Callable[[str], Board], visit: Visit, complaints: list[str]
) -> None:
    with psycopg.connect(dummy, autocommit=True) as connection:
        seed(connection, "small", windows=3)
    page = visit(f"{boards(dummy).url}/?size=7h", ready="#empty .do")
    eventually(lambda: len(page.evaluate(AGAIN)) > 1, lambda: "it is not asked for again")
    first, second, *_ = page.evaluate(AGAIN)
    assert second - first > 1_500
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]


def test_a_newer_run_is_shown_whole_to_who_looked_closer_at_the_one_before(
    dummy: str, boards: Callable[[str], Board], visit: Visit
) -> None:
    with psycopg.connect(dummy, autocommit=True) as connection:
        seed(connection, "small", windows=30)
        connection.execute("UPDATE driftline.window_result SET revision = 1")
        page = visit(f"{boards(dummy).url}/?from={YEAR}&to={YEAR + 30 * 3_600_000}", ready="#heat[data-drawn]")
        assert "revised" in page.locator("#windows tr .state").first.inner_text()
        page.wait_for_selector('#line[data-state="ended"], #line[data-state="live"]', state="attached")
        seed(connection, "newer", windows=2)
        connection.execute("NOTIFY driftline_progress, 'newer'")
    page.wait_for_selector('#heat[data-windows="2"]', state="attached")
    assert "from=" not in page.url
