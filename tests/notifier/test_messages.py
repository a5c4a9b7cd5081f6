"""A message says what has changed, where to look and what to do; sent again, it has the same id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from notifier.messages import alert, message
from notifier.planning import Notice
from tests.monitor.feed import T0
from tests.notifier.test_planning import NOW, change

BOARD = "http://board:8000/"


def test_a_message_in_words() -> None:
    told = message(Notice(change(7, "change:é r:events:1h:2022", run_id="é r")), BOARD)
    assert told.title == "[firing] é r: trip_distance changed – 1.5 × the line"
    assert told.id == "change:%C3%A9%20r:events:1h:2022#1"
    assert told.body.splitlines() == [
        "trip_distance changed – 1.5 × the line",
        "",
        "Run é r of stream taxi, track change. Since Tue 2022-02-01 00:00 UTC (event time).",
        "",
        "Board:  http://board:8000/alarm?run=%C3%A9+r&id=change%3A%C3%A9+r%3Aevents%3A1h%3A2022",
        "Look:   driftline alarms show 'change:é r:events:1h:2022'",
        "Judge:  driftline alarms ack 'change:é r:events:1h:2022' --as real   (or known, or false)",
        "Id:     change:%C3%A9%20r:events:1h:2022#1",
    ]


def test_a_reminder_and_an_end_say_so() -> None:
    reminder = message(Notice(change(7, sent_s=1.0), 3), BOARD)
    assert (reminder.id, reminder.title) == ("a#1+3", "[still firing] r: trip_distance changed – 1.5 × the line")
    assert "It has been firing since Thu 2026-01-01 00:00 UTC (wall time)." in reminder.body
    ended = message(Notice(change(8, number=2, state="recovered", recovered_at=T0 + 86_400_000)), BOARD)
    assert (ended.id, ended.title) == ("a#2", "[recovered] r: trip_distance changed – 1.5 × the line")
    assert "recovered Wed 2022-02-02 00:00 UTC." in ended.body
    assert "Judge:" not in ended.body
    gone = message(Notice(change(8, number=2, state="withdrawn")), BOARD)
    assert "withdrawn: a window was computed again, and the evidence is gone." in gone.body


def test_what_a_run_or_a_sentence_is_called_breaks_no_line() -> None:
    told = message(Notice(change(7, run_id="r\nBcc: x@example.org", message="a\x1b[31m\nb" * 3_000)), BOARD)
    assert "\n" not in told.title
    assert "\x1b" not in told.body
    assert len(told.body) < 5_000


@pytest.mark.parametrize("state", ["recovered", "withdrawn"])
def test_the_labels_of_an_alert_are_those_of_its_beginning(state: str) -> None:
    begun = message(Notice(change(7)), BOARD)
    ended = message(Notice(change(8, number=2, state=state, kind="volume", harm="concept")), BOARD)
    first, last = alert(begun, NOW + timedelta(minutes=15)), alert(ended, NOW + timedelta(minutes=5))
    assert (
        first["labels"]
        == last["labels"]
        == {
            "alertname": "DriftlineAlarm",
            "alarm": "a",
            "run": "r",
            "stream": "taxi",
            "track": "change",
            "severity": "warning",
        }
    )
    assert (first["startsAt"], last["startsAt"]) == ("2026-01-01T00:00:00.000+00:00",) * 2
    assert last["endsAt"] == "2026-01-01T00:05:00.000+00:00"


def test_an_alert_never_ends_before_it_begins() -> None:
    told = alert(message(Notice(change(7)), BOARD), datetime(2025, 1, 1, tzinfo=UTC))
    assert told["endsAt"] == told["startsAt"]
