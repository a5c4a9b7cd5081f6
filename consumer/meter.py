"""What a consumer measures of itself: lag, rows per second, age of its watermark. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from consumer.ledger import Claim, Flush
from consumer.windows import LatenessPolicy
from schemas.definition import LABELS, Role
from schemas.watermark import NEVER, partition_watermark, stream_watermark


@dataclass
class ConsumerMeter:
    """Counts what is flushed. Times are monotonic seconds.

    Attributes:
        since: When counting began.
        run_id: The run that was last flushed.
        records, events, labels, dead, unscored: Totals since then; events and labels are rows.
    """

    since: float
    run_id: str | None = None
    records: int = 0
    events: int = 0
    labels: int = 0
    dead: int = 0
    unscored: int = 0
    _policies: dict[tuple[str, str], LatenessPolicy] = field(default_factory=dict)
    _partitions: dict[str, int] = field(default_factory=dict)
    _last_measured: tuple[float, int] = (0.0, 0)
    _watermark: int | None = None
    _moved: float = 0.0

    def __post_init__(self) -> None:
        self._last_measured, self._moved = (self.since, 0), self.since

    def count(self, flush: Flush, policies: Mapping[str, LatenessPolicy], role: Role) -> None:
        """Add a flush that was committed.

        Args:
            flush: What was committed.
            policies: Of the runs in it that have an event time.
            role: Of its records.
        """
        self.records += flush.gained.records
        rows = sum(chunk.rows for chunk in flush.chunks)
        if role == LABELS:
            self.labels += rows
        else:
            self.events += rows
        self.dead += len(flush.dead)
        self.unscored += sum(each.count for each in flush.unscored)
        self._policies.update(
            {(run_id, flush.claim.partition.topic): policy for run_id, policy in policies.items()}
        )
        self._partitions.update({run_id: m.partitions for run_id, m in flush.manifests if m.partitions})
        self.run_id = next(iter(policies), self.run_id)

    def measures(self, now: float, claims: Iterable[Claim], ends: Iterable[int]) -> dict[str, Any]:
        """Measure, for table `health`.

        Args:
            now: Monotonic seconds.
            claims: The partitions that are ours.
            ends: The end of each one's log, in the same order.

        Returns:
            lag: Records to be read, of any run. rows_per_s: Events and labels accepted since the last call.
            watermark_ms: The smallest M - L of the last run in these partitions, event time. watermark_age_s: Wall
            seconds since that last moved. partitions: How many are ours. records, events, labels, dead_letters,
            unscored: Totals.
        """
        claims = tuple(claims)
        watermark = self._current_watermark(claims)
        if watermark != self._watermark:
            self._watermark, self._moved = watermark, now
        rows = self.events + self.labels
        (then, before), self._last_measured = self._last_measured, (now, rows)
        return {
            "lag": sum(max(0, end - c.next_offset) for c, end in zip(claims, ends, strict=True)),
            "rows_per_s": round((rows - before) / max(now - then, 1e-3), 1),
            "watermark_ms": watermark,
            "watermark_age_s": round(now - self._moved, 1),
            "partitions": len(claims),
            "records": self.records,
            "events": self.events,
            "labels": self.labels,
            "dead_letters": self.dead,
            "unscored": self.unscored,
        }

    def _current_watermark(self, claims: Iterable[Claim]) -> int | None:
        """The smallest M - L of the last run; None where a partition that counts has seen nothing of it yet.

        A partition that was added to the topic after the run began counts once a record of the run is in it.
        """
        run_id = self.run_id or ""
        counted = self._partitions.get(run_id, inf)
        watermark = stream_watermark(
            self._watermark_of(claim, run_id)
            for claim in claims
            if run_id in claim.runs or claim.partition.number < counted
        )
        return None if watermark == NEVER else watermark

    def _watermark_of(self, claim: Claim, run_id: str) -> int:
        policy, run = self._policies.get((run_id, claim.partition.topic)), claim.runs.get(run_id)
        return NEVER if policy is None or run is None else partition_watermark(run.state.max_time, policy.lateness)
