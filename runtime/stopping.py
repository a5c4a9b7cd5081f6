"""SIGTERM and SIGINT: the stage drains and ends, and what still hangs then is cut off.

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
"""Seconds to drain; supervisors kill after ten seconds in all."""

LAST_S = 1.5
"""Seconds after that, at which the kernel ends the process by SIGALRM: no thread runs any more while the
interpreter is torn down."""


_received: set[int] = set()


def stop_on_signals(patience_s: float = PATIENCE_S) -> threading.Event:
    """Have SIGTERM and SIGINT set an event. To be called in the main thread.

    A process that still runs `patience_s` after the signal is ended by `exit_now`. Nothing is lost: what counts is
    in Postgres and Kafka, and the next process goes on from there, as after kill -9. Only a server that does not
    answer, or a very long window, takes so long.

    Args:
        patience_s: Seconds from the signal to the end of the process.
    """
    stop = threading.Event()
    ours, signals = socket.socketpair()
    signals.setblocking(False)
    signal.set_wakeup_fd(signals.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_wait_for_signal, args=(ours, stop, patience_s), name="stopping", daemon=True).start()
    return stop


def exit_now() -> NoReturn:
    """End the process at once, when all is done: with exit code 0, or 130 after Ctrl-C.

    A supervisor requests an orderly end by SIGTERM: draining is success. After Ctrl-C a script must not continue as
    if the run were replayed, or final.

    A normal exit would run threads, finalizers and static destructors of a dozen libraries. Any of them may hang,
    and for some of them no thread of this program runs any more to notice.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # its reader may be gone
            stream.flush()
    os._exit(INTERRUPTED if signal.SIGINT in _received else 0)


def _wait_for_signal(signals: socket.socket, stop: threading.Event, patience_s: float) -> None:
    while not _received:  # and never closed: a second signal is still written to the other end
        _received.update({signal.SIGTERM, signal.SIGINT}.intersection(signals.recv(64)))
    signal.setitimer(signal.ITIMER_REAL, patience_s + LAST_S)
    log.info("stopping", at_most_s=patience_s)
    stop.set()
    time.sleep(patience_s)
    log.warning("left_undrained", after_s=patience_s, lost="nothing: the next one goes on from what is committed")
    exit_now()
