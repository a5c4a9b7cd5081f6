from __future__ import annotations

import re
from pathlib import Path

import pytest

from runtime.connections import ROOT

PAGES = sorted((ROOT / "board" / "pages").glob("*.html"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_choice_is_an_empty_box_while_it_loads(page: Path) -> None:
    for chosen in re.findall(r"<select[^>]*>(.*?)</select>", page.read_text(encoding="utf-8"), re.DOTALL):
        assert "<option" in chosen


def test_the_pages_with_a_choice_of_runs_are_tried() -> None:
    assert {page.stem for page in PAGES if 'id="run"' in page.read_text(encoding="utf-8")} >= {
        "index",
        "dead-letters",
    }
