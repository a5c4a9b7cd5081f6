"""What a monitor reports and checks before it imports Evidently, which takes seconds, at worst a minute."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import TypeVar

import structlog

from monitor.settings import Settings
from monitor.sizes import USUAL_PANE, fits, misfit
from schemas.durations import duration_text
from storage.connect import Connection, connect
from storage.errors import Error
from storage.health import report_health
from storage.snapshot import SQL

log = structlog.get_logger()

BEAT_S = 5.0
INSTANCE = f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def announced(url: str, run_id: str | None) -> Iterator[None]:
    """Report in table `health` that a monitor is starting, so that nobody is advised to start another.

    Args:
        url: Of the database.
        run_id: The run that the monitor is for; None for all.
    """
    ready = threading.Event()
    thread = threading.Thread(target=_announce, args=(url, run_id, ready), name="announcing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ready.set()
        thread.join(1.0)  # it may be waiting for a server that does not answer


T = TypeVar("T")


def unless_stopped(make: Callable[[], T], stop: threading.Event) -> T | None:
    """Call `make`, but return None as soon as `stop` is set: an import cannot be interrupted.

    Nothing is lost: a monitor that is starting has not begun to work.

    Raises:
        BaseException: Whatever `make` raises.
    """
    made: Future[T] = Future()

    def run() -> None:
        try:
            made.set_result(make())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, name="starting", daemon=True).start()
    while not stop.is_set():
        if wait([made], 0.1).done:
            return made.result()
    return None


def _announce(url: str, run_id: str | None, ready: threading.Event) -> None:
    """Nothing depends on this: errors of the database are left to the code that needs it."""
    with suppress(Error), connect(url) as connection:
        while not ready.is_set():
            report_health(connection, "monitor", INSTANCE, run_id, {"starting": True})
            ready.wait(BEAT_S)


def check_sizes(connection: Connection, settings: Settings) -> None:
    """Check the window sizes against the panes of known runs.

    Other runs may come: for sizes that fit no known run, nor the usual pane, there is only a warning.

    Raises:
        UsageError: Runs are going on, and no size is a whole number of panes of any of them.
    """
    runs = connection.execute(SQL["panes"], {"only": settings.until_done}).fetchall()
    going = [(run_id, pane) for run_id, pane, over in runs if not over or run_id == settings.until_done]
    if going and not any(fits(size, pane) for size in settings.sizes for _, pane in going):
        raise misfit(*going[0], settings.sizes)
    panes = {USUAL_PANE, *(pane for _, pane, _ in runs)}
    if odd := [size for size in settings.sizes if not any(fits(size, pane) for pane in panes)]:
        log.warning(
            "sizes_of_no_known_pane",
            sizes=",".join(map(duration_text, odd)),
            panes=",".join(map(duration_text, sorted(panes))),
            do="choose multiples of a pane, or start consumers with a --pane that divides the sizes",
        )
