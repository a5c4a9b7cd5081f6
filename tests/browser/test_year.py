"""A year of windows of one hour."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

import psycopg
import pytest

from dummy import run as figures
from tests.browser.conftest import Board, Visit

pytestmark = [pytest.mark.integration, pytest.mark.browser]


def test_a_year_is_shown_whole(dummy: str, boards: Callable[[str], Board], visit: Visit) -> None:
    plan = figures.plan("year", days=365, sizes="1h", seed=7, live=False, now=round(time.time() * 1_000))
    figures.write(dummy, plan, Event(), lambda _: None)
    with psycopg.connect(dummy) as connection:
        count = "SELECT count(*) FROM driftline.window_result WHERE stream = 'trips'"
        (expected,) = connection.execute(count).fetchone() or (0,)
    assert expected > 8_700
    page = visit(f"{boards(dummy).url}/?run=year&size=1h")
    page.wait_for_selector("#charts[data-drawn]")
    assert page.locator("#heat").get_attribute("data-windows") == str(expected)
    drawn = page.evaluate("""() => {
        const cells = document.querySelector('#cells');
        const { data } = cells.getContext('2d').getImageData(0, 30, cells.width, 1);
        return data.filter((value, i) => i % 4 === 3 && value > 0).length / cells.width }""")
    assert drawn > 0.95
