"""`.env.example` names what the compose files use, and `make env` makes an .env of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli import env
from runtime.connections import ROOT
from tests.composed import FILES, variables

EXAMPLE = (ROOT / ".env.example").read_text()
LINES = dict(line.split("=", 1) for line in EXAMPLE.splitlines() if line and line[0] != "#")


def folder(path: Path) -> Path:
    (path / ".env.example").write_text(EXAMPLE)
    return path


def test_every_variable_is_explained_and_every_explained_one_is_used() -> None:
    assert set(LINES) == {match["name"] for name in FILES for match in variables(name)}
    paragraphs = re.split(r"\n\n", EXAMPLE)
    for name in LINES:
        (paragraph,) = [each for each in paragraphs if re.search(rf"^{name}=", each, re.MULTILINE)]
        assert paragraph.startswith("#"), name


def test_the_defaults_that_are_told_are_the_defaults() -> None:
    defaults = {m["name"]: m["rest"] for n in FILES for m in variables(n) if (m["operator"] or "").endswith("-")}
    for name in set(defaults) - {"DRIFTLINE_ALERT_WEBHOOK"}:
        assert defaults[name] in EXAMPLE, name


def test_every_password_is_new_long_and_of_letters_and_digits(tmp_path: Path) -> None:
    written = env.write(folder(tmp_path)).read_text()
    passwords = re.findall(r"^\w+_PASSWORD=(.*)$", written, re.MULTILINE)
    assert len(passwords) == sum(name.endswith("_PASSWORD") for name in LINES) == len(set(passwords))
    assert all(re.fullmatch(r"[A-Za-z0-9]{32}", password) for password in passwords)
    assert env.filled(EXAMPLE, lambda: "") == EXAMPLE


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    assert env.write(folder(tmp_path)).stat().st_mode & 0o777 == 0o600


def test_passwords_in_use_are_never_overwritten(tmp_path: Path) -> None:
    before = env.write(folder(tmp_path)).read_text()
    with pytest.raises(FileExistsError):
        env.write(tmp_path)
    assert (tmp_path / ".env").read_text() == before


def test_it_runs_with_python_alone() -> None:
    lean = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import cli.env"],
        check=False,
    )
    assert lean.returncode == 0
