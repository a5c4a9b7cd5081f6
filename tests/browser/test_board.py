"""One replay on the board, while it runs and afterwards: with mouse and keys, in both themes, at every width.

In one file, since a worker of the tests that has another would replay once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.browser import chrome
from tests.browser.conftest import DAYS, MARKUP, Visit
from tests.browser.replays import DRIFTED, LIVE, SIX, Again, Replay
from tests.fleet import PATIENCE_S, eventually
from tests.logs import DAY, HOUR, RUN, START

pytestmark = [pytest.mark.integration, pytest.mark.browser]

BEFORE = 12
"""Whole windows before the drift, which begins within the next one, at 40 % of the days."""
WITHIN = START + DAYS * DAY // 2
"""A window in the midst of the injected drift."""

DRAWN = {"board": "#heat[data-drawn]", "window": ".large[data-drawn]"}
PAGES = {
    "board": (f"/?run={RUN}&size=6h", DRAWN["board"]),
    "window": (f"/window?run={RUN}&size=6h&start={START + 4 * DAY}", DRAWN["window"]),
    "dead letters": (f"/dead-letters?run={RUN}", "#chart[data-drawn]"),
    "report": (f"/report?run={RUN}&size=6h&start={START + 3 * DAY}", '[data-state="making"]'),
}
EVERY = pytest.mark.parametrize("name", PAGES)

SERIOUS = """() => axe.run().then(({passes, violations}) => [passes.length, violations
    .filter(({impact}) => impact === 'serious' || impact === 'critical')
    .map(({id, help, nodes}) => `${id}: ${help}: ${nodes.map(({target}) => target.join(' ')).join(', ')}`)])"""

WATCH = """() => new MutationObserver(() => {
    const n = Number(document.querySelector('#heat').dataset.windows);
    if (n > 0) globalThis.firstSeen ??= Date.now();
}).observe(document.querySelector('#heat'), {attributes: true})"""


def shown(visit: Visit, replay: Replay, name: str, **how: Any) -> Any:
    path, ready = PAGES[name]
    if name != "report":
        return visit(replay.board.url + path, ready=ready, **how)
    page = visit("about:blank", **how)  # without a report that is made, and takes the page away meanwhile
    page.route(
        "**/api/report?*", lambda route: route.fulfill(json={"state": "making", "reason": None, "url": None})
    )
    page.goto(replay.board.url + path)
    page.wait_for_selector(ready)
    return page


def board(replay: Replay, more: str = "") -> str:
    return f"{replay.board.url}/?run={RUN}&size=6h{more}"


def row(page: Any, band: str = "", column: str = DRIFTED) -> Any:
    return page.locator(f'#names [data-column="{column}"]' + (f'[data-band="{band}"]' if band else ""))


def windows(page: Any) -> int:
    return int(page.locator("#heat").get_attribute("data-windows") or 0)


def has(page: Any, count: int) -> None:
    page.wait_for_selector(f'#heat[data-windows="{count}"]', state="attached")


def becomes(page: Any, script: str, value: Any) -> None:
    """Asked from outside: playwright's wait_for_function evaluates in the page, whose policy forbids it."""
    eventually(lambda: page.evaluate(script) == value, lambda: f"{script}: {page.evaluate(script)}, not {value}")


def query(page: Any) -> dict[str, str]:
    return dict(re.findall(r"[?&](\w+)=([^&]+)", page.url))


