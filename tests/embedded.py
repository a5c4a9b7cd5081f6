"""What tests do to the servers of an embedded stack: find them, kill them, wait for them."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

from local.stack import embedded
from local.stack.part import is_kept, kept_by, wait_until_it_answers


def pids(state: Path) -> dict[str, int]:
    """Process ids of the servers that run."""
    homes = [state.absolute() / part.name for part in embedded.PARTS]
    return {home.name: kept.server for home in homes if is_kept(home) and (kept := kept_by(home))}


def kill(name: str, state: Path) -> None:
    """SIGKILL to a server. Its keeper starts it again with its port and data: `wait`."""
    os.kill(pids(state)[name], signal.SIGKILL)


def wait(state: Path, seconds: float = 60.0) -> None:
    """Until every server that is kept here answers again. Raises StackBroken."""
    for part in embedded.PARTS:
        if is_kept(home := state.absolute() / part.name):
            wait_until_it_answers(part, home, seconds, deaths=math.inf)
