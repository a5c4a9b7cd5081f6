"""Takes the pictures of the documents anew: `python -m pytest tests/browser/pictures.py`, into docs/.

DRIFTLINE_PICTURES: another folder. It shows a replay that goes on, whose drift is being found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runtime.connections import ROOT, Addresses
from tests.browser.conftest import Visit
from tests.browser.replays import DRIFTED, SCENARIO, SIX, Again, Replay, replayed
from tests.logs import DAY, RUN, START

DAYS = 21
WINDOWS = 62
"""Of 84: in the midst of the drift, which is from two to four fifths of them."""
FOLDER = Path(os.environ.get("DRIFTLINE_PICTURES", ROOT / "docs"))
LARGEST = 300_000


@pytest.fixture(scope="module")
def month(
    model: Path, stack: Addresses, kafka_config: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replay]:
    drift = SCENARIO.format(kind="unit_change", column=DRIFTED, factor=1.6, label="fares in another currency")
    folder = tmp_path_factory.mktemp("month")
    with replayed(stack, kafka_config, model, folder, days=DAYS, drift=drift) as found:
        found.finish()
        yield found


@pytest.mark.parametrize(
    ("name", "width", "height", "theme"),
    [("board", 1440, 1180, "light"), ("board-dark", 1440, 1180, "dark"), ("board-phone", 390, 844, "light")],
)
def test_the_board_while_a_replay_runs(
    month: Replay, visit: Visit, *, name: str, width: int, height: int, theme: str
) -> None:
    with closing(Again(month, run=f"fares-{name}")) as live:
        live.publish(WINDOWS)
        page = visit(
            f"{month.board.url}/?run={live.run}&size=6h",
            width=width, height=height, theme=theme, ready=f'#heat[data-windows="{WINDOWS}"]',
        )  # fmt: skip
        page.locator('#line[data-state="live"]').wait_for()
        live.publish()
        live.fill()
        page.wait_for_selector(f'#heat[data-windows="{WINDOWS + 2}"]', state="attached")
        page.locator('#verdict[data-band="drift"]').wait_for()
        page.wait_for_selector("#heat[data-drawn]")
        saved(page, name)


def test_a_window_that_drifted(month: Replay, visit: Visit) -> None:
    start = START + DAYS * DAY // 2 // SIX * SIX
    page = visit(
        f"{month.board.url}/window?run={RUN}&size=6h&start={start}",
        width=1440,
        height=1180,
        ready=".large[data-drawn]",
    )
    saved(page, "window")


def saved(page: Any, name: str) -> None:
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path)
    assert path.stat().st_size < LARGEST