def pixel(page: Any, start: int, column: str) -> list[int]:
    """Colour (r, g, b, alpha) of a cell of the heat map, beside its middle, where marks are. Shows all windows."""
    return list(
        page.evaluate(
            """([at, column]) => {
        const names = [...document.querySelectorAll('#names [data-column]')].map((item) => item.dataset.column);
        const cells = document.querySelector('#cells');
        const { from, to } = document.querySelector('#heat').dataset;
        const ratio = cells.width / cells.clientWidth;
        const x = (at - from) / (to - from) * cells.width;
        const y = (24 + (names.indexOf(column) + 0.3) * (cells.clientHeight - 44) / names.length) * ratio;
        const read = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
        read.drawImage(cells, Math.round(x), Math.round(y), 1, 1, 0, 0, 1, 1);
        return [...read.getImageData(0, 0, 1, 1).data] }""",
            [start + SIX // 4, column],
        )
    )


def reddish(colour: list[int]) -> bool:
    red, green, blue, alpha = colour
    return alpha > 0 and red > green + 40 and red > blue + 40


def test_the_page_follows_a_replay_from_nothing_to_its_end_and_never_reloads(
    replay: Replay, visit: Visit, complaints: list[str]
) -> None:
    page = visit(f"{replay.board.url}/?size=6h", ready="#empty .what")
    page.evaluate(WATCH)
    page.evaluate("globalThis.stayed = true")
    replay.start()
    written = replay.first_row()
    becomes(page, "globalThis.firstSeen > 0", True)
    assert page.evaluate("firstSeen") / 1_000 - written < 60  # a fraction of one where nobody else works
    replay.finish()
    has(page, 4 * DAYS)
    page.locator('#line[data-state="ended"]').wait_for()
    assert page.evaluate("stayed")
    assert page.locator(DRAWN["board"]).count() == 1
    assert reddish(pixel(page, WITHIN, DRIFTED))
    assert not reddish(pixel(page, START, DRIFTED))
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]  # there was no run yet


@pytest.fixture
def again(done: Replay) -> Iterator[Again]:
    """The replay once more, window by window; gone with the test."""
    with closing(Again(done)) as run:
        yield run
    tables = ("window_result", "run_progress", "event", "run")
    for table in tables:
        done.execute(f"DELETE FROM driftline.{table} WHERE run_id = %(run)s", run=LIVE)


