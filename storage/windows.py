"""Runs, windows and their results, as the tables hold them. Pure; times are ms since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.definition import LABELS, Records, Role, Stream
from schemas.durations import moment
from schemas.figures import SegmentFigures, WindowFigures
from schemas.notices import WindowNotice
from schemas.status import WindowStatus

Ranges = Mapping[str, tuple[int, int]]
"""Partition → its first and last offset, both inclusive."""


class StoredRun(msgspec.Struct, frozen=True):
    """What belongs to a run.

    stream: as it was defined when the run began. lateness: allowed, by role, ms. started_at: wall time; a run that
    was removed and begun anew under its name has another. reference: hash of the artifact with whose reference its
    windows are compared: of the model that scored it or, where the records carry their predictions, of the one that
    the first monitor had; None while that has written no window.
    """

    run_id: str
    stream: Stream
    pane: int
    lateness: Mapping[Role, int]
    reference: str | None
    started_at: int = 0


class PartitionProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How one run has progressed in one partition of a topic.

    max_event_time: M; None while nothing valid of the run was read there.
    beat_at: its consumer was alive; caught_up_since: nothing has come since; log_end: the broker's, at the beat.
    moved_at: when M moved last. These three are wall time.
    """

    next_offset: int
    log_end: int
    max_event_time: int | None = None
    finished: bool = False
    beat_at: int | None = None
    caught_up_since: int | None = None
    moved_at: int | None = None


class WindowKey(msgspec.Struct, frozen=True):
    """The key of a result: of the events or the labels of a run. size, start: ms."""

    run_id: str
    records: Records
    size: int
    start: int

    @property
    def end(self) -> int:
        return self.start + self.size

    def with_records(self, records: Records) -> WindowKey:
        """The same window of other records of the stream."""
        return msgspec.structs.replace(self, records=records)

    @property
    def name(self) -> str:
        return f"{self.run_id}/{self.records.role}/{self.size}/{self.start}"

    @property
    def key(self) -> dict[str, Any]:
        """The columns of the key."""
        return {
            "run_id": self.run_id,
            "stream": self.records.role,
            "size_s": self.size // 1_000,
            "window_start": moment(self.start),
        }

    def notice(self, status: str) -> WindowNotice:
        """Say that this window was written."""
        key = self.key
        return WindowNotice(self.run_id, key["stream"], key["size_s"], self.start, status)


class RowCounts(msgspec.Struct, frozen=True):
    """What a window holds, or what its result was computed from; joined: rows that its own are joined with."""

    rows: int
    joined: int = 0

    def more_than(self, other: RowCounts) -> bool:
        return self.rows > other.rows or self.joined > other.joined


class WrittenResult(msgspec.Struct, frozen=True):
    """A result that is there, as far as planning needs to know it."""

    status: WindowStatus
    counts: RowCounts


class WindowScan(msgspec.Struct, frozen=True):
    """Windows of one size that start in [start, end): what those with rows hold, and the results that are there."""

    size: int
    start: int
    end: int
    holds: Mapping[int, RowCounts]
    written: Mapping[int, WrittenResult]


class ChunkSlice(msgspec.Struct, frozen=True):
    """A window's rows in one chunk. version: differs between chunks that were at one place, one after the other."""

    partition: int
    first_offset: int
    first_row: int
    rows: int
    version: str


class StoredResult(msgspec.Struct, frozen=True, kw_only=True):
    """A result as it stands. figures: by column of `window_result`; columns: by column and metric."""

    rows: int
    offsets: Ranges
    joined_rows: int
    joined_offsets: Ranges
    figures: Mapping[str, Any]
    columns: Mapping[tuple[str, str], Mapping[str, Any]]


class EncodedSummary(msgspec.Struct, frozen=True):
    """What a window held, as it is stored. layout: hash of the bins. rows: that were counted. segments: if any."""

    layout: str
    rows: int
    payload: bytes
    segments: bytes | None = None


UNREADABLE = EncodedSummary("", 0, b"")
"""In place of a summary, of a window whose rows cannot be read."""


class WindowResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written of a window.

    summary: of a closed window, or UNREADABLE; None where no summaries are kept. segments: of a closed window.
    compute_ms: wall time that its figures took. closed_at: wall time; None while it is open. timed: the wall clock
    was not set since `closed_at`.
    """

    status: WindowStatus
    counts: RowCounts
    figures: WindowFigures
    offsets: Ranges
    joined_offsets: Ranges = {}
    summary: EncodedSummary | None = None
    segments: tuple[SegmentFigures, ...] = ()
    compute_ms: float | None = None
    closed_at: int | None = None
    timed: bool = True


class Receipt(msgspec.Struct, frozen=True):
    """What was written. latency: ms from the flush that closed the window to its first row; None: open, or unknown.

    compute_ms: as in the WindowResult.
    """

    revision: int
    latency: float | None
    status: WindowStatus
    compute_ms: float | None


def joined_with(stream: Stream, records: Records) -> Records | None:
    """The records of a stream that hold the predictions for these: the events, for labels."""
    return stream.events if records.role == LABELS else None
