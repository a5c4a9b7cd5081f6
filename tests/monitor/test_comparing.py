"""Segments as sides of a comparison, on a real Postgres: what a monitor has stored of them."""

from __future__ import annotations

import pytest

from monitor.comparing import Compared, compare_sides
from schemas.errors import UsageError
from schemas.sides import Side
from storage.connect import connect
from tests.monitor.feed import HOUR, Feed
from tests.monitor.test_alarms import end
from tests.monitor.watched import DIVIDED, MONDAY, STREAM, hours, send, watch

pytestmark = pytest.mark.integration

DRIFT, END = 30, 60


@pytest.fixture
def feed(database: str) -> Feed:
    """Of `west` the amounts are larger from some hour on."""
    with Feed(database, stream=DIVIDED) as made:
        send(made, hours(0, DRIFT, seed=2))
        send(made, hours(DRIFT, END, seed=2, shift=3.0, only="west"))
        end(made, END)
        return made


def before_and_after(feed: Feed, segment: str) -> Compared:
    sides = [
        Side("r", MONDAY + first * HOUR, MONDAY + last * HOUR, segment)
        for first, last in ((0, DRIFT), (DRIFT, END))
    ]
    with connect(feed.url) as connection:
        return compare_sides(connection, *sides, run=None, fallback=DIVIDED)


def test_a_segment_has_moved_and_another_one_has_not(feed: Feed) -> None:
    watch(feed.url, DIVIDED)
    west, north, whole = (before_and_after(feed, name) for name in ("depot=west", "depot=north", ""))
    assert west.a.endswith("/depot=west")
    moved = west.comparison.columns[0]
    assert moved.ratio > 2
    assert all(column.ratio < moved.ratio / 2 for column in north.comparison.columns if column.name == moved.name)
    assert whole.comparison.rows.a is not None
    assert west.comparison.rows.a is not None
    assert 0 < west.comparison.rows.a < whole.comparison.rows.a
    with pytest.raises(UsageError, match="no segment depot=moon") as error:
        before_and_after(feed, "depot=moon")
    assert "depot=west" in error.value.do


def test_segments_that_nobody_counted_cannot_be_compared(feed: Feed) -> None:
    watch(feed.url, STREAM)
    with pytest.raises(UsageError, match="not watched"):
        before_and_after(feed, "depot=west")
