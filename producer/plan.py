"""What a run replays, and its position in each partition. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.definition import Records, Stream
from schemas.records import Heartbeat, Manifest, encode_heartbeat

Ints = np.ndarray[Any, np.dtype[np.int64]]

GRID_MS = 600_000
"""Event time between two scheduled heartbeats."""

CHUNK = 10_000


class Lane(NamedTuple):
    """One partition of one topic; the topic's name without prefix."""

    topic: str
    partition: int


@dataclass(frozen=True)
class Position:
    """How far a run has come in one lane.

    Attributes:
        seq: Of the last data record, -1 before the first.
        heartbeat_at: Event time of the last scheduled heartbeat, ms since the epoch; the period's start before the
            first.
        finished: Whether the final heartbeat was sent.
    """

    seq: int
    heartbeat_at: int
    finished: bool = False


@dataclass(frozen=True)
class ReplayPlan:
    """Everything but the source that determines the sequence of records.

    Attributes:
        stream: The stream whose records are sent.
        run_id: The name of the run.
        manifest: What its first heartbeats carry.
        partitions: Number of partitions that it is sent to, in each topic.
        grid_ms: Event time between two scheduled heartbeats.
        chunk: Rows encoded at a time (5 MB a topic); affects memory only.
    """

    stream: Stream
    run_id: str
    manifest: Manifest
    partitions: int
    grid_ms: int = GRID_MS
    chunk: int = CHUNK

    def within(self, partitions: int) -> ReplayPlan:
        """Return this plan, limited to the first partitions of its topics."""
        count = min(partitions, self.partitions)
        return replace(self, partitions=count, manifest=msgspec.structs.replace(self.manifest, partitions=count))

    @property
    def start(self) -> int:
        """Start of the replayed period, ms since the epoch."""
        return self.manifest.period[0]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Every partition of every topic, events first."""
        return tuple(Lane(records.topic, p) for records in self.stream.topics for p in range(self.partitions))

    def clocks(self, times: Any) -> Ints:
        """Clamp event times to the period, since a few rows have years like 2008 or 2041; ms since the epoch."""
        start, end = self.manifest.period
        clocks: Ints = np.clip(times, start, end - 1).astype(np.int64)
        return clocks

    def grid(self, after: int, until: int) -> Ints:
        """Return the moments of the scheduled heartbeats in (after, until], ascending, ms since the epoch."""
        return np.arange((after // self.grid_ms + 1) * self.grid_ms, until + 1, self.grid_ms, dtype=np.int64)

    def position(
        self, records: Records, record: Mapping[str, Any], heartbeat: Mapping[str, Any] | None = None
    ) -> Position:
        """Return the position of a lane.

        Args:
            records: What the lane holds.
            record: Its last record of this run, data or any heartbeat.
            heartbeat: Its last heartbeat of this run; None if it is no longer there. The times of the last data
                record then have to do, which a scenario may have moved.
        """
        if record["kind"] != records.kind:
            return Position(record["seq"], record["at"], bool(record.get("final")))
        if heartbeat is not None:
            return Position(record["seq"], heartbeat["at"])
        known_at = record.get(records.known_at or "", record[records.time])
        clock = int(self.clocks(max(record[records.time], known_at)))
        return Position(record["seq"], max(self.start, clock // self.grid_ms * self.grid_ms))

    def heartbeat(self, seq: int, at: int, *, final: bool = False) -> bytes:
        """Encode a heartbeat other than the first."""
        return encode_heartbeat(Heartbeat(run_id=self.run_id, seq=seq, at=at, final=final))

    def first_heartbeat(self) -> bytes:
        """Encode the first heartbeat of a lane, which carries the manifest."""
        return encode_heartbeat(Heartbeat(run_id=self.run_id, seq=-1, at=self.start, manifest=self.manifest))
