"""The board of a run that is watched, its alarms, and one of them: mouse and keys, both themes, every width."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.connections import Addresses
from storage.connect import connect
from storage.prepare import prepare
from tests.board.watched import Watched, judge
from tests.browser import chrome
from tests.browser.conftest import MARKUP, Visit
from tests.browser.replays import Board
from tests.browser.test_board import SERIOUS
from tests.databases import fresh_database
from tests.fleet import eventually

pytestmark = [pytest.mark.integration, pytest.mark.browser]

RUN = "watched"


@contextmanager
def board_of(database: str, models: Path) -> Iterator[Board]:
    board = Board(database, models)
    board.start()
    try:
        yield board
    finally:
        board.stop()


@pytest.fixture(scope="module")
def found(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Board, str]]:
    """A board with a run of four weeks that drifted in the third; and the id of its alarm, which was judged."""
    chrome.found()
    with fresh_database(stack.database_url) as database:
        prepare(database)
        (alarm,) = Watched(days=28, drifts=[(14, 18)]).put(database, RUN)
        with connect(database) as connection:
            judge(connection, RUN, alarm, "real", MARKUP)
        with board_of(database, tmp_path_factory.mktemp("models")) as board:
            yield board, alarm.name(RUN)


def pages(alarm: str) -> dict[str, tuple[str, str]]:
    return {
        "board": (f"/?run={RUN}&size=1h", "#evidence-chart:not([hidden])"),
        "alarms": (f"/alarms?run={RUN}", "#list a"),
        "alarm": (f"/alarm?run={RUN}&id={alarm}", "#chart[data-drawn]"),
    }


def test_the_headline_is_the_story_and_leads_to_the_alarm(found: tuple[Board, str], visit: Visit) -> None:
    board, alarm = found
    page = visit(board.url + pages(alarm)["board"][0], ready=pages(alarm)["board"][1])
    assert page.locator("#word").inner_text().startswith("Drift 15")
    assert page.locator("#why").inner_text().startswith("Trip distance (trip_distance)")
    assert page.locator("#promise").inner_text().endswith("so far 4 weeks, 1 alarm, judged real")
    page.locator("#evidence").hover()
    assert "Evidence" in page.locator("#tip").inner_text()
    page.locator("#heat").focus()
    page.keyboard.press("ArrowLeft")
    eventually(lambda: "Evidence" in page.locator("#cell").inner_text(), lambda: page.locator("#cell").inner_text())
    page.locator("#axis input[value=wall]").check(force=True)
    page.wait_for_selector(pages(alarm)["board"][1])
    page.locator("#alarms").click()
    page.locator("#list a").click()
    page.wait_for_selector("#chart[data-drawn]")
    assert page.locator("#title").inner_text().endswith("recovered")
    assert MARKUP in page.locator("#facts").inner_text()
    assert page.locator("#signals .name").first.inner_text() == "trip_distance"
    assert "driftline weeks exclude 2022-01-10" in page.locator("#next").inner_text()


@pytest.mark.parametrize("name", ["board", "alarms", "alarm"])
def test_every_page_is_accessible_and_fits_its_screen(found: tuple[Board, str], visit: Visit, name: str) -> None:
    board, alarm = found
    path, ready = pages(alarm)[name]
    for theme in ("light", "dark"):
        page = visit(board.url + path, theme=theme, ready=ready)
        page.evaluate(chrome.axe().read_text())
        passed, serious = page.evaluate(SERIOUS)
        assert (theme, serious) == (theme, [])
        assert passed > 10  # it did look
    root = "document.documentElement"
    for width in (1920, 768, 360):
        page.set_viewport_size({"width": width, "height": 800})
        fits = f"{root}.scrollWidth - {root}.clientWidth"
        eventually(lambda: page.evaluate(fits) == 0, lambda: f"{width}: {page.evaluate(fits)}")  # noqa: B023


def test_a_run_that_is_not_there_leads_to_those_that_are_and_back(
    found: tuple[Board, str], visit: Visit, complaints: list[str]
) -> None:
    board, _ = found
    for path, ready in (("alarms", "#list a"), ("dead-letters", "text=Every record of this run is in a window")):
        page = visit(f"{board.url}/{path}?run=elsewhere", ready="#empty .others a")
        assert not page.locator("#content").is_visible()
        page.locator("#run").select_option(RUN)
        page.wait_for_selector(ready)
        assert not page.locator("#empty .others").is_visible()
        assert page.url == f"{board.url}/{path}?run={RUN}"
        page.go_back()
        page.wait_for_selector("#empty .others a")
        assert not page.locator("#content").is_visible()
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]
