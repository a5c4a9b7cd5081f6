"""What a run replays and how, and how far it has come in each partition. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.definition import Records, Stream
from schemas.records import Heartbeat, Manifest, encode_heartbeat

Ints = np.ndarray[Any, np.dtype[np.int64]]

MARK_MS = 600_000
CHUNK = 10_000


class Lane(NamedTuple):
    """One partition of one topic; the topic's name without prefix."""

    topic: str
    partition: int


@dataclass(frozen=True)
class Position:
    """How far a run has come in one lane.

    seq: of the last data record there, -1 before the first.
    mark: the last mark there, ms since the epoch; the period's start before the first.
    finished: the final heartbeat is there.
    """

    seq: int
    mark: int
    finished: bool = False


@dataclass(frozen=True)
class ReplayPlan:
    """All that the sequence of records depends on, beside the source.

    stream: whose records they are.
    mark_ms: grid of the marks, in event time. chunk: rows encoded at a time (5 MB a stream); changes only memory.
    """

    stream: Stream
    run_id: str
    manifest: Manifest
    partitions: int
    mark_ms: int = MARK_MS
    chunk: int = CHUNK

    def within(self, partitions: int) -> ReplayPlan:
        """The same in the first partitions of its topics only."""
        count = min(partitions, self.partitions)
        return replace(self, partitions=count, manifest=msgspec.structs.replace(self.manifest, partitions=count))

    @property
    def start(self) -> int:
        return self.manifest.period[0]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return tuple(Lane(records.topic, p) for records in self.stream.topics for p in range(self.partitions))

    def clocks(self, times: Any) -> Ints:
        """Event times as replay clock: clamped into the period, since a few rows carry years like 2008 or 2041."""
        start, end = self.manifest.period
        clocks: Ints = np.clip(times, start, end - 1).astype(np.int64)
        return clocks

    def marks(self, after: int, until: int) -> Ints:
        """The grid in (after, until], ascending."""
        return np.arange((after // self.mark_ms + 1) * self.mark_ms, until + 1, self.mark_ms, dtype=np.int64)

    def position(self, records: Records, record: Mapping[str, Any]) -> Position:
        """How far a lane has come, by the last record of this run in it: data, mark, beat, start or final."""
        if record["kind"] != records.kind:
            return Position(record["seq"], record["at"], bool(record.get("final")))
        known_at = record.get(records.known_at or "", record[records.time])
        clock = int(self.clocks(max(record[records.time], known_at)))
        return Position(record["seq"], max(self.start, clock // self.mark_ms * self.mark_ms))

    def heartbeat(self, seq: int, at: int, *, final: bool = False) -> bytes:
        """A mark, a beat or the final one."""
        return encode_heartbeat(Heartbeat(run_id=self.run_id, seq=seq, at=at, final=final))

    def first_heartbeat(self) -> bytes:
        """The start: it carries the manifest."""
        return encode_heartbeat(Heartbeat(run_id=self.run_id, seq=-1, at=self.start, manifest=self.manifest))
