"""Each change arrives, whoever is killed where and whatever is down; none arrives twice under another id."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from urllib.error import HTTPError

import pytest
import structlog

from notifier.addresses import Selection
from notifier.courier import Courier
from notifier.gauges import NotifierGauges
from notifier.messages import Message
from notifier.targets import Undelivered
from schemas.alarms import AlarmChange
from storage.connect import connect
from storage.decisions import add_silence, end_silence
from storage.notifications import Ledger, TargetRow, targets, told
from tests.fleet import eventually, exitcode
from tests.monitor.changes import change
from tests.notifier.receivers import HERE, HttpReceiver, receiving
from tests.notifier.told import alarms, ask, begin, notify, notifying, outcomes, settings
from tests.runtime import scrape

pytestmark = pytest.mark.integration

MINUTE = 60.0
FIRST = [change("é:1h", 1), change("b", 1), change("é:1h", 2, state="recovered")]
THEN = [change("c", 1), change("b", 2, state="withdrawn")]


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _run(database: str) -> None:
    begin(database)


def hook(http: HttpReceiver, tracks: str = "") -> str:
    return f"{tracks}json://{HERE}:{http.port}"


def ids(changes: list[AlarmChange]) -> list[str]:
    return [f"{one.alarm_id.replace('é', '%C3%A9')}#{one.number}" for one in changes]


def arrive(http: HttpReceiver, expected: list[str]) -> None:
    eventually(lambda: len(http.ids) >= len(expected), lambda: f"{http.ids}, not {expected}")
    assert http.ids == expected


def settled(database: str, count: int) -> None:
    eventually(lambda: len(outcomes(database)) >= count, lambda: str(outcomes(database)))


def is_settled(database: str, expected: list[tuple[str, int]]) -> bool:
    return outcomes(database) == expected


def known(database: str, address: str) -> None:
    """Let a target be there before anything happens."""
    with notifying(settings(database, address)):
        eventually(lambda: targets_of(database), lambda: "no target")


def targets_of(database: str) -> list[TargetRow]:
    with connect(database) as connection:
        return targets(connection)


def test_each_change_is_told_once_in_order_to_each_target(database: str, http: HttpReceiver) -> None:
    with receiving() as other, notifying(settings(database, hook(http), hook(other, "harm="))):
        eventually(lambda: len(targets_of(database)) == 2, lambda: "targets")
        alarms(database, [*FIRST, change("h", 1, track="harm"), *THEN])
        arrive(http, [*ids(FIRST), "h#1", *ids(THEN)])
        arrive(other, ["h#1"])
        settled(database, 7)
    with notifying(settings(database, hook(http))):
        alarms(database, [change("d", 1)])
        arrive(http, [*ids(FIRST), "h#1", *ids(THEN), "d#1"])


def test_a_new_target_is_told_of_what_fires_and_not_of_what_was(database: str, http: HttpReceiver) -> None:
    begin(database, "over", done=True)
    alarms(database, [*FIRST, change("o", 1, run_id="over")])
    with notifying(settings(database, hook(http))):
        arrive(http, ["b#1"])
        alarms(database, THEN)
        arrive(http, ["b#1", *ids(THEN)])


def test_nobody_is_told_of_what_is_made_up_or_of_another_stream(database: str, http: HttpReceiver) -> None:
    begin(database, "dummy", "dummy")
    with notifying(settings(database, hook(http, "parcels:all="))):
        eventually(lambda: targets_of(database), lambda: "no target")
        parcels = change("p", 1, stream="parcels")
        alarms(database, [*FIRST, change("d", 1, run_id="dummy", stream="parcels"), parcels])
        arrive(http, ["p#1"])


PLACES = ("before_send", "sent", "sent", "marked", "before_send:2", "sent:2", "marked:3")


@pytest.mark.faults
def test_notifiers_killed_anywhere_lose_no_change_and_repeat_one_only_under_its_id(
    database: str, http: HttpReceiver
) -> None:
    known(database, hook(http))
    alarms(database, [*FIRST, *THEN, *(change(f"m{n}", 1) for n in range(6))])
    wanted = [*ids(FIRST), *ids(THEN), *(f"m{n}#1" for n in range(6))]
    for place in PLACES:
        assert exitcode(f"notifier.{place}", notify, settings(database, hook(http))) == -signal.SIGKILL
    with notifying(settings(database, hook(http))):
        settled(database, len(wanted))
    assert list(dict.fromkeys(http.ids)) == wanted
    # Killed between sending and marking, three times.
    assert len(http.ids) == len(wanted) + 3


@pytest.mark.faults
def test_a_second_notifier_waits_and_takes_over_from_one_that_was_killed(database: str, http: HttpReceiver) -> None:
    known(database, hook(http))
    alarms(database, FIRST)
    assert exitcode("notifier.sent:1", notify, settings(database, hook(http))) == -signal.SIGKILL
    with (
        notifying(settings(database, hook(http), instance="a")),
        notifying(settings(database, hook(http), instance="b")),
    ):
        settled(database, 3)
        alarms(database, THEN)
        settled(database, 5)
    assert http.ids == [ids(FIRST)[0], *ids(FIRST), *ids(THEN)]


def test_a_target_that_is_down_is_seen_delays_nobody_else_and_gets_everything_in_the_end(
    database: str, http: HttpReceiver
) -> None:
    with receiving() as other, structlog.testing.capture_logs() as logs:
        made = settings(database, hook(http), hook(other), metrics_port=0)
        with notifying(made):
            eventually(lambda: len(targets_of(database)) == 2, lambda: "targets")
            (url,) = [entry["url"] for entry in logs if entry["event"] == "metrics_at"]
            http.close()
            alarms(database, FIRST)
            arrive(other, ids(FIRST))
            eventually(lambda: "notification_failed" in health(url), lambda: health(url))
            (row,) = [row for row in targets_of(database) if row.error]
            assert (row.waiting, "refused" in (row.error or "")) == (3, True)
            assert 'driftline_notifications_waiting{target="json://' in metrics(url)
            alarms(database, THEN)
            arrive(other, [*ids(FIRST), *ids(THEN)])
            assert http.ids == []
            http.open()
            arrive(http, [*ids(FIRST), *ids(THEN)])
            eventually(lambda: "notification_failed" not in health(url), lambda: health(url))
    assert {entry["event"] for entry in logs if entry["log_level"] == "warning"} == {"notification_failed"}


class Down:
    """A target that takes nothing for the first minute of a clock."""

    def __init__(self) -> None:
        self.name, self.selection = "down", Selection()
        self.now, self.attempts, self.took = 0.0, list[float](), list[str]()

    def clock(self) -> float:
        return self.now

    def send(self, message: Message) -> None:
        self.attempts.append(self.now)
        if self.now < MINUTE:
            raise Undelivered("refused")
        self.took.append(message.id)

    def test(self) -> None: ...

    def keep(self, live: Sequence[Message]) -> None: ...


def test_after_a_minute_without_a_receiver_each_change_arrives_once(database: str) -> None:
    down = Down()
    made = settings(database, longest_s=10.0)
    courier = Courier(down, made, NotifierGauges(), threading.Event(), down.clock)
    alarms_left = [*FIRST, *THEN]
    with connect(database) as connection:
        connection.autocommit = True
        ledger = Ledger(connection, down.name, stream=None, tracks=("change",), holder="me")
        ledger.add()
        while down.now < 2 * MINUTE:
            if alarms_left and down.now % 20 == 0:
                alarms(database, [alarms_left.pop(0)])
            courier.round(connection, ledger)
            if down.now == MINUTE - 1:
                assert [(row.outcome, row.error) for row in told(connection, "b")] == [(None, "refused")]
            down.now += 1
        assert [row.outcome for row in told(connection, "b")] == ["sent", "sent"]
    assert down.took == [*ids(FIRST), *ids(THEN)]
    assert len(outcomes(database)) == 5
    failed = [at for at in down.attempts if at < MINUTE]
    assert len(failed) < 15, "the pauses grow"
    assert next(at for at in down.attempts if at >= MINUTE) <= MINUTE + made.longest_s + 1


def health(url: str) -> str:
    return said(f"{url}/healthz")


def metrics(url: str) -> str:
    return said(f"{url}/metrics")


def said(url: str) -> str:
    """Whatever the status is."""
    try:
        with scrape.OPENER.open(url, timeout=60) as response:
            return str(response.read().decode())
    except HTTPError as error:
        with error:
            return error.read().decode()


ENDED = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'driftline-notifier' AND datname = current_database()"""


