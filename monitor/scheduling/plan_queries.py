"""What a plan has to know of the tables. Pure: a plan yields these, and is sent the answers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import msgspec

from schemas.definition import Records


class FirstPane(msgspec.Struct, frozen=True):
    """Where does the first pane with rows start, from `at` on? Answer: ms since the epoch, None without one."""

    records: Records
    at: int


class LastPane(msgspec.Struct, frozen=True):
    """Where does the last pane with rows start? Answer: as for FirstPane."""

    records: Records


class WindowsBetween(msgspec.Struct, frozen=True):
    """What do the windows hold that start in [start, end), and what was written of them? Answer: a Scan.

    joined: the records that they are joined with. size, start, end: ms.
    """

    records: Records
    joined: Records | None
    size: int
    start: int
    end: int


PlanQuery = FirstPane | LastPane | WindowsBetween

T = TypeVar("T")

PlanSteps = Generator[PlanQuery, Any, T]
"""Yields what it has to know, is sent each answer, returns a T. All answers are of one snapshot of one run."""
