"""Sessions with the database: what may pass is waited for, anything else ends the stage at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import structlog

from runtime.backoff import Backoff
from schemas.errors import DatabaseUnreachable
from storage.errors import explain

log = structlog.get_logger()

FIRST_S = 0.2
"""Seconds before the second attempt."""


class Trouble(NamedTuple):
    """Why a session ended: the event of the log, its words, and what the operator may do."""

    event: str
    error: str
    do: str


def run_sessions(
    session: Callable[[], None],
    url: str,
    stop: threading.Event,
    *,
    longest: float = 10.0,
    on_trouble: Callable[[str], None] = lambda _: None,
    others: Callable[[Exception], Trouble | None] = lambda _: None,
) -> None:
    """Run a session to its end; begin it again whenever it fails for a reason that may pass.

    A session starts from what is in Postgres, as after a kill: there is one way to recover.

    Args:
        session: Returns when its work is done, or `stop` is set.
        url: Of the database.
        stop: Ends the waiting.
        longest: Seconds between two attempts at most; they begin at FIRST_S and double.
        on_trouble: Called with the reason, in one line.
        others: Which errors may pass, apart from those of Postgres.

    Raises:
        DatabaseUnreachable: Postgres refuses, and would refuse again.
    """
    backoff, full = Backoff(FIRST_S, longest), ""
    while not stop.is_set():
        began = time.monotonic()
        try:
            session()
            break
        except Exception as error:
            if (trouble := others(error) or transient(error, url)) is None:
                raise
            if time.monotonic() - began > longest:
                backoff.reset()
                full = ""
            pause_s = backoff.next_s()
            if trouble.event == "database_full" or (full and trouble.event == "database_down"):
                full = full or trouble.do  # a server that ran out of space may be down until there is some
                trouble = Trouble("database_full", trouble.error, full)
            log.warning(trouble.event, error=trouble.error, do=trouble.do, retry_s=pause_s)
            on_trouble(f"{trouble.event}: {trouble.error}")
            stop.wait(pause_s)


def transient(error: Exception, url: str) -> Trouble | None:
    """Explain an error of Postgres that may pass; None for what is no error of Postgres.

    Raises:
        DatabaseUnreachable: It would come again.
    """
    if (failure := explain(error, url)) is None:
        return None
    if not failure.transient:
        raise DatabaseUnreachable(f"{failure.what} ({failure.detail})", failure.do) from error
    return Trouble(failure.event, failure.detail, failure.advice("it goes on then"))