def test_a_notifier_outlives_the_loss_of_postgres_and_repeats_nothing(database: str, http: HttpReceiver) -> None:
    with notifying(settings(database, hook(http))):
        eventually(lambda: targets_of(database), lambda: "no target")
        alarms(database, FIRST)
        settled(database, 3)
        assert ask(database, ENDED) == [(1,)]
        alarms(database, THEN)
        settled(database, 5)
    assert http.ids == ids([*FIRST, *THEN])


def test_one_is_reminded_until_somebody_has_judged_the_alarm(database: str, http: HttpReceiver) -> None:
    def sent_a_day_ago() -> None:
        ask(database, "UPDATE driftline.notification SET sent_at = sent_at - interval '25 hours'")

    with notifying(settings(database, hook(http))):
        eventually(lambda: targets_of(database), lambda: "no target")
        alarms(database, [change("a", 1)])
        settled(database, 1)
        for reminder in (1, 2):
            sent_a_day_ago()
            told = [("sent", reminder)]
            eventually(partial(is_settled, database, told), lambda: str(outcomes(database)))
        assert http.ids == ["a#1", "a#1+1", "a#1+2"]
        judged = (
            "INSERT INTO driftline.alarm_ack (alarm_id, run_id, verdict, author) VALUES ('a', 'r', 'real', 'me')"
        )
        ask(database, judged)
        sent_a_day_ago()
        alarms(database, [change("a", 2, state="recovered")])
        arrive(http, ["a#1", "a#1+1", "a#1+2", "a#2"])


