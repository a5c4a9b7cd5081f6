"""Monitors that die at any moment, beside others or alone, leave the rows of a quiet one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas.streams.taxi import OUTCOMES, TRIPS
from tests.fleet import exitcode
from tests.monitor.feed import (
    FORGET_RESULTS,
    HOUR,
    T0,
    Feed,
    Running,
    StubEngine,
    monitor,
    results,
    settings,
    status_of,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.faults]

FAILPOINTS = ("monitor.mid_report", "monitor.before_commit", "monitor.after_commit")


@pytest.fixture
def feed(database: str) -> Iterator[Feed]:
    with Feed(database) as made:
        for hour in range(4):
            for stream in (TRIPS, OUTCOMES):
                for partition in (0, 1):
                    made.flush(stream, partition, [T0 + hour * HOUR + n * 60_000 for n in range(partition, 20, 2)])
        yield made


def doomed(url: str, failpoint: str) -> int | None:
    """A monitor in a process of its own, which dies there; its exit code."""
    return exitcode(failpoint, monitor, url, sizes=(HOUR, 6 * HOUR))


def undone(feed: Feed) -> None:
    feed.connection.execute(FORGET_RESULTS)


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_monitor_killed_there_again_and_again_leaves_the_rows_of_a_quiet_one(feed: Feed, failpoint: str) -> None:
    feed.finish()
    monitor(feed.url, sizes=(HOUR, 6 * HOUR))
    expected = results(feed.connection, more=", revision")
    undone(feed)
    for passage in (1, 4):
        assert doomed(feed.url, f"{failpoint}:{passage}") == -9
    monitor(feed.url, sizes=(HOUR, 6 * HOUR))
    assert results(feed.connection, more=", revision") == expected


def test_a_monitor_that_lives_takes_over_from_one_that_was_killed(feed: Feed) -> None:
    feed.finish()
    monitor(feed.url, sizes=(HOUR, 6 * HOUR))
    expected = results(feed.connection, more=", revision")
    undone(feed)
    with Running(settings(feed.url, sizes=(HOUR, 6 * HOUR)), StubEngine()) as running:
        doomed(feed.url, "monitor.before_commit:2")
        running.join()
    assert results(feed.connection, more=", revision") == expected


def test_a_revision_that_was_killed_before_its_commit_counts_once(feed: Feed) -> None:
    last = T0 + 3 * HOUR
    feed.flush(TRIPS, 0, mark=T0 + 9 * HOUR)
    feed.mark(T0 + 9 * HOUR, [OUTCOMES])
    feed.beat(1, caught_up_s=60)
    with Running(settings(feed.url), StubEngine()):
        until(lambda: status_of(feed.connection, last) == ("provisional", 20, 0))
        until(lambda: status_of(feed.connection, last, OUTCOMES) == ("provisional", 20, 0))
    feed.flush(TRIPS, 1, [last + 30 * 60_000])
    feed.finish()
    for _ in range(2):
        assert doomed(feed.url, "monitor.before_commit:1") == -9
    monitor(feed.url, sizes=(HOUR,))
    assert status_of(feed.connection, last) == ("final", 21, 1)
    assert status_of(feed.connection, last, OUTCOMES) == ("final", 20, 1)


def test_a_monitor_killed_while_it_merges_chunks_leaves_them_as_they_were(database: str) -> None:
    chunks = "SELECT first_offset, last_offset, rows, payload FROM driftline.chunk ORDER BY 1"
    with Feed(database) as feed:
        for n in range(70):
            feed.flush(TRIPS, 0, [T0 + n * 120_000])
        before = feed.connection.execute(chunks).fetchall()
        assert doomed(database, "monitor.mid_merge:1") == -9
        assert feed.connection.execute(chunks).fetchall() == before
        with Running(settings(database, until_done=None), StubEngine()):
            until(lambda: len(feed.connection.execute(chunks).fetchall()) == 7)
