"""Which signals an alarm names, in what order, and what kind of alarm they make of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import exp
from typing import Literal

import msgspec

from schemas.alarms import Change
from schemas.definition import LABELS, Role

SignalKind = Literal["column", "prediction", "label", "error", "quality", "volume", "coverage", "mixture"]
"""What a signal is of: the distribution of a column, of the prediction, the label or the error; quality: missing,
new and out-of-range values; the number of rows; the share of events whose label came; mixture: the shares of
segments."""

AlarmKind = Literal["drift", "gap", "volume", "coverage", "ageing", "error", "mixture"]

Track = Literal["change", "segments", "ageing", "harm"]
"""change: the stream is not as it was in the weeks before. segments: some of it is not, or its segments are mixed
otherwise. ageing: it is not as the model was trained on. harm: the error of a day is above what it was in the weeks
before."""

Harm = Literal["harmless", "concept", "both", "unlabelled"]
"""harmless: inputs moved, the error did not. concept: the other way round. unlabelled: no label has come since."""

FALSE_DISCOVERIES = 0.1
"""Of the signals that an alarm names, the share that may be there by chance (Benjamini and Hochberg)."""

COLLAPSED = 0.5
"""Rows or labels below this share of what is expected explain whatever else has moved."""


class Signal(msgspec.Struct, frozen=True):
    """One of the series that are watched. column: that it is of, if any. segment: likewise; '' for the whole."""

    name: str
    kind: SignalKind
    column: str | None = None
    segment: str = ""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """How far one signal has moved at one window size.

    Attributes:
        role: Of its records.
        size: Of the window, ms.
        signal: Which one.
        value: Its evidence in units of the line.
        chance: How probable as much evidence is in a calm window; 0 to 1.
        since: Where its evidence begins, ms of event time: an estimate of the onset.
        apart: Of a segment, its distance in the last day, beyond what is usual.
        rows: Of a segment, how many usually have a value, and so can move.
    """

    role: Role
    size: int
    signal: Signal
    value: float
    chance: float
    since: int
    apart: float = 0.0
    rows: float = 0.0

    @property
    def explains(self) -> float:
        """How much of what has moved a segment explains.

        Its rows times the square of how far they moved. It is the most for what was bent: a wider segment has the
        same change in more rows, a narrower one has a part of it.
        """
        return self.rows * max(self.apart, 0.0) ** 2


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that an alarm names.

    Attributes:
        role: Of its records.
        name: Of the signal.
        kind: Of the signal.
        column: That it is of, if any.
        size: Of the windows that show it most, ms.
        value: The most evidence in the episode, in units of the line.
        since: Its onset, ms of event time.
        consequence: Whether an input that moved with it explains it.
        change: What kind of change it is, where the counts show it.
        segment: That it is of; '' for the whole stream.
        explains: As in `Moved`.
    """

    role: Role
    name: str
    kind: SignalKind
    column: str | None
    size: int
    value: float
    since: int
    consequence: bool = False
    change: Change | None = None
    segment: str = ""
    explains: float = 0.0


class Aged(msgspec.Struct, frozen=True, kw_only=True):
    """How far one signal is from the training.

    Attributes:
        role, name: Of the signal; `mae` and `bias` are of the labels.
        value: Mean of the seasons, in the unit of the tolerance.
        low: Its lower confidence bound.
        tolerance: Of the signal.
    """

    role: Role
    name: str
    value: float
    low: float
    tolerance: float

    @property
    def is_beyond(self) -> bool:
        """Whether the signal has surely moved further than is tolerated."""
        return self.low > self.tolerance


class Ageing(msgspec.Struct, frozen=True):
    """How far a stream was from the training in its newest seasons.

    Attributes:
        since: Start of the first of them, ms.
        length: Of a season, ms.
        moved: Signals whose mean is beyond the tolerance, the furthest first; those that surely are come first.
        labelled: Whether errors were compared.
    """

    since: int
    length: int
    moved: tuple[Aged, ...]
    labelled: bool


