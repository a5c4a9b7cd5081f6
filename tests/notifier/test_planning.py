"""What is told next: each change, reminders while one fires, and nothing of what is silenced."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from notifier.planning import plan
from storage.decisions import SilenceRow
from storage.notifications import Change
from tests.monitor import changes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86_400.0


def change(change_id: int, alarm: str = "a", number: int = 1, sent_s: float | None = None, **more: Any) -> Change:
    over, judged, reminders = (more.pop(name, default) for name, default in OTHERS.items())
    record = changes.change(alarm, number, **more)
    return Change(
        change_id=change_id,
        number=number,
        alarm=record,
        created_at=NOW,
        began_at=NOW,
        sent_s=sent_s,
        reminders=reminders,
        over=over,
        judged=judged,
    )


OTHERS: dict[str, Any] = {"over": False, "judged": False, "reminders": 0}


def silence(**changes: Any) -> SilenceRow:
    known = {"silence_id": 1, "state": "active", "run_id": None, "track": None, "column_name": None}
    words = {"starts_at": NOW, "ends_at": NOW, "author": "me", "reason": "why"}
    return SilenceRow(**known | words | changes)


def sent(*changes: Change, silences: tuple[SilenceRow, ...] = (), remind_s: float | None = DAY_S) -> Any:
    """((change, reminder) of what is sent, changes that are dropped)."""
    made = plan(changes, silences, remind_s)
    return [(notice.change.change_id, notice.reminder) for notice in made.send], made.silenced


def test_all_that_waits_is_sent_in_order() -> None:
    found = change(1), change(2, "b"), change(3, number=2, state="recovered")
    assert sent(*found) == ([(1, 0), (2, 0), (3, 0)], [])


def test_one_is_reminded_of_what_fires_after_a_day_and_not_before() -> None:
    assert sent(change(1, sent_s=DAY_S - 1)) == ([], [])
    assert sent(change(1, sent_s=DAY_S)) == ([(1, 1)], [])
    assert sent(change(1, sent_s=DAY_S, reminders=4)) == ([(1, 5)], [])
    assert sent(change(1, sent_s=DAY_S), remind_s=None) == ([], [])


@pytest.mark.parametrize("why", [{"judged": True}, {"over": True}, {"track": "ageing"}])
def test_nobody_is_reminded_of_what_was_judged_cannot_change_or_can_wait(why: dict[str, Any]) -> None:
    assert sent(change(1, sent_s=2 * DAY_S, **why)) == ([], [])
    assert sent(change(1, **why)) == ([(1, 0)], [])


def test_what_is_silenced_waits_and_holds_nothing_else_back() -> None:
    found = change(1), change(2, "b", run_id="other"), change(3, sent_s=2 * DAY_S)
    assert sent(*found, silences=(silence(run_id="r"),)) == ([(2, 0)], [])
    assert sent(*found, silences=(silence(run_id="r", state="pending"),)) == ([(1, 0), (2, 0), (3, 1)], [])


def test_an_alarm_that_fires_and_ends_while_it_is_silenced_is_never_told() -> None:
    found = change(1), change(2, number=2, state="recovered"), change(3, number=3)
    assert sent(*found, silences=(silence(),)) == ([], [1, 2])


def test_the_end_of_an_alarm_that_was_told_is_told_after_the_silence() -> None:
    end = change(2, number=2, state="withdrawn")
    assert sent(end, silences=(silence(),)) == ([], [])
    assert sent(end) == ([(2, 0)], [])


def test_a_silence_of_a_column_covers_alarms_that_name_nothing_else() -> None:
    assert sent(change(1), silences=(silence(column_name="trip_distance"),)) == ([], [])
    assert sent(change(1), silences=(silence(column_name="fare_amount"),)) == ([(1, 0)], [])


@pytest.mark.parametrize(
    ("more", "live"), [({}, [1]), ({"judged": True}, []), ({"over": True}, [1]), ({"track": "ageing"}, [1])]
)
def test_what_was_told_lives_until_somebody_has_judged_or_silenced_it(
    more: dict[str, Any], live: list[int]
) -> None:
    told = change(1, sent_s=1.0, **more)
    assert [each.change_id for each in plan([told], [], DAY_S).live] == live
    assert plan([told], [silence()], DAY_S).live == []
