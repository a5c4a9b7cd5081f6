"""What is to be tried: sizes alone and together, references, drifts and their strengths. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Literal

import msgspec

from monitor.verdict.calibration import DEFAULT_SIZES
from monitor.verdict.promise import Promise
from monitor.verdict.season import DAY, HOUR, WEEK
from schemas.durations import duration_text, sizes_ms
from schemas.errors import UsageError

ReferenceKind = Literal["training", "rolling"]
"""What windows are compared with: the weeks of the training, or the last weeks."""

REFERENCES: tuple[ReferenceKind, ...] = ("training", "rolling")

LEAST_WEEKS = 4
"""Calm weeks that are taken even where the promise needs fewer, as the monitor does."""

WITHIN = WEEK
"""A drift that is found later than this is missed."""

AUTO = "auto"


class Candidate(msgspec.Struct, frozen=True):
    """Window sizes that share one line, and what they are compared with.

    Attributes:
        sizes: Ascending, ms.
        reference: What they are compared with.
    """

    sizes: tuple[int, ...]
    reference: ReferenceKind

    @property
    def text(self) -> str:
        """The sizes, for people: `1h + 6h`."""
        return " + ".join(map(duration_text, self.sizes))

    def __str__(self) -> str:
        return f"{self.text}, {self.reference} reference"

    @property
    def windows_a_day(self) -> float:
        """Windows of a day: what it costs grows with them."""
        return sum(DAY / size for size in self.sizes)


class Plan(msgspec.Struct, frozen=True):
    """What is tried, the same for all drifts.

    Attributes:
        sets: Of sizes, ms, ascending.
        references: What they are compared with.
        promise: False alarms a month that are accepted.
        holidays: Region whose holidays do not count; '' for none.
        onsets: Random moments at which each drift begins.
        seed: Of them.
    """

    sets: tuple[tuple[int, ...], ...]
    references: tuple[ReferenceKind, ...]
    promise: float
    holidays: str
    onsets: int
    seed: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """All of them, ascending."""
        return tuple(sorted({size for each in self.sets for size in each}))

    @property
    def step(self) -> int:
        """By which summaries have to be made, ms."""
        return gcd(HOUR, *self.sizes)

    @property
    def candidates(self) -> list[Candidate]:
        """Every set with every reference."""
        return [Candidate(sizes, reference) for reference in self.references for sizes in self.sets]


def calm_weeks(promise: float) -> int:
    """How many calm weeks a promise needs. promise: false alarms a month."""
    return max(LEAST_WEEKS, Promise.from_seasons(promise, 0).missing)


def sets_of(sizes: Sequence[int], joint: str) -> tuple[tuple[int, ...], ...]:
    """List the sets to try: each size alone, then those together that are named.

    Args:
        sizes: Ascending, ms.
        joint: Such as `1h+6h,1h+6h+1d`, or `auto`: the monitor's default, the smallest with the largest, and all.

    Raises:
        UsageError: A set holds no two sizes, one is no duration, or a week is no whole number of its windows.
    """
    alone = [(size,) for size in sizes]
    if joint == AUTO:
        together = [DEFAULT_SIZES, (sizes[0], sizes[-1]), tuple(sizes)]
        wanted = [each for each in together if len(set(each)) > 1 and {*each} <= {*sizes}]
    else:
        wanted = [sizes_ms(part.replace("+", ","), 1_000) for part in joint.split(",")]
        if any(len(each) < 2 for each in wanted):
            raise UsageError(f"{joint!r} names a set of one size", "write sets as 1h+6h,1h+6h+1d")
    found = tuple(dict.fromkeys([*alone, *wanted]))
    if unfit := [duration_text(size) for each in found for size in each if WEEK % size]:
        raise UsageError(
            f"a week is no whole number of windows of {unfit[0]}", "choose sizes such as 1h, 6h, 12h or 1d"
        )
    return found


def references_of(text: str) -> tuple[ReferenceKind, ...]:
    """Parse `training,rolling`, or one of them.

    Raises:
        UsageError: It is neither.
    """
    parts = {part.strip() for part in text.split(",")}
    if not parts <= {*REFERENCES}:
        raise UsageError(f"{text!r} names no references", "write training, rolling, or training,rolling")
    return tuple(one for one in REFERENCES if one in parts)


def strengths_of(text: str) -> tuple[float, ...]:
    """Parse strengths such as `0.5,1,2`, ascending and distinct.

    Raises:
        UsageError: One is not a number above 0 and at most 10.
    """
    try:
        found = sorted({float(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or not all(0 < strength <= 10 for strength in found):
        raise UsageError(f"{text!r} names no strengths", "write numbers above 0, at most 10, such as 0.5,1,2")
    return tuple(found)
