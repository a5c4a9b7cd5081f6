"""Named places where a test may kill the process, as `kill -9` would: nothing is cleaned up.

`DRIFTLINE_FAILPOINT=consumer.after_update:3` dies at the third passage of that place.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()
_armed, _, _count = os.environ.get("DRIFTLINE_FAILPOINT", "").partition(":")


def reach(name: str) -> None:
    """Die here if this place is the armed one and it is its turn; else nothing."""
    if name != _armed:
        return
    _passed[name] += 1
    if _passed[name] == int(_count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
