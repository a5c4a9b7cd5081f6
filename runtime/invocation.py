"""How the program is called from here: what it tells people to run is to work as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

OURS = Path(sys.executable).with_name("driftline")
"""Beside the Python that runs this."""


def program() -> str:
    """`driftline` where that is this program, else the way to it: `.venv/bin/driftline` in a fresh checkout."""
    found = shutil.which("driftline")
    if not OURS.exists() or (found is not None and os.path.samefile(found, OURS)):
        return "driftline"
    here = Path.cwd()
    return shlex.quote(str(OURS.relative_to(here) if OURS.is_relative_to(here) else OURS))


def pasteable(text: str) -> str:
    """The text with every command that it quotes (`driftline stack up`, in backticks) as it is to be called."""
    return re.sub("(?<=`)driftline(?= )", lambda _: program(), text)
