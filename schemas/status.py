"""The status of a window's result, and which changes are allowed: it never moves back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Closing = Literal["open", "provisional", "final"]
"""How far a window is closed: not at all, for all partitions that are not idle, or for good."""

WindowStatus = Literal["open", "provisional", "final", "insufficient"]
"""Of a result. insufficient: closed for good, with too few rows for a verdict."""

RANK: Mapping[WindowStatus, int] = {"open": 0, "provisional": 1, "final": 2, "insufficient": 2}


def below(status: WindowStatus) -> list[WindowStatus]:
    """Return the statuses from which a result may change to this one."""
    return [other for other, rank in RANK.items() if rank < RANK[status]]


def above(status: WindowStatus) -> list[WindowStatus]:
    """Return the statuses from which a result never changes to this one."""
    return [other for other, rank in RANK.items() if rank > RANK[status]]
