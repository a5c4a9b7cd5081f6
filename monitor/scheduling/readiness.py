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
    """How long to wait, in ms of wall time: for a sign of life, and for rows."""

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
    """Its consumer lives, has read all there is, and nothing came for a while. A dead one is not idle: unknown."""
    return (
        partition.beat_at is not None
        and abs(now - partition.beat_at) < patience.alive  # ahead of now: from before the clock was set back
        and partition.next_offset >= partition.log_end
        and partition.caught_up_since is not None
        and now - partition.caught_up_since > patience.idle
    )


def watermark_of(partition: PartitionProgress, lateness: int) -> int:
    """A partition's own watermark, M - L."""
    return END if partition.finished else partition_watermark(partition.max_event_time, lateness)


def topic_watermarks(
    partitions: Sequence[PartitionProgress], lateness: int, now: int, patience: Patience
) -> Watermarks:
    """Of one run in all partitions of a topic. UNKNOWN for a topic that nobody has met."""
    if not partitions:
        return UNKNOWN
    own = [(watermark_of(p, lateness), is_idle(p, now, patience)) for p in partitions]
    return Watermarks(
        stream_watermark((watermark for watermark, idle in own if not idle), empty=END),
        stream_watermark(watermark for watermark, _ in own),
    )


def both(one: Watermarks, other: Watermarks) -> Watermarks:
    """Of a stream that is joined with another: as far as both have come."""
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
    """The start of the window that `time` falls into, in ms; NEVER and END stay what they are."""
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
    """The frontier, moved past all that is final. It never moves back, nor over anything that was not scanned."""
    if scan.start > frontier:
        return frontier
    settled = min(scan.end, start_of(watermarks.strict, scan.size))
    pending = (start for start in sorted(scan.holds) if is_wanted(scan, "final", start))
    return max(frontier, min(settled, next(pending, settled)))
