"""`driftline dummy`: write the run and, with `--live`, extend it until stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from local.dummy.plan import DummyPlan
from local.dummy.store import advance, finish, replace
from schemas.durations import moment
from storage.connect import Connection, connect_now
from storage.errors import permission
from storage.prepare import prepare_as_allowed

Say = Callable[[str], None]


def write(url: str, made: DummyPlan, stop: threading.Event, say: Say, *, pause: float = 1.0) -> None:
    """Replace the run; a live one then grows by its smallest window each `pause` seconds until `stop`.

    Raises:
        DatabaseUnreachable: Postgres does not answer or refuses.
        RunConflict: There is a run of that name which is no dummy run.
    """
    do = "set DATABASE_URL to a login that may: the owner of schema driftline"
    with connect_now(url) as connection, permission("write", url, do):
        prepare_as_allowed(connection)
        began = time.monotonic()
        windows, figures = replace(connection, made)
        say(f"wrote run {made.run}: {windows:,} windows, {figures:,} figures, {time.monotonic() - began:.1f} s")
        say(f"event time {moment(made.start):%Y-%m-%d} to {moment(made.now):%Y-%m-%d %H:%M}")
        for text in places(made):
            say(text)
        if made.live:
            _go_on(connection, made, stop, say, pause)


def places(made: DummyPlan) -> tuple[str, ...]:
    """Describe where to see it."""
    return (
        f"board     `driftline board`, then http://127.0.0.1:8000/?run={made.run}",
        f"Grafana   dashboard driftline-live, run {made.run}, axis wall: the last 15 minutes",
        f"terminal  `driftline windows --run {made.run}`",
    )


def _go_on(connection: Connection, made: DummyPlan, stop: threading.Event, say: Say, pause: float) -> None:
    """Add a window at each step; event time runs ahead of the clock from here on."""
    say("adding a window each second; Ctrl-C ends it")
    at, step = made.now, made.sizes[0]
    while not stop.wait(pause):
        advance(connection, made, at, at + step, round(time.time() * 1_000))
        at += step
    finish(connection, made, round(time.time() * 1_000))
