"""A consumer that sleeps past its session timeout wakes up with rows that are not its to write any more."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psycopg
import pytest

from tests.databases import limit_sleep
from tests.fleet import Fleet, eventually
from tests.logs import RUN

pytestmark = [pytest.mark.integration, pytest.mark.faults]


def test_a_consumer_that_sleeps_before_its_flush_is_fenced_and_then_a_member_like_any_other(
    fleet: Fleet, database: str, same_rows: Callable[[], None]
) -> None:
    sleeper = fleet.consumer("consumer.before_flush:4 sleep", until_done=None, instance="sleeper")
    eventually(lambda: sleeper.sleeps, lambda: sleeper.text)
    other = fleet.consumer(until_done=None)
    eventually(lambda: _finished(database), lambda: other.text)
    assert "sleeper" not in _owners(database)
    sleeper.signal(signal.SIGCONT)
    eventually(lambda: "sleeper" in _owners(database), lambda: sleeper.text)
    for each in (sleeper, other):
        each.terminate()
    fleet.finish(sleeper, other, fleet.monitor())
    assert "fenced" in sleeper.text
    same_rows()


def test_one_that_falls_asleep_in_its_transaction_holds_nobody_up(
    fleet: Fleet, database: str, same_rows: Callable[[], None]
) -> None:
    """It holds the lock of its partition's row: Postgres takes it away."""
    limit_sleep(database)
    sleeper = fleet.consumer("consumer.after_update:4 sleep")
    eventually(lambda: sleeper.sleeps, lambda: sleeper.text)
    other = fleet.consumer()
    eventually(lambda: _finished(database), lambda: other.text)
    sleeper.signal(signal.SIGCONT)
    fleet.finish(sleeper, other, fleet.monitor())
    same_rows()


def _owners(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        return {owner for (owner,) in connection.execute("SELECT owner FROM driftline.partition_progress")}


def _finished(database: str) -> bool:
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT finished_at FROM driftline.run WHERE run_id = %s", (RUN,)).fetchone()
        return found is not None and found[0] is not None
