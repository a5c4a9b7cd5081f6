"""The parts of the page that know no browser, under node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.connections import ROOT


def test_figures_windows_and_words(tmp_path: Path) -> None:
    node = shutil.which("node") or pytest.skip("no node here: `apt install nodejs`")
    shutil.copytree(ROOT / "board" / "static", tmp_path / "static")
    shutil.copytree(Path(__file__).parent / "js", tmp_path / "js")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    tests = sorted(str(path) for path in (tmp_path / "js").glob("*.test.js"))
    ran = subprocess.run([node, "--test", *tests], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_page_makes_markup_of_data() -> None:
    """Whatever comes from outside is text: nothing here writes markup, and no page has scripts or styles within."""
    for script in sorted((ROOT / "board" / "static").glob("*.js")):
        text = script.read_text()
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert forbidden not in text, f"{script.name}: {forbidden}"
    for page in sorted((ROOT / "board" / "pages").glob("*.html")):
        text = page.read_text()
        assert " style=" not in text
        assert "<style" not in text
        assert text.count("<script") == text.count('<script src="') + text.count('<script type="module" src="')
