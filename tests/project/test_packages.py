"""A package is a program, and then it does something, or it says that it is none."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.connections import ROOT
from tests.sources import files

PACKAGES = sorted({".".join(path.relative_to(ROOT).parent.parts) for path in files(".py") if path.parent != ROOT})
PROGRAMS = [name for name in PACKAGES if (ROOT / name.replace(".", "/") / "__main__.py").exists()]


def runs_something(path: Path) -> bool:
    """Whether the module does something when it is run, beyond defining names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)


@pytest.mark.parametrize("name", ["producer", "consumer", "monitor", "notifier", "board"])
def test_a_stage_is_no_program_of_its_own(name: str) -> None:
    done = subprocess.run([sys.executable, "-m", name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be directly executed" in done.stderr


def test_every_package_that_can_be_run_does_something() -> None:
    assert {"producer", "consumer", "monitor", "board", "benchmarks", "cli.commands"} <= {*PACKAGES}
    mains = {name: ROOT / name.replace(".", "/") / "__main__.py" for name in PROGRAMS}
    assert [name for name, path in mains.items() if not runs_something(path)] == []
