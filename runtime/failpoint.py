"""Named places where a test may kill the process, as `kill -9` would: nothing is cleaned up.

`DRIFTLINE_FAILPOINT=consumer.after_update:3` kills the process at its third passage of that place.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()
_armed, _, _count = os.environ.get("DRIFTLINE_FAILPOINT", "").partition(":")


def failpoint(name: str) -> None:
    """Kill this process if the place is the armed one, and this is the passage to die at.

    Args:
        name: Of the place, such as `consumer.after_update`.
    """
    if name != _armed:
        return
    _passed[name] += 1
    if _passed[name] == int(_count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
