"""SIGTERM and SIGINT: the stage drains and ends; what hangs meanwhile is left behind.

The handler itself does nothing. Python runs it in the main thread, between two steps of whatever is going on there:
perhaps inside a lock that `Event.set` needs, perhaps not before a long call into C is over. A thread reads from a
pipe what the signal wrote there at once.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

import structlog

from runtime.interrupts import INTERRUPTED

log = structlog.get_logger()

PATIENCE_S = 8.0
"""Given to drain; those who stop us give ten seconds in all, before they kill."""

LAST_S = 1.5
"""After that the kernel ends us, by SIGALRM: no thread of ours runs any more while the interpreter is torn down."""


_received: set[int] = set()


def stopping(patience_s: float = PATIENCE_S) -> threading.Event:
    """Set by SIGTERM and SIGINT. Who is still there `patience_s` seconds later, is ended, by `leave`.

    Nothing is lost then: what counts is in Postgres and Kafka, and whoever is started next goes on from there, as
    after kill -9. Only a server that does not answer, or a very long window, takes so long. Main thread only.
    """
    stop = threading.Event()
    ours, signals = socket.socketpair()
    signals.setblocking(False)
    signal.set_wakeup_fd(signals.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_heed, args=(ours, stop, patience_s), name="stopping", daemon=True).start()
    return stop


def leave() -> NoReturn:
    """To be called when all is done. Ends the process at once, with exit code 0, and 130 after Ctrl-C.

    A supervisor asks for an orderly end by SIGTERM: draining is success. After Ctrl-C a script must not go on as if
    the run were replayed, or final.

    All that a normal end would do is for others: threads, finalizers and static destructors of a dozen libraries.
    Any of them may hang, and for some of them no thread of ours runs any more to notice.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it may be gone
            stream.flush()
    os._exit(INTERRUPTED if signal.SIGINT in _received else 0)


def _heed(signals: socket.socket, stop: threading.Event, patience_s: float) -> None:
    while not _received:  # and never closed: a second signal is still written to the other end
        _received.update({signal.SIGTERM, signal.SIGINT}.intersection(signals.recv(64)))
    signal.setitimer(signal.ITIMER_REAL, patience_s + LAST_S)
    log.info("stopping", at_most_s=patience_s)
    stop.set()
    time.sleep(patience_s)
    log.warning("left_undrained", after_s=patience_s, lost="nothing: the next one goes on from what is committed")
    leave()
