"""From a monitor that is killed around the outbox to a receiver: each change once by its id, and the same rows."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.databases import fresh_database
from tests.fleet import eventually, exitcode
from tests.monitor.feed import HOUR, Feed
from tests.monitor.watched import MONDAY, STREAM, changes, hours, outcome, send, watch
from tests.notifier.receivers import HERE, HttpReceiver, receiving
from tests.notifier.told import ask, notify, notifying, outcomes, settings

pytestmark = [pytest.mark.integration, pytest.mark.faults]

PLACES = (
    "before_fold_commit:1",
    "after_fold_commit:1",
    "before_fold_commit:3",
    "before_commit:20",
    "after_commit:20",
)

TARGETS = "SELECT target FROM driftline.notification_target"


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    with receiving() as receiver:
        yield receiver


def drifted(feed: Feed) -> None:
    send(feed, hours(0, 30, seed=2))
    send(feed, hours(30, 60, seed=2, shift=4.0))
    feed.mark(MONDAY + 60 * HOUR, feed.stream.topics)
    feed.finish()


def expected(feed: Feed) -> list[str]:
    found = feed.connection.execute("SELECT alarm_id, number FROM driftline.alarm_change ORDER BY change_id")
    return [f"{alarm_id}#{number}" for alarm_id, number in found]


def test_changes_arrive_whoever_is_killed_and_the_rows_are_those_of_a_stream_that_nobody_is_told_of(
    database: str, template: str, http: HttpReceiver
) -> None:
    with fresh_database(database, template) as quiet, Feed(quiet, stream=STREAM) as feed:
        drifted(feed)
        watch(quiet)
        calm = outcome(feed.connection)
    address = f"json://{HERE}:{http.port}"
    with Feed(database, stream=STREAM) as feed:
        with notifying(settings(database, address)):
            eventually(lambda: ask(database, TARGETS), lambda: "no target")
        http.close()
        drifted(feed)
        for place in PLACES:
            assert exitcode(f"monitor.{place}", watch, database) == -signal.SIGKILL
        watch(database)
        assert outcome(feed.connection) == calm
        wanted = expected(feed)
        assert [state for _, state in changes(feed.connection)] == ["firing"]
        assert exitcode("notifier.before_send:1", notify, settings(database, address)) == -signal.SIGKILL
        http.open()
        for place in ("sent", "marked"):
            assert exitcode(f"notifier.{place}:1", notify, settings(database, address)) == -signal.SIGKILL
        with notifying(settings(database, address)):
            eventually(lambda: len(outcomes(database)) == len(wanted), lambda: str(outcomes(database)))
        assert list(dict.fromkeys(http.ids)) == wanted
        assert outcome(feed.connection) == calm