def chance_of(evidence: float, rate: float) -> float:
    """The share of calm windows with as much evidence: the tail of a CUSUM is exponential."""
    return exp(-rate * max(evidence, 0.0))


def named(moved: Iterable[Moved]) -> tuple[Member, ...]:
    """Choose the signals that an alarm names, the worst first; what an input explains comes after the others.

    Args:
        moved: Of every signal and size.
    """
    best = _best_sizes(moved)
    if not best:
        return ()
    ranked = sorted(best, key=lambda m: m.chance)
    kept = [i for i, m in enumerate(ranked, 1) if m.chance <= FALSE_DISCOVERIES * i / len(ranked)]
    worst = max(best, key=_rank)
    chosen = {id(m): m for m in [worst, *ranked[: max(kept, default=0)]]}
    return ordered([_member(m) for m in chosen.values()])


def _best_sizes(moved: Iterable[Moved]) -> list[Moved]:
    """Each signal once, at the size at which it has moved most; its chance pays for having had several sizes."""
    by_signal: dict[tuple[Role, str, str], list[Moved]] = {}
    for one in moved:
        by_signal.setdefault((one.role, one.signal.name, one.signal.segment), []).append(one)
    found = []
    for sizes in by_signal.values():
        chance = min(1.0, len(sizes) * min(m.chance for m in sizes))
        found.append(msgspec.structs.replace(max(sizes, key=_rank), chance=chance))
    return found


def _rank(moved: Moved) -> tuple[float, float, str, str, str, int]:
    """Larger is worse; ties are broken by name, so that the order never depends on anything else."""
    return (moved.value, moved.explains, moved.role, moved.signal.name, moved.signal.segment, moved.size)


def _member(m: Moved) -> Member:
    return Member(
        role=m.role,
        name=m.signal.name,
        kind=m.signal.kind,
        column=m.signal.column,
        size=m.size,
        value=m.value,
        since=m.since,
        segment=m.signal.segment,
        explains=m.explains,
    )


def ordered(members: Iterable[Member]) -> tuple[Member, ...]:
    """Put members in order, the worst first, and mark those that are the consequence of another.

    Of segments that moved in the same signal, that which explains the most of all signals comes first.
    """
    found = [*members]
    most: dict[tuple[Role, str], float] = {}
    for m in found:
        most[m.role, m.name] = max(m.value, most.get((m.role, m.name), 0.0))
    explained: dict[str, float] = {}
    for m in found:
        explained[m.segment] = explained.get(m.segment, 0.0) + m.explains
    inputs = [m for m in found if m.kind == "column"]
    marked = [msgspec.structs.replace(m, consequence=_is_explained(m, inputs)) for m in found]
    return tuple(
        sorted(
            marked,
            key=lambda m: (
                m.consequence,
                -most[m.role, m.name],
                m.role,
                m.name,
                -explained[m.segment],
                -m.value,
                m.segment,
            ),
        )
    )


def _is_explained(member: Member, inputs: Sequence[Member]) -> bool:
    """Whether a prediction moved when an input did, as far as the windows can tell them apart."""
    return member.kind == "prediction" and any(
        cause.segment == member.segment and abs(member.since - cause.since) <= max(member.size, cause.size)
        for cause in inputs
    )


def together(known: Iterable[Member], new: Iterable[Member]) -> tuple[Member, ...]:
    """Add members to those that are known: each signal keeps its most evidence and its earliest onset."""
    found = {(m.role, m.name, m.segment): m for m in known}
    for m in new:
        key = m.role, m.name, m.segment
        before = found.get(key)
        if before is None:
            found[key] = m
        elif m.value > before.value:
            found[key] = msgspec.structs.replace(m, since=min(before.since, m.since), change=before.change)
        if before is not None:
            found[key] = msgspec.structs.replace(found[key], explains=m.explains)
    return ordered(found.values())


