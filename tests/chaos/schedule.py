"""What happens to whom, and when: drawn from a seed, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Literal

import msgspec

What = Literal["kill", "freeze", "trap", "leave", "join", "cut", "server"]

LASTS_S = 3.0
"""From the first act to the last; the records come meanwhile."""

SESSION_S = 1.5
"""After so long without a sign of life a member is put out of the group."""

OVERSLEEPS_S = SESSION_S + 0.5
"""So long sleeps who is to wake up as a zombie: somebody else has its partitions by then."""

STAGES = ("consumer", "monitor", "producer")
WIRES = ("kafka-0", "kafka-1", "postgres-0", "postgres-1")
PLACES: Mapping[str, tuple[str, ...]] = {
    "consumer": ("before_flush", "after_update", "after_commit"),
    "monitor": (
        *("mid_report", "before_commit", "after_commit", "before_fold_commit", "after_fold_commit"),
        *("alarms_sent", "alarms_committed", "alarms_marked"),
    ),
    "producer": ("mid_batch",),
}
"""Named places of each stage at which it may be killed, or fall asleep."""

RARE = ("alarms_sent", "alarms_committed", "alarms_marked")
"""Places that a run passes once or twice."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happens. at, lasts: seconds; at: since the beginning.

    who: of the stages of a kind, the one with this number (modulo those there are); or a wire, or a server.
    how: of a cut: reset, refuse or silence; of a server: kill or freeze; of a trap: place, count and end. Who falls
        asleep there does not sleep for `lasts`, but for OVERSLEEPS_S from then on.
    """

    at: float
    what: What
    who: str
    number: int = 0
    how: str = ""
    lasts: float = 0.0


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """How many stages there are at the beginning, and what becomes of them."""

    seed: int
    consumers: int
    monitors: int
    acts: tuple[Act, ...]


def drawn(seed: int) -> Schedule:
    """The schedule of a seed."""
    random = Random(seed)
    # Servers' restarts take longest: one schedule in three has one.
    kinds = random.choices(list(_KINDS), [weight for _, weight in _KINDS.values()], k=random.randint(4, 9))
    if random.random() < 1 / 3:
        kinds.append("server")
    acts = (_KINDS[kind][0](random, round(random.uniform(0.2, LASTS_S), 2)) for kind in kinds)
    return Schedule(
        seed=seed,
        consumers=random.randint(1, 3),
        monitors=random.randint(1, 2),
        acts=tuple(sorted(acts, key=lambda act: act.at)),
    )


def _stage(random: Random) -> tuple[str, int]:
    return random.choices(STAGES, (6, 3, 2))[0], random.randrange(4)


def _kill(random: Random, at: float) -> Act:
    who, number = _stage(random)
    return Act(at=at, what="kill", who=who, number=number, lasts=_short(random))


def _freeze(random: Random, at: float) -> Act:
    """For a moment, or so long that a consumer wakes up as a zombie."""
    who, number = _stage(random)
    long = who == "consumer" and random.random() < 0.5
    lasts = OVERSLEEPS_S if long else _short(random)
    return Act(at=at, what="freeze", who=who, number=number, lasts=lasts)


def _trap(random: Random, at: float) -> Act:
    """A successor that dies, or falls asleep, at a named place."""
    who, number = _stage(random)
    sleeps = who != "producer" and random.random() < 0.5
    # Who sleeps before a flush wakes up with rows to write; within one, Postgres has ended its transaction by then.
    places = ("before_flush", "before_flush", "after_update") if sleeps and who == "consumer" else PLACES[who]
    place, count = random.choice(places), random.randint(1, 4 if who == "producer" else 8)
    count = 1 if place in RARE else count
    end = " sleep" if sleeps else ""
    return Act(at=at, what="trap", who=who, number=number, how=f"{who}.{place}:{count}{end}", lasts=_short(random))


def _leave(random: Random, at: float) -> Act:
    return Act(at=at, what="leave", who="consumer", number=random.randrange(4), lasts=_short(random))


def _join(random: Random, at: float) -> Act:
    return Act(at=at, what="join", who=random.choice(["consumer", "consumer", "monitor"]))


def _cut(random: Random, at: float) -> Act:
    """Of a way to a server, which some stages share."""
    how = random.choice(["reset", "refuse", "silence"])
    lasts = 0.0 if how == "reset" else round(random.uniform(0.2, 2.0), 2)
    return Act(at=at, what="cut", who=random.choice(WIRES), how=how, lasts=lasts)


def _server(random: Random, at: float) -> Act:
    how = random.choice(["kill", "kill", "freeze"])
    return Act(at=at, what="server", who=random.choice(["kafka", "postgres"]), how=how, lasts=1.0)


def _short(random: Random) -> float:
    return round(random.uniform(0.1, 1.0), 2)


_KINDS: Mapping[str, tuple[Callable[[Random, float], Act], float]] = {
    "kill": (_kill, 4),
    "freeze": (_freeze, 2),
    "trap": (_trap, 4),
    "leave": (_leave, 1),
    "join": (_join, 1),
    "cut": (_cut, 4),
    "server": (_server, 0),
}
"""How each is drawn, and how often."""
