"""What a window's result is called, and what it may become: never less than it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Closing = Literal["open", "provisional", "final"]
"""How far a window is closed: not at all, as far as anybody who is not idle can tell, or for good."""

WindowStatus = Literal["open", "provisional", "final", "insufficient"]
"""Of a result. insufficient: closed for good, with too few rows for a verdict."""

RANK: Mapping[WindowStatus, int] = {"open": 0, "provisional": 1, "final": 2, "insufficient": 2}


def below(status: WindowStatus) -> list[WindowStatus]:
    """The statuses that a result may leave for this one."""
    return [other for other, rank in RANK.items() if rank < RANK[status]]


def above(status: WindowStatus) -> list[WindowStatus]:
    """The statuses that a result never leaves for this one."""
    return [other for other, rank in RANK.items() if rank > RANK[status]]