def explaining(moved: Iterable[Moved]) -> list[Moved]:
    """Choose the segments that explain what has moved: they moved, and the others of their division hardly did.

    Others that have no values of a column cannot move, and are no others in this. A change of one segment shows in
    those that overlap with it, too, less so: what moved by less than half of the furthest is left out. Shares of
    segments explain by themselves.

    Args:
        moved: Of every signal of every segment that is watched, and of the shares.
    """
    found = [*moved]
    furthest: dict[tuple[Role, str, str], float] = {}
    for one in found:
        if not one.rows:
            continue
        key = one.role, one.signal.name, one.signal.segment
        furthest[key] = max(one.apart, furthest.get(key, 0.0))
    most: dict[tuple[Role, str], float] = {}
    for (role, name, _), apart in furthest.items():
        most[role, name] = max(apart, most.get((role, name), 0.0))
    return [one for one in found if one.signal.kind == "mixture" or (one.rows and _stands_out(one, furthest, most))]


def without_mixed(moved: Sequence[Moved]) -> list[Moved]:
    """Leave out what is said by shares that moved: the same column, within segments of other divisions."""
    shares = {(one.role, one.signal.column): one.signal.name for one in moved if one.signal.kind == "mixture"}
    return [
        one
        for one in moved
        if one.signal.segment.partition("=")[0] in ("", shares.get((one.role, one.signal.column), ""))
        or (one.role, one.signal.column) not in shares
    ]


def _stands_out(
    one: Moved, furthest: Mapping[tuple[Role, str, str], float], most: Mapping[tuple[Role, str], float]
) -> bool:
    role, name, segment = one.role, one.signal.name, one.signal.segment
    division = segment.partition("=")[0]
    rivals = sorted(
        apart
        for (of_role, of_name, other), apart in furthest.items()
        if (of_role, of_name) == (role, name) and other != segment and other.partition("=")[0] == division
    )
    own = furthest[role, name, segment]
    return bool(rivals) and rivals[(len(rivals) - 1) // 2] < own / 2 and own >= most[role, name] / 2


def kind_of(members: Sequence[Member], shares: Mapping[str, float]) -> AlarmKind:
    """What kind of alarm its members make.

    Args:
        members: The worst first.
        shares: Of what is expected, by the kind of signal: rows (`volume`) and labels (`coverage`) at the moment.
    """
    kinds = {m.kind for m in members}
    if kinds == {"mixture"}:
        return "mixture"
    if "volume" in kinds and shares.get("volume", 1.0) < COLLAPSED:
        return "gap" if shares["volume"] == 0 else "volume"
    if "coverage" in kinds and shares.get("coverage", 1.0) < COLLAPSED:
        return "coverage"
    worst = members[0].kind if members else "column"
    return worst if worst in ("volume", "coverage") else "drift"


def uninhibited(members: Sequence[Member], shares: Mapping[str, float]) -> tuple[Member, ...]:
    """Leave out what a collapse explains: of the rows that are missing nothing can be said."""
    for kind in ("volume", "coverage"):
        own = tuple(m for m in members if m.kind == kind)
        if own and shares.get(kind, 1.0) < COLLAPSED:
            return own
    return tuple(members)


def harm_of(
    members: Sequence[Member], labelled_until: int | None, since: int, *, harmed: bool | None = None
) -> Harm | None:
    """Whether the model is hurt; None where the alarm is of neither inputs nor error.

    An input counts as moved if it would raise an alarm by itself, or if nothing has moved more.

    Args:
        members: Of the alarm.
        labelled_until: End of the newest window of labels, ms; None without labels.
        since: Onset of the alarm, ms.
        harmed: Whether the error was above what is tolerated; None where that is not known: then it counts as moved
            where a member is of it.
    """
    error = any(m.kind == "error" for m in members)
    much = min(1.0, max((m.value for m in members), default=0.0))
    inputs = [m for m in members if m.kind in ("column", "prediction", "quality") and m.role != LABELS]
    if not any(m.value >= much for m in inputs):
        return "concept" if error or harmed else None
    if harmed or (harmed is None and error):
        return "both"
    return "unlabelled" if labelled_until is None or labelled_until <= since else "harmless"
