"""What is told to be run works as it stands, whether the program is on PATH or not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runtime import invocation as invoked
from runtime.invocation import pasteable, program


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One whose `driftline` is not on PATH, though another's is."""
    for name in ("checkout/.venv/bin", "a place/.venv/bin", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "driftline").write_text("#!/bin/sh\necho ours\n")
        (tmp_path / name / "driftline").chmod(0o755)
    monkeypatch.setattr(invoked, "OURS", tmp_path / "checkout/.venv/bin/driftline")
    monkeypatch.setenv("PATH", f"{tmp_path / 'elsewhere'}:/bin:/usr/bin")
    monkeypatch.chdir(tmp_path / "checkout")
    return tmp_path


def test_a_fresh_checkout_names_the_program_in_its_venv(checkout: Path) -> None:
    assert pasteable("run `driftline stack up`, or set X") == "run `.venv/bin/driftline stack up`, or set X"


@pytest.mark.parametrize("folder", ["checkout", "checkout/.venv", "elsewhere"])
def test_a_command_runs_from_where_it_was_told(
    checkout: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoked, "OURS", checkout / "a place/.venv/bin/driftline")
    monkeypatch.chdir(checkout / folder)
    assert subprocess.check_output([f"{program()} runs"], shell=True, text=True) == "ours\n"


def test_on_path_its_name_will_do(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout / "checkout/.venv/bin"))
    assert pasteable("`driftline runs` lists them") == "`driftline runs` lists them"


def test_where_there_is_no_program_its_name_stands(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoked, "OURS", checkout / "nowhere")
    assert program() == "driftline"


def test_other_words_stay(checkout: Path) -> None:
    for text in ("schema driftline", "driftline: no database", "role `driftline_board`", "`driftline`"):
        assert pasteable(text) == text
