"""The page that compares two sides: what it shows, what can be saved of it, and how it is reached."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runtime.connections import Addresses
from storage.prepare import prepare
from tests.board.test_comparisons import BEFORE, SINCE, larger
from tests.board.watched import Watched, hold
from tests.browser import chrome
from tests.browser.conftest import Visit
from tests.browser.replays import Board
from tests.browser.test_alarms import board_of
from tests.browser.test_board import SERIOUS
from tests.databases import fresh_database
from tests.fleet import eventually

pytestmark = [pytest.mark.integration, pytest.mark.browser]

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def board(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """With a run whose amounts are larger on four days."""
    chrome.found()
    with fresh_database(stack.database_url) as database:
        prepare(database)
        Watched(days=21, drifts=[(14, 18)]).put(database, "one")
        with psycopg.connect(database, autocommit=True) as connection:
            hold(connection, "one", 21, [(14, 18)], larger)
        with board_of(database, tmp_path_factory.mktemp("models")) as found:
            yield found


def test_two_periods_stand_side_by_side_and_can_be_saved(board: Board, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{board.url}/compare")
    page.locator("#a").fill(BEFORE)
    page.locator("#b").fill(SINCE)
    page.keyboard.press("Enter")
    page.wait_for_selector("#columns svg")
    assert "a=one" in page.url, "the address can be shared"
    first = page.locator("#columns li").first
    assert first.get_attribute("data-column") == "amount"
    assert first.get_attribute("data-band") == "drift"
    assert "median" in first.locator(".how").inner_text()
    assert "events an hour" in page.locator("#figures").inner_text()
    for name, begins in (("#png", PNG), ("#csv", b"stream,column,figure,a,b")):
        with page.expect_download() as download:
            page.locator(name).click()
        saved = tmp_path / download.value.suggested_filename
        download.value.save_as(saved)
        assert saved.read_bytes().startswith(begins)
    if folder := os.environ.get("DRIFTLINE_LOOK"):
        page.screenshot(path=f"{folder}/compare.png", full_page=True)
        saved.with_suffix(".png").rename(f"{folder}/saved.png")


def test_what_cannot_be_compared_says_what_to_do(board: Board, visit: Visit, complaints: list[str]) -> None:
    page = visit(f"{board.url}/compare?a=one&b=three", ready="#empty:not([hidden])")
    assert "There is no run three" in page.locator("#empty").inner_text()
    assert not page.locator("#content").is_visible()
    complaints.clear()  # the browser notes an answer of 400


def test_it_is_accessible_and_fits_its_screen(board: Board, visit: Visit) -> None:
    path = f"{board.url}/compare?a={BEFORE}&b={SINCE}"
    for theme in ("light", "dark"):
        page = visit(path, theme=theme, ready="#columns svg")
        page.evaluate(chrome.axe().read_text())
        passed, serious = page.evaluate(SERIOUS)
        assert (theme, serious) == (theme, [])
        assert passed > 10  # it did look
        if folder := os.environ.get("DRIFTLINE_LOOK"):
            page.screenshot(path=f"{folder}/compare-{theme}.png", full_page=True)
    root = "document.documentElement"
    for width in (1920, 768, 360):
        page.set_viewport_size({"width": width, "height": 800})
        fits = f"{root}.scrollWidth - {root}.clientWidth"
        eventually(lambda: page.evaluate(fits) == 0, lambda: f"{width}: {page.evaluate(fits)}")  # noqa: B023


def test_a_window_leads_to_the_comparison_with_the_one_a_week_earlier(
    board: Board, visit: Visit, complaints: list[str]
) -> None:
    page = visit(f"{board.url}/window?run=one&size=1h&start=2022-01-15T06:00", ready="#compare[href]")
    page.locator("#compare").click()
    page.wait_for_selector("#columns svg")
    assert page.locator("#a").input_value() == "one@2022-01-08T06:00+1h"
    assert page.locator("#b").input_value() == "one@2022-01-15T06:00+1h"
    complaints.clear()  # without its model, the page of the window has no distributions
