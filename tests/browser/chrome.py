"""A browser for the tests, and what to install where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.connections import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = "4.10.3"
"""Version of axe-core, from npm."""


def found() -> str:
    """Path of a Chromium. Skips the test, aloud, where there is none."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    return path or pytest.skip("no Chromium here: `apt install chromium`, or set CHROMIUM to the path of one")


@contextmanager
def launched() -> Iterator[Any]:
    """A headless Chromium under playwright."""
    path = found()
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is missing: `make setup`")
    with sync.sync_playwright() as playwright:
        # Without a sandbox: containers run the tests as root, and the only pages are our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def axe() -> Path:
    """The script of axe-core, fetched by npm once. Skips the test, aloud, without npm or network."""
    folder = ROOT / ".driftline" / "cache" / f"axe-core-{AXE}"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if script.exists():
        return script
    npm = shutil.which("npm") or pytest.skip("no npm here, which axe-core comes from: `apt install npm`")
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), f"axe-core@{AXE}"]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if not script.exists():
        pytest.skip(f"npm could not fetch axe-core@{AXE}: {(fetched.stderr or fetched.stdout)[-300:]}")
    return script
