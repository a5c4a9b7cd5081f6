"""Child processes that end with their parent. Standard library only: the keeper of a server imports it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def end_with(parent: int, signum: int) -> Callable[[], None]:
    """Make what a child is to call between fork and exec, so that the kernel signals it when its parent dies.

    Linux only; elsewhere the child gets no signal.

    Args:
        parent: The process that forks.
        signum: The signal, sent however the parent ends.
    """

    def ask() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum)
            if os.getppid() != parent:  # it died before we asked
                os._exit(1)

    return ask
