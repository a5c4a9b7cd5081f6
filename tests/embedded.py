"""What tests do to the servers of an embedded stack: find them, kill them, wait for them."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

from local.stack import embedded
from local.stack.part import has_keeper, read_keeper_report, wait_until_ready


def pids(state: Path) -> dict[str, int]:
    """Process ids of the servers that run."""
    homes = [state.absolute() / part.name for part in embedded.PARTS]
    return {home.name: report.server for home in homes if has_keeper(home) and (report := read_keeper_report(home))}


def kill(name: str, state: Path) -> None:
    """SIGKILL to a server. Its keeper starts it again with its port and data: `wait`."""
    os.kill(pids(state)[name], signal.SIGKILL)


def wait(state: Path, seconds: float = 60.0) -> None:
    """Until every server that is kept here answers again. Raises StackBroken."""
    for part in embedded.PARTS:
        if has_keeper(home := state.absolute() / part.name):
            wait_until_ready(part, home, seconds, deaths=math.inf)