def test_a_silence_holds_messages_back_and_drops_what_ended_meanwhile(database: str, http: HttpReceiver) -> None:
    with connect(database) as connection:
        silence, _ = add_silence(
            connection,
            run="r",
            track=None,
            column=None,
            until=None,
            duration=timedelta(hours=1),
            author="me",
            reason="why",
        )
        known(database, hook(http))
        alarms(database, [*FIRST, change("o", 1, run_id="other")])
        begin(database, "other")
        with notifying(settings(database, hook(http))):
            settled(database, 3)
            assert outcomes(database) == [("silenced", 0), ("silenced", 0), ("sent", 0)]
            end_silence(connection, silence)
            arrive(http, ["o#1", "b#1"])


def test_a_run_that_is_removed_leaves_nothing_to_tell(database: str, http: HttpReceiver) -> None:
    known(database, hook(http))
    alarms(database, FIRST)
    ask(database, "DELETE FROM driftline.alarm_change WHERE alarm_id = 'b'")
    with notifying(settings(database, hook(http))):
        settled(database, 2)
        ask(database, "DELETE FROM driftline.alarm_change")
        assert outcomes(database) == []


def test_a_stream_that_nobody_knows_is_named(database: str, http: HttpReceiver) -> None:
    with structlog.testing.capture_logs() as logs, notifying(settings(database, hook(http, "tax:all="))):
        eventually(lambda: targets_of(database), lambda: "no target")
    assert [entry["stream"] for entry in logs if entry["event"] == "stream_unknown"] == ["tax"]
