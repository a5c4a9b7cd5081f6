from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
LOCK = (ROOT / "requirements.lock").read_text()


def test_make_help_lists_every_target():
    output = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"^  ([a-z-]+) ", output, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    assert listed == set(phony[1].split())


def test_make_alone_only_helps():
    output = subprocess.run(["make", "-n"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "rm " not in output
    assert "install" not in output


def test_every_line_of_the_lock_is_pinned_and_hashed():
    packages = re.split(r"\n(?=[a-z0-9])", LOCK.strip())
    assert len(packages) > 100
    for package in packages:
        assert re.match(r"[A-Za-z0-9._-]+==\S+", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]


def test_the_lock_names_no_host():
    assert "://" not in LOCK
    assert "index" not in LOCK


def test_pythons_that_are_not_here_are_listed():
    wanted = ["make", "test-pythons", "PYTHONS=9.8 9.9"]
    done = subprocess.run(wanted, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "tried: none; failed: none; not found: 9.8 9.9" in done.stdout
    assert done.returncode, "nothing was tested"


def test_setup_says_that_it_compiles_and_how_far_it_is(tmp_path):
    listed = subprocess.run(
        ["make", "-n", "setup", f"VENV={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    said, compiled = listed.index("compiling about"), listed.index("-m compileall")
    assert said < compiled
    (counted,) = re.findall(r"awk '(.*)'", listed[compiled:])[:1]
    lines = "".join(f"Compiling '{n}'...\nListing x\n" for n in range(4_000))
    done = subprocess.run(["awk", counted], input=lines, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1500 modules compiled", "3000 modules compiled"]


@pytest.mark.faults
def test_without_a_network_setup_says_what_to_do(tmp_path):
    nowhere = "http://127.0.0.1:9/simple"
    offline = {"UV_DEFAULT_INDEX": nowhere, "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    offline |= {"PIP_INDEX_URL": nowhere, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    wanted = ["make", "setup", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(wanted, cwd=ROOT, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "311 MB to download" in done.stdout
    assert "could not be downloaded" in done.stderr
    assert "HTTPS_PROXY" in done.stderr
