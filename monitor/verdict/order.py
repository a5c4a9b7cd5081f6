"""Which windows of a run are folded, and in what order. Pure; times are ms of event time.

All windows between the first record and the end of a run count, those without rows too. They come season by season,
within a season by the moment from which on they can be final. Only a complete prefix is folded: a window waits for
all that come before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor.verdict.fold import Order
from monitor.verdict.season import Season
from schemas.definition import Role
from schemas.watermark import END


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How far the windows of one role and size are complete.

    Attributes:
        role: Of their records.
        size: Of the windows, ms.
        lateness: Allowed, ms.
        until: All windows that end up to here are closed and written, or have no rows.
        is_over: Nothing more can come: windows that end later never will be complete.
    """

    role: Role
    size: int
    lateness: int
    until: int
    is_over: bool = False


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A window in the canonical order; fields as in `fold.WindowScore`."""

    role: Role
    size: int
    start: int
    due: int
    season: int

    @property
    def order(self) -> Order:
        return self.season, self.due, self.size, self.role


def first_start(pane: int, sizes: Sequence[int]) -> int:
    """Where the windows of a run begin: those before its first record, or cut by it, say nothing.

    Args:
        pane: The first pane with rows.
        sizes: That are watched.
    """
    return pane // min(sizes) * min(sizes)


def next_windows(
    first: int, extents: Sequence[Extent], last: Order | None, season: Season, most: int
) -> tuple[list[Place], bool]:
    """List the windows of one season that come next.

    Args:
        first: Where the run begins (`first_start`).
        extents: Of all roles and sizes that are watched.
        last: The last window that was folded; None: none.
        season: Of the stream.
        most: So many at most.

    Returns:
        The windows in canonical order, and whether there are more.
    """
    horizon = min((e.until + e.lateness for e in extents if not e.is_over), default=None)
    end = max((e.until for e in extents), default=first)
    at = season.start(first) if last is None else last[0]
    while at < end:
        after = at + season.length
        places = [place for e in extents for place in _of_season(e, max(first, at, _least(e, last, at)), at, after)]
        is_complete = all(e.is_over or e.until >= _last_end(e, after) for e in extents)
        limit = END if is_complete or horizon is None else horizon
        ready = sorted(
            (p for p in places if (last is None or p.order > last) and p.due <= limit), key=lambda p: p.order
        )
        if ready:
            return ready[:most], len(ready) > most or (is_complete and after < end)
        if not is_complete:
            return [], False
        at = after
    return [], False


def _least(extent: Extent, last: Order | None, at: int) -> int:
    """No window of this season that starts earlier comes after the last one."""
    return 0 if last is None or last[0] != at else last[1] - extent.lateness - extent.size


def _of_season(extent: Extent, first: int, at: int, after: int) -> list[Place]:
    """The complete windows of a season, from the first that starts at `first` or later."""
    size = extent.size
    begin = -(-first // size) * size
    return [
        Place(role=extent.role, size=size, start=start, due=start + size + extent.lateness, season=at)
        for start in range(begin, min(after, extent.until - size + 1), size)
    ]


def _last_end(extent: Extent, after: int) -> int:
    """The end of the last window that starts before `after`."""
    return -(-after // extent.size) * extent.size


def complete_until(closed: int, first_missing: int | None) -> int:
    """How far the windows of one role and size are complete.

    Not only up to a border of windows: smaller ones do not wait for larger ones that end later.

    Args:
        closed: Windows that end up to here are closed.
        first_missing: Start of the first window that has rows and no closed result; None without one.
    """
    return closed if first_missing is None else min(closed, first_missing)
