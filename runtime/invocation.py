"""How this program is called from the current folder, so that commands in its messages can be pasted."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import NoReturn

OURS = Path(sys.executable).with_name("driftline")
"""Beside the Python that runs this."""


def program() -> str:
    """Give the command that calls this program: `driftline`, or `.venv/bin/driftline` in a fresh checkout."""
    found = shutil.which("driftline")
    if not OURS.exists() or (found is not None and os.path.samefile(found, OURS)):
        return "driftline"
    here = Path.cwd()
    return shlex.quote(str(OURS.relative_to(here) if OURS.is_relative_to(here) else OURS))


def pasteable(text: str) -> str:
    """Make every command that a text quotes in backticks, such as `driftline stack up`, one that can be pasted."""
    return re.sub("(?<=`)driftline(?= )", lambda _: program(), text)


def exit_with_command(command: str) -> NoReturn:
    """End a module that is run by itself, and name the command that does what it is for. Exit code 2."""
    print(f"driftline: this module is not a program: run `{program()} {command}`", file=sys.stderr)
    sys.exit(2)
