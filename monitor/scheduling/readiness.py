"""Which windows are open, provisional or final, and which are due. Pure: the clock is an argument.

Times are ms since the epoch, in event time, but for `beat_at`, `caught_up_since`, `moved_at` and `now`: wall time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from schemas.definition import EVENTS, LABELS, Role
from schemas.status import RANK, Closing
from schemas.watermark import END, NEVER, partition_watermark, stream_watermark
from storage.windows import PartitionProgress, RowCounts, StoredRun, WindowScan, WrittenResult


class Patience(msgspec.Struct, frozen=True):
    """How long to wait, in ms of wall time: for a consumer's sign of life, and for rows."""

    alive: int
    idle: int


class Watermarks(msgspec.Struct, frozen=True):
    """How far a topic has come in event time.

    watermark: windows that end up to here are closed, as far as partitions that are not idle go.
    strict: the same with nobody left out: no row can join them any more. strict <= watermark.
    """

    watermark: int
    strict: int

    def closing(self, end: int) -> Closing:
        """The status that a window with this end may have."""
        if end <= self.strict:
            return "final"
        return "provisional" if end <= self.watermark else "open"


UNKNOWN = Watermarks(NEVER, NEVER)


def is_idle(partition: PartitionProgress, now: int, patience: Patience) -> bool:
    """Whether a partition has had no records for a while, and its consumer is alive and has read all there are.

    A partition whose consumer is dead is not idle: nothing is known about it.

    Args:
        partition: Its progress.
        now: Wall time by the database, ms.
        patience: How long a sign of life counts, and how long a partition may rest.
    """
    return (
        partition.beat_at is not None
        and abs(now - partition.beat_at) < patience.alive  # ahead of now: from before the clock was set back
        and partition.next_offset >= partition.log_end
        and partition.caught_up_since is not None
        and now - partition.caught_up_since > patience.idle
    )


def watermark_of(partition: PartitionProgress, lateness: int) -> int:
    """Return a partition's own watermark, M - L. lateness: L, ms."""
    return END if partition.finished else partition_watermark(partition.max_event_time, lateness)


def topic_watermarks(
    partitions: Sequence[PartitionProgress], lateness: int, now: int, patience: Patience
) -> Watermarks:
    """Compute the watermarks of one run in a topic.

    Args:
        partitions: All partitions that the run waits for.
        lateness: Allowed lateness, ms.
        now: Wall time by the database, ms.
        patience: From when on a partition is idle.

    Returns:
        The smallest of all partitions; UNKNOWN if there are none yet.
    """
    if not partitions:
        return UNKNOWN
    own = [(watermark_of(p, lateness), is_idle(p, now, patience)) for p in partitions]
    return Watermarks(
        stream_watermark((watermark for watermark, idle in own if not idle), empty=END),
        stream_watermark(watermark for watermark, _ in own),
    )


def both(one: Watermarks, other: Watermarks) -> Watermarks:
    """Return the watermarks of joined topics: as far as both have come."""
    return Watermarks(min(one.watermark, other.watermark), min(one.strict, other.strict))


class RunProgress(msgspec.Struct, frozen=True):
    """How far a run has come, by role, when it last moved there, and how much was read in all."""

    watermarks: Mapping[Role, Watermarks]
    moved_at: Mapping[Role, int]
    now: int
    position: int

    def same_as(self, other: RunProgress) -> bool:
        return (self.watermarks, self.position) == (other.watermarks, other.position)


def progress_of(
    run: StoredRun, partitions: Mapping[Role, Sequence[PartitionProgress]], now: int, patience: Patience
) -> RunProgress:
    """Compute how far a run has come: labels, which are joined with events, as far as both have come.

    Args:
        run: Its lateness counts.
        partitions: All that it waits for, of each topic of its stream.
        now: Wall time by the database.
        patience: From when on a partition is idle.
    """
    own = {role: topic_watermarks(parts, run.lateness[role], now, patience) for role, parts in partitions.items()}
    # What lies ahead of now was written before the clock was set back.
    moved_at = {
        role: max((min(p.moved_at or now, now) for p in parts), default=now) for role, parts in partitions.items()
    }
    if LABELS in own:
        own[LABELS] = both(own[LABELS], own[EVENTS])
        moved_at[LABELS] = max(moved_at[LABELS], moved_at[EVENTS])
    return RunProgress(own, moved_at, now, sum(p.next_offset for parts in partitions.values() for p in parts))


def is_due(holds: RowCounts, written: WrittenResult | None, closing: Closing) -> bool:
    """Whether a window has to be computed.

    A provisional result whose window got more rows waits until the window is closed again, so that a burst of
    old rows after idleness is one revision, not one for each flush.
    """
    if written is None:
        return True
    grew = holds.more_than(written.counts)
    if closing == "open":
        return grew and written.status == "open"
    return grew or RANK[closing] > RANK[written.status]


def start_of(time: int, size: int) -> int:
    """Return the start of the window that `time` falls into, ms; NEVER and END stay as they are."""
    return time if time in (NEVER, END) else time // size * size


def is_wanted(scan: WindowScan, closing: Closing, start: int) -> bool:
    """Whether a window of a scan has to be computed, once it is closed that far."""
    return is_due(scan.holds[start], scan.written.get(start), closing)


def due(scan: WindowScan, watermarks: Watermarks) -> list[int]:
    """Starts of the closed windows that have to be computed, the earliest first."""
    closing_of = {start: watermarks.closing(start + scan.size) for start in sorted(scan.holds)}
    return [start for start, closing in closing_of.items() if closing != "open" and is_wanted(scan, closing, start)]


def growing(scan: WindowScan, watermarks: Watermarks, min_rows: int) -> list[int]:
    """Starts of the open windows that would show something new, the earliest first.

    A window with fewer than `min_rows` has nothing to show before it closes. Whoever writes to the topic can begin
    thousands of runs of one row: the figures of such windows would be nearly all that they cost.
    """
    starts = (start for start in sorted(scan.holds) if watermarks.closing(start + scan.size) == "open")
    enough = (start for start in starts if scan.holds[start].rows >= min_rows or start in scan.written)
    return [start for start in enough if is_wanted(scan, "open", start)]


def advanced(frontier: int, scan: WindowScan, watermarks: Watermarks) -> int:
    """Move the frontier past all windows that are final.

    Args:
        frontier: All windows that start before it (ms) are final.
        scan: Windows and their results.
        watermarks: Of their topic.

    Returns:
        The new frontier. It never moves back, nor past windows that were not scanned.
    """
    if scan.start > frontier:
        return frontier
    settled = min(scan.end, start_of(watermarks.strict, scan.size))
    pending = (start for start in sorted(scan.holds) if is_wanted(scan, "final", start))
    return max(frontier, min(settled, next(pending, settled)))
