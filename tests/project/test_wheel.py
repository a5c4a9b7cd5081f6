"""An application that is installed from its checkout: any other way is refused, and says which is right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.connections import ROOT


@pytest.mark.parametrize("words", [("wheel", "--wheel-dir"), ("install", "--target")], ids=["wheel", "install"])
def test_a_wheel_is_refused_with_the_way_to_install(words: tuple[str, str], tmp_path: Path) -> None:
    command, option = words
    without = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, *without, option, str(tmp_path), str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "Driftline is installed from its checkout" in done.stdout + done.stderr
    assert "pip install --editable ." in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_editable_install_can_be_built(tmp_path: Path) -> None:
    """As `pip install --editable` builds it, without changing this installation."""
    code = f"from hatchling.build import build_editable; print(build_editable({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.suffix for path in tmp_path.iterdir()] == [".whl"]
