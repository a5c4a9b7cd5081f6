"""What a target is told next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.decisions import SilenceRow, silenced_until
from storage.notifications import Change

AGEING = "ageing"
"""Track whose alarms are told once: they fire for weeks, and ask for nothing that cannot wait."""


@dataclass(frozen=True)
class Notice:
    """A change to be sent, or to be reminded of. reminder: 0 is the change itself."""

    change: Change
    reminder: int = 0


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        send: In this order.
        silenced: Changes that nobody needs to be told any more: their alarms fired and ended while silenced.
        live: Changes of alarms that were told, fire, and are neither silenced nor judged.
    """

    send: list[Notice] = field(default_factory=list)
    silenced: list[int] = field(default_factory=list)
    live: list[Change] = field(default_factory=list)


def plan(changes: Sequence[Change], silences: Sequence[SilenceRow], remind_s: float | None) -> Plan:
    """Plan what a target is told next.

    While an alarm is silenced, its changes wait. If it fires and ends meanwhile, both are dropped; if the target
    knew that it fires, the end is told after the silence.

    Args:
        changes: As of `Ledger.changes`.
        silences: Those that have not ended.
        remind_s: After so many seconds one is reminded; None: never. Not of what was judged or cannot change any
            more, and not of ageing.
    """
    made = Plan()
    newest = {change.alarm.alarm_id: change for change in changes}
    held: dict[str, list[Change]] = {}
    for change in changes:
        name = change.alarm.alarm_id
        silenced = silenced_until(newest[name].alarm, silences) is not None
        if change.sent_s is not None:
            if silenced or change.judged:
                continue
            made.live.append(change)
            is_due = remind_s is not None and change.sent_s >= remind_s
            if is_due and not change.over and change.alarm.track != AGEING:
                made.send.append(Notice(change, change.reminders + 1))
        elif not silenced:
            made.send.append(Notice(change))
        else:
            held.setdefault(name, []).append(change)
    made.silenced += [change.change_id for waiting in held.values() for change in _told_by_neither(waiting)]
    return made


def _told_by_neither(waiting: Sequence[Change]) -> list[Change]:
    """Of the changes of one alarm that wait, in order: each that fires, and the end that follows it."""
    dropped, firing = [], None
    for change in waiting:
        if change.alarm.state == "firing":
            firing = change
        elif firing is not None:
            dropped += [firing, change]
            firing = None
    return dropped
