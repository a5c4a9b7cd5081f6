"""A drift scenario: what changes in a stream, how, and between which event times. Pure.

description = "distances arrive in kilometres"
[[drift]]
kind = "unit_change"
column = "distance"
factor = 1.609344
starts_at = "50%"          # of the replayed period, or a moment such as 2022-02-15T06:00
ends_at = "75%"            # exclusive

docs/scenarios.md lists the kinds and what each understands.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from producer.drift import Drift, Duration, Moment, describe_where
from producer.drift_kinds import KINDS, Clock, Delayed, Duplicated, Lost
from schemas.definition import Stream
from schemas.durations import duration_ms, duration_text, moment_ms
from schemas.errors import UsageError
from schemas.records import MAX_TIME, Injected
from schemas.text import printable

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
MOST = 1_000
"""Stretches of a scenario; a manifest holds no more."""

_NAMES = 200
"""Characters of a kind, a segment or a change in a manifest."""

Period = tuple[int, int]


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Drifts that are injected into a stream.

    Attributes:
        name: Of the scenario.
        stream: The stream that it is for.
        description: A sentence.
        seed: Which records are chosen, where not all are.
        drifts: Applied one after another; each chooses its records by what they were before the first.
    """

    name: str
    stream: Stream
    description: str = ""
    seed: int = 0
    drifts: tuple[Drift, ...] = ()

    @property
    def reorders(self) -> bool:
        """Whether records are sent at other times than they say."""
        return any(isinstance(drift, Clock | Delayed) for drift in self.drifts)

    @property
    def resizes(self) -> bool:
        """Whether the number of records changes."""
        return any(isinstance(drift, Duplicated | Lost) for drift in self.drifts)

    def moved(self, onset: int, lasts: int | None = None) -> Scenario:
        """Return the same scenario at another time.

        Args:
            onset: Event time at which its first drift begins, ms since the epoch.
            lasts: Length of each of its drifts, ms; None to keep them.
        """
        by = onset - min(drift.starts_at for drift in self.drifts)
        return replace(self, drifts=tuple(_moved(drift, by, lasts) for drift in self.drifts))

    def scaled(self, by: float) -> Scenario:
        """Return the same scenario, its drifts so many times as strong."""
        return replace(self, drifts=tuple(drift.scaled(by) for drift in self.drifts))


def parse(name: str, text: str, stream: Stream, period: Period | None = None) -> Scenario:
    """Parse a scenario, and reject anything unknown: a mistyped key must not go unnoticed.

    Args:
        name: Of the scenario.
        text: TOML.
        stream: The stream that it is for.
        period: The replayed period, in which its moments are resolved; ms since the epoch, end exclusive. None to
            check all but the moments, before the period is known.

    Raises:
        UsageError: It is not a scenario of this stream.
    """
    try:
        raw = tomllib.loads(text)
        unknown = sorted(raw.keys() - {"description", "seed", "drift"})
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r}")
        drifts = tuple(_drift(number, entry, period, stream) for number, entry in enumerate(_entries(raw), 1))
        if period is not None and sum(drift.times for drift in drifts) > MOST:
            raise ValueError(f"its drifts recur more than {MOST:,} times")
        description = str(raw.get("description", ""))
        return Scenario(name=name, stream=stream, description=description, seed=_seed(raw), drifts=drifts)
    except ValueError as error:  # tomllib's and msgspec's errors are ValueErrors too
        raise UsageError(f"scenario {name}: {error}", "correct it; see docs/scenarios.md") from error


def injected(scenario: Scenario) -> tuple[Injected, ...]:
    """List when the drifts are there, for the run's manifest; what recurs is there several times."""
    return tuple(
        Injected(
            starts_at=int(start),
            ends_at=int(end),
            label=printable(drift.label) or describe(drift),
            columns=drift.columns,
            kind=drift.kind,
            segment=printable(describe_where(drift.where), _NAMES),
            change=printable(_change(drift), _NAMES),
        )
        for drift in scenario.drifts
        for start, end in drift.intervals
    )


def describe(drift: Drift) -> str:
    """Describe a drift in a few words: `fare, total × 1.1 where vendor 2`."""
    where = describe_where(drift.where)
    parts = (", ".join(drift.columns), _change(drift), where and f"where {where}")
    return printable(" ".join(part for part in parts if part))


def _change(drift: Drift) -> str:
    share = f" in {drift.share:.3g} of the records" if drift.share < 1 else ""
    ramp = f" growing over {duration_text(drift.ramp)}" if drift.ramp else ""
    every = f", {duration_text(drift.lasts)} of each {duration_text(drift.every)}" if drift.every else ""
    return drift.change + share + ramp + every


def _moved(drift: Drift, by: int, lasts: int | None) -> Drift:
    start = drift.starts_at + by
    end = drift.ends_at + by if lasts is None else start + lasts
    return replace(drift, starts_at=Moment(start), ends_at=Moment(end))


def _seed(raw: dict[str, Any]) -> int:
    seed = raw.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ValueError(f"the seed {seed!r} is no whole number from 0 to 2^32 - 1")
    return seed


def _entries(raw: dict[str, Any]) -> Sequence[dict[str, Any]]:
    entries = raw.get("drift")
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        raise ValueError("holds no [[drift]]")
    return entries


def _drift(number: int, entry: dict[str, Any], period: Period | None, stream: Stream) -> Drift:
    kind = KINDS.get(str(entry.get("kind")))
    if kind is None:
        raise ValueError(f"drift {number}: unknown kind {entry.get('kind')!r}; known: {', '.join(KINDS)}")
    try:
        drift = msgspec.convert(entry, kind, dec_hook=_reader(period or (0, MAX_TIME)))
    except msgspec.ValidationError as error:
        raise ValueError(f"drift {number}: {error}") from error
    wrong = drift.check(stream) or (None if period is None else _misplaced(drift, period))
    if wrong is not None:
        raise ValueError(f"drift {number}: {wrong}")
    return drift


def _reader(period: Period) -> Callable[[type, Any], Any]:
    """Return what reads moments and durations as people write them."""

    def read(kind: type, value: Any) -> Any:
        try:
            return Moment(_moment(value, period)) if kind is Moment else Duration(_duration(value))
        except UsageError as error:
            raise ValueError(str(error)) from error

    return read


def _moment(value: Any, period: Period) -> int:
    if isinstance(value, datetime | date):
        return moment_ms(value.isoformat())
    if not isinstance(value, str):
        raise ValueError("Expected a moment, such as 2022-02-15T06:00, or a part of the period, such as '50%'")
    if match := _PERCENT.fullmatch(value.strip()):
        start, end = period
        return start + round((end - start) * float(match[1]) / 100)
    return moment_ms(value)


def _duration(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("Expected a duration, such as '6h'")
    text = value.strip()
    return -duration_ms(text[1:]) if text.startswith("-") else duration_ms(text.removeprefix("+"))


def _misplaced(drift: Drift, period: Period) -> str | None:
    if drift.starts_at >= drift.ends_at:
        return "ends before it starts"
    if drift.ends_at <= period[0] or drift.starts_at >= period[1]:
        return "lies outside the replayed period"
    if drift.every and not drift.intervals:
        return "never recurs before it ends"
    return None
