from __future__ import annotations

import re
from pathlib import Path

import pytest

from board import files
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


@pytest.mark.parametrize("name", [page.stem for page in PAGES if page.stem != "frame"])
def test_every_part_of_a_page_is_in_its_frame(name: str) -> None:
    served = files.page(name).decode()
    own = (files.PAGES / f"{name}.html").read_text(encoding="utf-8")
    assert all(line in served for line in own.splitlines() if not line.startswith("<!-- "))
    assert served.index("<title>") < served.index("</head>") < served.index("<main") < served.index("</main>")
    assert "<!-- " not in served
    assert '<header class="bar">' in served
