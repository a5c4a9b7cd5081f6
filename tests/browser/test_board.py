"""One replay on the board, while it runs and afterwards: with mouse and keys, in both themes, at every width.

In one file, since a worker of the tests that has another would replay once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import chrome
from tests.browser.conftest import DAYS, DRIFTED, MARKUP, Board, Replay, Visit
from tests.logs import DAY, HOUR, RUN, START

pytestmark = [pytest.mark.integration, pytest.mark.browser]

SIX = 6 * HOUR
INJECTED = (START + 0.4 * DAYS * DAY, START + 0.8 * DAYS * DAY)
WITHIN = START + DAYS * DAY // 2
"""A window in the midst of the injected drift."""


PAGES = {
    "board": (f"/?run={RUN}&size=6h", "#charts[data-drawn]"),
    "window": (f"/window?run={RUN}&size=6h&start={START + 4 * DAY}", ".large[data-drawn]"),
    "dead letters": (f"/dead-letters?run={RUN}", "#chart[data-drawn]"),
    "report": (f"/report?run={RUN}&size=6h&start={START + 3 * DAY}", "#state"),
}
SERIOUS = """() => axe.run().then(({violations}) => violations
    .filter(({impact}) => impact === 'serious' || impact === 'critical')
    .map(({id, help, nodes}) => `${id}: ${help}: ${nodes.map(({target}) => target.join(' ')).join(', ')}`))"""


def shown(visit: Visit, replay: Replay, name: str, **how: Any) -> Any:
    path, ready = PAGES[name]
    page = visit(replay.board.url + path, **how)
    page.wait_for_selector(ready, state="attached")
    return page


def row(page: Any, column: str = DRIFTED) -> Any:
    return page.locator(f'#names [data-column="{column}"]')


def windows(page: Any) -> int:
    return int(page.locator("#heat").get_attribute("data-windows") or 0)


def query(page: Any) -> dict[str, str]:
    return dict(re.findall(r"[?&](\w+)=([^&]+)", page.url))


def board(replay: Replay, more: str = "") -> str:
    return f"{replay.board.url}/?run={RUN}&size=6h{more}"


def test_the_page_follows_a_replay_from_nothing_to_a_drifted_column_and_never_reloads(
    replay: Replay, visit: Visit, complaints: list[str]
) -> None:
    page = visit(f"{replay.board.url}/?size=6h")
    page.locator("#empty .what").wait_for()
    page.evaluate("globalThis.stayed = true")
    replay.start()
    page.wait_for_selector("#names [data-band=calm]", state="attached")
    seen = windows(page)
    row(page).and_(page.locator('[data-band="calm"], [data-band="near"]')).wait_for()
    row(page).and_(page.locator('[data-band="drift"]')).wait_for()
    assert windows(page) > seen
    assert "drift" in row(page).inner_text()
    assert page.evaluate("stayed")
    page.locator('#verdict[data-band="drift"]').wait_for()
    assert DRIFTED in page.locator("#why").inner_text()
    complaints[:] = [said for said in complaints if "404" not in said]  # there was no run yet


def test_a_finished_replay_is_shown_whole(done: Replay, visit: Visit) -> None:
    page = visit(board(done))
    page.wait_for_selector("#charts[data-drawn]")
    assert windows(page) == 4 * DAYS
    assert page.locator("#line").inner_text() == "ended"
    assert page.locator("#marks li").first.inner_text().startswith("Injected: three times <b>as</b> far")
    assert page.locator("#windows tr").count() == 12
    page.locator("#more").click()
    assert page.locator("#windows tr").count() == 4 * DAYS


def test_a_click_on_a_cell_opens_its_window(done: Replay, visit: Visit) -> None:
    page = visit(board(done))
    page.wait_for_selector("#heat[data-drawn]")
    heat = page.locator("#heat").bounding_box()
    page.mouse.click(heat["x"] + heat["width"] * (WITHIN + SIX / 2 - START) / (DAYS * DAY), heat["y"] + 60)
    page.wait_for_url("**/window?**")
    assert query(page) == {"run": RUN, "size": "6h", "start": str(WITHIN)}


def test_keys_move_through_the_heat_map_and_say_what_is_there(done: Replay, visit: Visit) -> None:
    page = visit(board(done))
    page.wait_for_selector("#heat[data-drawn]")
    page.locator("#heat").focus()
    page.keyboard.press("Home")
    said = page.locator("#cell").inner_text
    first = said()
    assert "Tue 1 Feb 2022 00:00–06:00" in first
    page.keyboard.press("ArrowRight")
    assert "06:00–12:00" in said()
    page.keyboard.press("ArrowDown")
    assert said().split(",")[0] != first.split(",")[0]
    page.keyboard.press("Enter")
    page.wait_for_url("**/window?**")
    assert query(page)["start"] == str(START + SIX)


def test_zoom_stands_in_the_address_and_the_back_button_undoes_it(done: Replay, visit: Visit) -> None:
    page = visit(board(done))
    page.wait_for_selector("#charts[data-drawn]")
    heat = page.locator("#heat").bounding_box()
    page.mouse.move(heat["x"] + heat["width"] * 0.25, heat["y"] + 60)
    page.mouse.down()
    page.mouse.move(heat["x"] + heat["width"] * 0.5, heat["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=**")
    span = int(query(page)["to"]) - int(query(page)["from"])
    assert span == pytest.approx(DAYS * DAY / 4, rel=0.02)
    shown = "document.querySelector('#charts').layout.xaxis.range"
    page.wait_for_function(f"{shown}[0] === {query(page)['from']}")
    page.go_back()
    page.wait_for_function(f"{shown}[0] === {START}")
    assert "from" not in query(page)


def test_a_double_click_on_the_charts_shows_all_again(done: Replay, visit: Visit) -> None:
    page = visit(board(done, f"&from={START}&to={START + DAY}"))
    page.wait_for_selector("#charts[data-drawn]")
    page.locator("#charts .nsewdrag").first.dblclick()
    page.wait_for_url(lambda url: "from" not in url)


def test_size_and_clock_can_be_switched_and_shared(done: Replay, visit: Visit) -> None:
    page = visit(board(done))
    page.locator("#sizes input[value='1d']").check()
    page.wait_for_function(f"document.querySelector('#heat').dataset.windows === '{DAYS}'")
    page.locator("#axis input[value=wall]").check()
    page.wait_for_url("**axis=wall**")
    assert query(page) == {"run": RUN, "size": "1d", "axis": "wall"}
    again = visit(page.url)
    again.wait_for_selector("#charts[data-drawn]")
    assert again.locator("#axis input[value=wall]").is_checked()
    assert windows(again) == DAYS


def test_the_window_page_says_what_moved_and_shows_it_against_the_reference(done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/window?run={RUN}&size=6h&start={WITHIN}")
    page.wait_for_selector(".large[data-drawn]")
    assert re.match(rf"{DRIFTED} moved: [\d.,]+ times its threshold; median [\d.]+ → [\d.]+", said(page))
    worst = page.locator("#columns > li").first
    assert worst.get_attribute("data-column") == DRIFTED
    assert worst.get_attribute("data-band") == "drift"
    assert worst.locator("path.reference, path.current").count() == 2
    assert worst.locator(".large .barlayer path").count() > 5
    assert page.locator("#columns [data-plot][data-drawn]").count() > 10
    assert "2022-02-05T00:00" in page.locator("#recompute code").inner_text()
    assert page.locator("#report").get_attribute("href") == f"/report?run={RUN}&size=6h&start={WITHIN}"


def said(page: Any) -> str:
    return str(page.locator("#story").inner_text())


def test_windows_follow_one_another(done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/window?run={RUN}&size=6h&start={START}")
    page.wait_for_selector("#columns li")
    assert page.locator("#previous").get_attribute("href") is None
    page.locator("#next").click()
    page.wait_for_url(f"**start={START + SIX}")
    page.locator("#previous[href]").wait_for()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**start={START}")


def test_a_moment_leads_to_its_window(done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/at?run={RUN}&size=6h&t={WITHIN + HOUR}")
    assert query(page)["start"] == str(WITHIN)
    page.wait_for_selector("#columns li")


def test_the_page_comes_back_by_itself_when_the_board_does(
    done: Replay, visit: Visit, complaints: list[str]
) -> None:
    page = visit(board(done))
    page.wait_for_selector("#heat[data-drawn]")
    page.evaluate("globalThis.stayed = true")
    port = done.board.port
    done.board.stop()
    page.locator('#line[data-state="lost"]').wait_for()
    assert page.locator("#line").inner_text() == "disconnected, trying again"
    done.board.start(port)
    page.locator('#line[data-state="ended"]').wait_for()
    assert page.evaluate("stayed")
    complaints[:] = [said for said in complaints if "ERR_" not in said]  # the browser says that it was refused


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(done: Replay, visit: Visit, name: str, theme: str) -> None:
    script = chrome.axe().read_text()
    page = shown(visit, done, name, theme=theme)
    page.evaluate(script)
    assert page.evaluate(SERIOUS) == []


@pytest.mark.parametrize("width", [360, 768, 1920])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_its_screen(done: Replay, visit: Visit, name: str, width: int) -> None:
    page = shown(visit, done, name, width=width)
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0


def test_the_theme_follows_the_system_until_the_reader_chooses(done: Replay, visit: Visit) -> None:
    page = shown(visit, done, "board", theme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(ground) != dark
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_data_stay_text(done: Replay, visit: Visit) -> None:
    page = shown(visit, done, "dead letters")
    letter = page.locator('details[data-key="trips/0/999999"]')
    letter.locator("summary").click()
    assert letter.locator("pre").inner_text() == MARKUP
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "Dead letters · Driftline"
    page = shown(visit, done, "board")
    assert MARKUP in page.locator("#source").inner_text()
    assert page.locator("img").count() == 0
    assert page.title() == f"{RUN} · Driftline"


def test_without_a_run_the_page_says_what_to_do(
    dummy: str, boards: Callable[[str], Board], visit: Visit, complaints: list[str]
) -> None:
    page = visit(boards(dummy).url)
    assert "driftline demo" in page.locator("#empty .do").inner_text()
    complaints[:] = [said for said in complaints if "404" not in said]


def test_a_window_that_is_not_there_says_so(done: Replay, visit: Visit, complaints: list[str]) -> None:
    page = visit(f"{done.board.url}/window?run={RUN}&size=6h&start={START - DAY}")
    page.locator("#empty .what").wait_for()
    complaints[:] = [said for said in complaints if "404" not in said]


def test_the_first_tab_leads_to_the_content(done: Replay, visit: Visit) -> None:
    page = shown(visit, done, "board")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
