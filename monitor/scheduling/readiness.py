"""Which windows are open, provisional or final, and which are due. Pure: the clock is an argument.

Times are ms since the epoch, in event time, but for `beat_at`, `caught_up_since`, `moved_at` and `now`: wall time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from schemas.watermark import END, NEVER, partition_watermark, stream_watermark

Closing = Literal["open", "provisional", "final"]
Status = Literal["open", "provisional", "final", "insufficient"]
RANK: Mapping[Status, int] = {"open": 0, "provisional": 1, "final": 2, "insufficient": 2}
"""What a result may become: never a lower rank than it has."""


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of a topic, as one run has progressed in it.

    max_event_time: M; None while nothing valid of the run was read there.
    beat_at: its consumer was alive; caught_up_since: nothing has come since; log_end: the broker's, at the beat.
    moved_at: when M moved last.
    """

    next_offset: int
    log_end: int
    max_event_time: int | None = None
    finished: bool = False
    beat_at: int | None = None
    caught_up_since: int | None = None
    moved_at: int | None = None


class Patience(msgspec.Struct, frozen=True):
    """How long to wait, in ms of wall time: for a sign of life, and for rows."""

    alive: int
    idle: int


class Marks(msgspec.Struct, frozen=True):
    """How far a stream has come.

    watermark: windows that end up to here are closed, as far as anybody who is not idle can tell.
    strict: the same with nobody left out: no row can join them any more. strict <= watermark.
    """

    watermark: int
    strict: int

    def closing(self, end: int) -> Closing:
        """The status that a window with this end may have."""
        if end <= self.strict:
            return "final"
        return "provisional" if end <= self.watermark else "open"


NOTHING = Marks(NEVER, NEVER)


def is_idle(partition: Partition, now: int, patience: Patience) -> bool:
    """Its consumer lives, has read all there is, and nothing came for a while. A dead one is not idle: unknown."""
    return (
        partition.beat_at is not None
        and abs(now - partition.beat_at) < patience.alive  # ahead of now: from before the clock was set back
        and partition.next_offset >= partition.log_end
        and partition.caught_up_since is not None
        and now - partition.caught_up_since > patience.idle
    )


def mark_of(partition: Partition, lateness: int) -> int:
    """A partition's own watermark, M - L."""
    return END if partition.finished else partition_watermark(partition.max_event_time, lateness)


def marks(partitions: Sequence[Partition], lateness: int, now: int, patience: Patience) -> Marks:
    """Of one run in all partitions of a topic. NOTHING for a topic that nobody has met."""
    if not partitions:
        return NOTHING
    own = [(mark_of(p, lateness), is_idle(p, now, patience)) for p in partitions]
    return Marks(
        stream_watermark((mark for mark, idle in own if not idle), empty=END),
        stream_watermark(mark for mark, _ in own),
    )


def both(one: Marks, other: Marks) -> Marks:
    """Of a stream that is joined with another: as far as both have come."""
    return Marks(min(one.watermark, other.watermark), min(one.strict, other.strict))


class Rows(msgspec.Struct, frozen=True):
    """What a window holds, or what its result was computed from; joined: rows of the stream it is joined with."""

    rows: int
    joined: int = 0

    def more_than(self, other: Rows) -> bool:
        return self.rows > other.rows or self.joined > other.joined


class Written(msgspec.Struct, frozen=True):
    """The result that is there."""

    status: Status
    of: Rows


def is_due(holds: Rows, written: Written | None, closing: Closing) -> bool:
    """Whether a window has to be computed.

    A provisional result whose window got more rows waits until the window is closed again, so that a burst of
    old rows after idleness is one revision, not one for each flush.
    """
    if written is None:
        return True
    grew = holds.more_than(written.of)
    if closing == "open":
        return grew and written.status == "open"
    return grew or RANK[closing] > RANK[written.status]


def start_of(time: int, size: int) -> int:
    """The start of the window that `time` falls into, in ms; NEVER and END stay what they are."""
    return time if time in (NEVER, END) else time // size * size


class Scan(msgspec.Struct, frozen=True):
    """Windows of one size that start in [start, end): what those with rows hold, and the results that are there."""

    size: int
    start: int
    end: int
    holds: Mapping[int, Rows]
    written: Mapping[int, Written]

    def wanting(self, closing: Closing, start: int) -> bool:
        return is_due(self.holds[start], self.written.get(start), closing)


def due(scan: Scan, marks: Marks) -> list[int]:
    """Starts of the closed windows that have to be computed, the earliest first."""
    closings = {start: marks.closing(start + scan.size) for start in sorted(scan.holds)}
    return [start for start, closing in closings.items() if closing != "open" and scan.wanting(closing, start)]


def growing(scan: Scan, marks: Marks) -> list[int]:
    """Starts of the open windows that would show something new, the earliest first."""
    starts = (start for start in sorted(scan.holds) if marks.closing(start + scan.size) == "open")
    return [start for start in starts if scan.wanting("open", start)]


def advanced(frontier: int, scan: Scan, marks: Marks) -> int:
    """The frontier, moved past all that is final. It never moves back, nor over anything that was not scanned."""
    if scan.start > frontier:
        return frontier
    settled = min(scan.end, start_of(marks.strict, scan.size))
    pending = (start for start in sorted(scan.holds) if scan.wanting("final", start))
    return max(frontier, min(settled, next(pending, settled)))
