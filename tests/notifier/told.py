"""Runs and alarms, made up, and a notifier that tells of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from notifier import stage
from notifier.addresses import parse
from notifier.settings import Settings
from notifier.targets import Target
from schemas.alarms import AlarmChange
from tests.fleet import PATIENCE_S
from tests.monitor.changes import write


def settings(url: str, *addresses: str, environ: Mapping[str, str] = {}, **changes: Any) -> Settings:
    """Of a notifier that does not wait long."""
    known = {
        "notify": tuple(parse(text, environ) for text in addresses),
        "poll_s": 0.05,
        "lease_s": 1.0,
        "longest_s": 0.5,
    }
    return Settings(database_url=url, **known | changes)


def notify(made: Settings) -> None:
    """Run a notifier until it is killed."""
    stage.run(made, threading.Event())


@contextmanager
def notifying(made: Settings, targets: Sequence[Target] | None = None) -> Iterator[None]:
    """Run a notifier meanwhile."""
    stop, failed = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            stage.run(made, stop, targets)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert failed == []


def begin(url: str, run: str = "r", source: str = "x", *, done: bool = False) -> None:
    """A run that is watched."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO driftline.run VALUES (%s, %s, now(), NULL, NULL, 300000, 0, 0, 0, NULL)", (run, source)
        )
        connection.execute("INSERT INTO driftline.summary_layout VALUES ('l', '{}') ON CONFLICT DO NOTHING")
        connection.execute(
            "INSERT INTO driftline.watch (run_id, layout, sizes_s, promise, done)"
            " VALUES (%s, 'l', '{3600}', 1, %s)",
            (run, done),
        )


def alarms(url: str, changes: Sequence[AlarmChange]) -> None:
    """As a fold writes them, one transaction for each."""
    write(url, changes)


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query)
        return found.fetchall() if found.description else []


def outcomes(url: str) -> list[tuple[Any, ...]]:
    """(outcome, reminders) of each change that is settled, in order."""
    return ask(url, "SELECT outcome, reminders FROM driftline.notification ORDER BY target, change_id")
