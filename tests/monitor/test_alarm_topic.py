"""What of the changes of alarms is sent, when a topic already holds some."""

from __future__ import annotations

import msgspec

from monitor.alarm_topic import unsent
from schemas.alarms import AlarmChange
from tests.monitor.changes import change

FIRED, RECOVERED = change("a", 1), change("a", 2, state="recovered")


def test_what_a_topic_does_not_hold_is_sent_in_order() -> None:
    assert unsent([FIRED, change("b", 1), RECOVERED], {}) == [FIRED, change("b", 1), RECOVERED]


def test_what_is_the_newest_of_its_alarm_was_sent_and_so_was_what_came_before() -> None:
    """Compaction may have taken the first."""
    assert unsent([FIRED, RECOVERED], newest(RECOVERED)) == []
    assert unsent([FIRED, RECOVERED, change("b", 1)], newest(FIRED)) == [RECOVERED, change("b", 1)]


def test_an_alarm_of_the_same_id_from_another_database_counts_for_nothing() -> None:
    other = msgspec.structs.replace(RECOVERED, value=7.0)
    assert unsent([FIRED, RECOVERED], newest(other)) == [FIRED, RECOVERED]
    assert unsent([FIRED], newest(RECOVERED)) == [FIRED]


def test_a_record_that_is_no_change_counts_for_nothing() -> None:
    assert unsent([FIRED], {"a": b"{}"}) == unsent([FIRED], {"a": b"\xff"}) == [FIRED]


def newest(change: AlarmChange) -> dict[str, bytes]:
    return {change.alarm_id: msgspec.json.encode(change)}
