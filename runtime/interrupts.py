"""Ctrl-C at any moment: no traceback. Imported before anything else, since imports take up to a second."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
"""The exit code by which a shell reports a process that SIGINT ended."""

_PROGRAMS = ("driftline", "driftline.py")


def end_on_interrupt() -> None:
    """Let Ctrl-C end the process at once, while modules are imported and while the interpreter is torn down.

    Only where the process is the command line's own, and SIGINT is not ignored, as in a script's background.
    """
    if os.path.basename(sys.argv[0]) in _PROGRAMS and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def raise_on_interrupt() -> None:
    """Make Ctrl-C a KeyboardInterrupt again where `end_on_interrupt` had changed that, so that cleanup is done."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> NoReturn:
    os._exit(INTERRUPTED)


end_on_interrupt()