def test_a_column_turns_red_with_the_first_window_that_drifts(again: Again, done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/?run={LIVE}&size=6h", ready="#names")
    page.evaluate("globalThis.stayed = true")
    again.publish(BEFORE)
    has(page, BEFORE)
    row(page, "calm").or_(row(page, "near")).wait_for()
    calm = shape(page)
    page.locator('#line[data-state="live"]').wait_for()
    again.publish(2)
    row(page, "drift").wait_for()
    has(page, BEFORE + 2)
    assert reddish(shape(page))
    assert not reddish(calm)
    assert reddish(pixel(page, START + (BEFORE + 1) * SIX, DRIFTED))
    assert not reddish(pixel(page, START + (BEFORE - 2) * SIX, DRIFTED))
    assert "drift" in row(page).inner_text()
    page.locator('#verdict[data-band="drift"]').wait_for()
    assert page.locator("#word").inner_text() in ("Drift", "Dataset drift")
    assert page.locator("#marks li").first.inner_text().startswith("Injected: three times <b>as</b> dear")
    assert page.evaluate("stayed")


def shape(page: Any) -> list[int]:
    """Colour of the sign beside the drifted column's name."""
    css = row(page).locator(".shape").evaluate("(sign) => getComputedStyle(sign).color")
    return [*map(int, re.findall(r"\d+", css)[:3]), 255]


def test_a_run_without_a_window_says_what_it_waits_for(again: Again, done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/?run={LIVE}&size=6h", ready=DRAWN["board"])
    assert "when the watermark has passed its end" in page.locator("#why").inner_text()
    assert not page.locator("#heat").is_visible()
    done.execute("UPDATE driftline.health SET at = at - interval '1 hour'")
    page.locator(
        "#why", has_text="a monitor that was just started takes a while; if none was, start driftline"
    ).wait_for()
    done.execute(
        "UPDATE driftline.run SET started_at = started_at - interval '1 hour' WHERE run_id = %(run)s", run=LIVE
    )
    page.reload()
    advice = page.locator("#why", has_text="no monitor reports: start driftline monitor")
    advice.wait_for()
    assert advice.locator("code").inner_text().endswith("/small")  # another would pass it over
    again.publish()
    page.locator("#heat").wait_for()
    done.execute(
        "UPDATE driftline.window_result SET written_at = written_at - interval '1 hour' WHERE run_id = %(run)s",
        run=LIVE,
    )
    page.locator("#age-note", has_text="no monitor reports").wait_for()


def test_a_page_of_the_newest_run_goes_on_with_the_next(done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/?size=6h", ready=DRAWN["board"])
    has(page, 4 * DAYS)
    page.evaluate("globalThis.stayed = true")
    with closing(Again(done, run="newer")) as newer:
        newer.publish(3)
        has(page, 3)
    assert page.title() == "newer · Driftline"
    assert page.evaluate("stayed")
    for table in ("window_result", "run_progress", "event", "run"):
        done.execute(f"DELETE FROM driftline.{table} WHERE run_id = 'newer'")


def test_the_page_comes_back_by_itself_when_the_board_does_and_moves_on(
    again: Again, done: Replay, visit: Visit, complaints: list[str]
) -> None:
    again.publish(2)
    page = visit(f"{done.board.url}/?run={LIVE}&size=6h", ready="#heat[data-drawn]")
    page.locator('#line[data-state="live"]').wait_for()
    page.evaluate("globalThis.stayed = true")
    port = done.board.port
    done.board.stop()
    try:
        page.locator('#line[data-state="lost"]').wait_for()
        assert page.locator("#line").inner_text() == "disconnected, trying again"
        assert "driftline board" in page.locator("#notice").inner_text()
        again.publish()
    finally:
        done.board.start(port)
    has(page, 3)  # what was written meanwhile
    page.locator('#line[data-state="live"]').wait_for()
    page.locator("#notice").wait_for(state="hidden")
    again.publish()
    has(page, 4)
    assert page.evaluate("stayed")
    complaints[:] = [
        complaint for complaint in complaints if "ERR_" not in complaint
    ]  # the browser says that it was refused


def test_a_finished_replay_is_shown_whole(done: Replay, visit: Visit) -> None:
    page = visit(board(done), ready=DRAWN["board"])
    assert windows(page) == 4 * DAYS
    page.locator('#line[data-state="ended"]').wait_for()  # which it says when it follows the run
    assert page.locator("#line").inner_text() == "ended"
    assert page.locator("#marks li").first.inner_text().startswith("Injected: three times <b>as</b> dear")
    assert page.locator("#windows tr").count() == 12
    page.locator("#more").click()
    assert page.locator("#windows tr").count() == 4 * DAYS


def test_a_click_on_a_cell_opens_its_window(done: Replay, visit: Visit) -> None:
    page = visit(board(done), ready=DRAWN["board"])
    heat = page.locator("#heat").bounding_box()
    page.mouse.click(heat["x"] + heat["width"] * (WITHIN + SIX / 2 - START) / (DAYS * DAY), heat["y"] + 60)
    page.wait_for_url("**/window?**")
    assert query(page) == {"run": RUN, "size": "6h", "start": str(WITHIN)}


def test_keys_move_through_the_heat_map_and_open_a_window(done: Replay, visit: Visit) -> None:
    page = visit(board(done), ready=DRAWN["board"])
    page.locator("#heat").focus()
    page.keyboard.press("Home")
    complaint = page.locator("#cell").inner_text
    first = complaint()
    assert "Tue 1 Feb 2022 00:00–06:00" in first
    page.keyboard.press("ArrowRight")
    assert "06:00–12:00" in complaint()
    page.keyboard.press("ArrowDown")
    assert complaint().split(",")[0] != first.split(",")[0]
    page.keyboard.press("Enter")
    page.wait_for_url("**/window?**")
    assert query(page)["start"] == str(START + SIX)


def test_zoom_stands_in_the_address_and_the_back_button_undoes_it(done: Replay, visit: Visit) -> None:
    page = visit(board(done), ready=DRAWN["board"])
    heat = page.locator("#heat").bounding_box()
    page.mouse.move(heat["x"] + heat["width"] * 0.25, heat["y"] + 60)
    page.mouse.down()
    page.mouse.move(heat["x"] + heat["width"] * 0.5, heat["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=**")
    span = int(query(page)["to"]) - int(query(page)["from"])
    assert span == pytest.approx(DAYS * DAY / 4, rel=0.02)
    shown = "Number(document.querySelector('#heat').dataset.from)"
    becomes(page, shown, int(query(page)["from"]))
    assert page.locator("#range-text").inner_text().startswith("zoomed to ")
    assert page.locator("#why").inner_text().startswith("zoomed: ")
    assert page.locator("#windows tr").count() in (DAYS, DAYS + 1)  # a quarter of all, and one that is cut
    page.go_back()
    becomes(page, shown, START)
    assert "from" not in query(page)
    assert "zoomed" not in page.locator("#range-text").inner_text() + page.locator("#why").inner_text()


def test_a_zoom_to_calm_windows_is_calm_though_the_run_has_drifted(done: Replay, visit: Visit) -> None:
    page = visit(board(done, f"&from={WITHIN}&to={WITHIN + DAY}"), ready=DRAWN["board"])
    assert page.locator("#verdict").get_attribute("data-band") == "drift"
    drifted = page.locator("#why").inner_text()
    assert "4 of the 4 windows shown drifted" in drifted
    assert "Sat 5 Feb" in drifted


def test_a_page_says_that_it_loads_and_what_its_signs_and_times_mean(done: Replay, visit: Visit) -> None:
    page = visit("about:blank")
    held: list[Any] = []
    page.route("**/api/board?*", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks what it is given
    page.goto(board(done))
    page.locator("#word", has_text="Loading").wait_for()
    assert page.locator(".loading .panel").count() == 2
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    page.wait_for_selector(DRAWN["board"])
    assert page.locator(".loading").count() == 0
    assert "drift begins" in page.locator(".keys").inner_text()
    assert page.locator("#zone").inner_text() == "Event time, as the records have it (UTC)"
    page.locator("#axis input[value=wall]").check()
    page.locator("#zone", has_text="Wall clock, America/New_York").wait_for()
    assert "min" in page.locator("#mae-name").inner_text()


def test_runs_can_be_searched_and_a_run_that_is_not_there_names_those_that_are(
    done: Replay, visit: Visit, complaints: list[str]
) -> None:
    done.execute(
        "INSERT INTO driftline.run (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms)"
        " SELECT 'other-' || n, 1, 1, 1, 1 FROM generate_series(1, 300) n"
    )
    page = visit(f"{done.board.url}/?size=6h", ready=DRAWN["board"])
    assert windows(page) == 4 * DAYS  # of the run with windows, though it is older
    page.locator("#find").fill("other-29")
    page.locator("#run option", has_text="other-299").wait_for(state="attached")
    assert page.locator("#run option").count() == 12  # with the chosen one
    assert windows(page) == 4 * DAYS
    page.goto(f"{done.board.url}/?run=nobody")
    link = page.locator(f'.others a[href="/?run={RUN}"]')
    link.wait_for()
    link.click()
    page.wait_for_selector(DRAWN["board"])
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]
    done.execute("DELETE FROM driftline.run WHERE run_id LIKE 'other-%%'")


def ink(page: Any) -> list[int]:
    """How many pixels the lines of the three charts have, by their colours."""
    return list(
        page.evaluate("""() => {
        const canvas = document.querySelector('#charts canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const style = getComputedStyle(document.documentElement);
        return ['--drift', '--line-mae', '--line-labels'].map((name) => {
            const [r, g, b] = style.getPropertyValue(name).match(/[0-9a-f]{2}/g).map((part) => parseInt(part, 16));
            let found = 0;
            for (let i = 0; i < data.length; i += 4) {
                found += data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255;
            }
            return found;
        }) }""")
    )


def test_the_charts_show_their_lines_and_the_window_that_is_pointed_at(done: Replay, visit: Visit) -> None:
    page = visit(board(done), ready=DRAWN["board"])
    width = page.locator("#heat").bounding_box()["width"]
    assert all(pixels > width / 3 for pixels in ink(page)), ink(page)
    page.locator("#charts").scroll_into_view_if_needed()
    box = page.locator("#charts").bounding_box()
    page.mouse.move(box["x"] + width * (WITHIN + SIX / 2 - START) / (DAYS * DAY), box["y"] + 60)
    page.locator("#tip", has_text="Sat 5 Feb 2022 00:00–06:00").wait_for()
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/window?**")
    assert query(page)["start"] == str(WITHIN)


def test_a_double_click_on_the_charts_shows_all_again(done: Replay, visit: Visit) -> None:
    page = visit(board(done, f"&from={START}&to={START + DAY}"), ready=DRAWN["board"])
    page.locator("#charts").dblclick()
    page.wait_for_url(lambda url: "from" not in url)


def test_size_and_clock_can_be_switched_and_shared(done: Replay, visit: Visit) -> None:
    page = visit(board(done), ready=DRAWN["board"])
    page.locator("#sizes input[value='1d']").check()
    has(page, DAYS)
    page.locator("#axis input[value=wall]").check()
    page.wait_for_url("**axis=wall**")
    assert query(page) == {"run": RUN, "size": "1d", "axis": "wall"}
    again = visit(page.url, ready=DRAWN["board"])
    assert again.locator("#axis input[value=wall]").is_checked()
    assert windows(again) == DAYS


def test_the_window_page_says_what_moved_and_shows_it_against_the_reference(done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/window?run={RUN}&size=6h&start={WITHIN}", ready=DRAWN["window"])
    worst = page.locator("#columns > li").first
    name = worst.get_attribute("data-column")
    assert re.match(rf"{name} moved: [\d.,]+ times its threshold; median [^→]+ → ", story(page)), story(page)
    bent = page.locator(f'#columns > li[data-column="{DRIFTED}"]')
    assert bent.get_attribute("data-band") == "drift"
    assert bent.locator("path.reference, path.current").count() == 2
    assert worst.locator(".large .barlayer path").count() > 5
    assert page.locator("#columns [data-plot][data-drawn]").count() > 10
    assert "2022-02-05T00:00" in page.locator("#recompute code").inner_text()
    assert page.locator("#report").get_attribute("href") == f"/report?run={RUN}&size=6h&start={WITHIN}"


def story(page: Any) -> str:
    return str(page.locator("#story").inner_text())


def test_windows_follow_one_another(done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/window?run={RUN}&size=6h&start={START}", ready="#columns li")
    assert page.locator("#previous").get_attribute("href") is None
    page.locator("#next").click()
    page.wait_for_url(f"**start={START + SIX}")
    page.locator("#previous[href]").wait_for()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**start={START}")


def test_a_moment_leads_to_its_window(done: Replay, visit: Visit) -> None:
    page = visit(f"{done.board.url}/at?run={RUN}&size=6h&t={WITHIN + HOUR}", ready="#columns li")
    assert query(page)["start"] == str(WITHIN)


@EVERY
def test_axe_finds_nothing_serious_in_either_theme(done: Replay, visit: Visit, name: str) -> None:
    script = chrome.axe().read_text()
    page = shown(visit, done, name)
    page.evaluate(script)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.wait_for_selector(f'html[data-theme="{theme}"]', state="attached")
        passed, serious = page.evaluate(SERIOUS)
        assert (theme, serious) == (theme, [])
        assert passed > 10  # it did look


@EVERY
def test_no_page_is_wider_than_its_screen(done: Replay, visit: Visit, name: str) -> None:
    page = shown(visit, done, name, width=1920)
    root = "document.documentElement"
    for width in (1920, 768, 360):
        page.set_viewport_size({"width": width, "height": 800})
        becomes(page, f"[{root}.clientWidth, {root}.scrollWidth]", [width, width])


def test_a_phone_shows_the_verdict_and_the_map_first(done: Replay, visit: Visit) -> None:
    page = visit(board(done), width=360, height=740, ready=DRAWN["board"])
    for part in ("#verdict", "#word", "#drifted"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] < 740, part
    assert page.locator("#heat").bounding_box()["width"] > 120


def test_the_theme_follows_the_system_until_the_reader_chooses(done: Replay, visit: Visit) -> None:
    page = shown(visit, done, "board", theme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 150
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert sum(map(int, re.findall(r"\d+", page.evaluate(ground))[:3])) > 600
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


def test_a_window_that_is_not_there_says_so(done: Replay, visit: Visit, complaints: list[str]) -> None:
    page = visit(f"{done.board.url}/window?run={RUN}&size=6h&start={START - DAY}", ready="#empty .what")
    assert page.locator("#empty .do").inner_text()
    assert not page.locator("#content").is_visible()
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]


def test_the_first_tab_leads_to_the_content(done: Replay, visit: Visit) -> None:
    page = shown(visit, done, "board")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_all_that_can_be_used_is_reached_by_the_tab_key(done: Replay, visit: Visit) -> None:
    page = shown(visit, done, "board")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"run", "size", "axis", "theme", "dead", "newest-48", "all", "heat", "more"} <= reached


def test_a_report_is_made_when_it_is_asked_for_and_then_shown(done: Replay, visit: Visit) -> None:
    page = visit(board(done), ready=DRAWN["board"])
    page.locator("#windows tr a", has_text="report").first.click()
    page.wait_for_url("**/reports/*.html", wait_until="commit", timeout=3_000 * PATIENCE_S)
    page.locator(".js-plotly-plot").first.wait_for()
    assert DRIFTED in page.content()
