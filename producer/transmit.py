"""Sends records when they are due, and a heartbeat every second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import structlog

from producer.gauges import Gauges
from producer.log import Log, Stopped
from producer.pace import Pace
from producer.plan import Lane, Position, ReplayPlan
from producer.replay import LaneBatch
from schemas.durations import approximate_duration, moment

log = structlog.get_logger()

_TICK_S = 0.02
"""Records due within this are sent together."""

_REPORT_S, _LOG_S = 0.25, 10.0


@dataclass(frozen=True)
class Progress:
    """How far a replay has come.

    Attributes:
        clock: Event time, ms since the epoch.
        counts: Records of the run by topic without prefix, events first.
        share: Of the period, 0 to 1.
        left_s: Wall seconds until the end; None if not known yet.
        lost: Whether Kafka is away.
    """

    clock: int
    counts: Mapping[str, int]
    share: float = 0.0
    left_s: float | None = None
    lost: bool = False

    @property
    def records(self) -> int:
        """Records of the run in all topics."""
        return sum(self.counts.values())

    @property
    def events(self) -> int:
        """Records of the run in the topic of events."""
        return next(iter(self.counts.values()))


def log_progress(progress: Progress) -> None:
    """Log how far a replay has come."""
    left = {} if progress.left_s is None else {"left": approximate_duration(progress.left_s)}
    at, done = f"{moment(progress.clock):%Y-%m-%dT%H:%M}", f"{progress.share:.1%}"
    away = {"kafka": "away"} if progress.lost else {}
    log.info("progress", done=done, **left, event_time=at, **progress.counts, **away)


class Transmission:
    """Takes batches in order, and sends each record when it is due.

    Args:
        kafka: The connection.
        plan: The plan of the replay.
        prefix: Of the topics' names.
        pace: When records are due.
        stop: Set by the operator.
        positions: Of the lanes that hold records of the run.
        beat_s: Wall seconds between two heartbeats that show that the producer is alive.
        report: Called with the Progress a few times per second; None to log it now and then.
        gauges: The metrics.
    """

    def __init__(
        self,
        kafka: Log,
        plan: ReplayPlan,
        prefix: str,
        pace: Pace,
        stop: threading.Event,
        *,
        positions: Mapping[Lane, Position],
        beat_s: float = 1.0,
        report: Callable[[Progress], None] | None = None,
        gauges: Gauges | None = None,
    ) -> None:
        self._kafka, self._plan, self._prefix = kafka, plan, prefix
        self._pace, self._stop = pace, stop
        self._positions = dict(positions)
        self._clock = plan.start
        self._beat_s, self._report_to = beat_s, report
        self._gauges = gauges or Gauges()
        self._gauges.start_from(self.progress.counts)
        now = time.monotonic()
        self._next_beat, self._next_report, self._next_log = now + beat_s, now, now + _LOG_S

    @property
    def progress(self) -> Progress:
        """How far the replay has come."""
        counts = {records.topic: 0 for records in self._plan.stream.topics}
        for lane, position in self._positions.items():
            counts[lane.topic] += position.seq + 1
        start, end = self._plan.manifest.period
        return Progress(
            self._clock,
            counts,
            share=(self._clock - start) / (end - start),
            left_s=self._pace.seconds_left(self._clock, end, time.monotonic()),
            lost=self._kafka.lost,
        )

    def send(self, batches: Sequence[LaneBatch]) -> None:
        """Send batches, and return when the last record is queued. Raises as `Log.send` does."""
        rest = {batch.lane: 0 for batch in batches}
        self._due(batches, rest)
        while True:
            reached = self._pace.event_time_at(time.monotonic())
            for batch in batches:
                if batch.lane in rest:
                    self._advance(batch, rest, reached)
            self._run_timers()
            due = self._due(batches, rest)
            if not rest:
                return
            self._sleep(due)

    def wait_for_delivery(self) -> None:
        """Wait until all that was sent has been acknowledged. Raises as `send` does."""
        self._kafka.flush()
        self._kafka.check_topics()
        self._report()

    def _due(self, batches: Sequence[LaneBatch], rest: Mapping[Lane, int]) -> float:
        """Return when the next record is due, monotonic seconds; infinite after the last."""
        clocks = [int(s.clocks[rest[s.lane]]) for s in batches if s.lane in rest]
        self._gauges.due = self._pace.due_at(min(clocks)) if clocks else inf
        return self._gauges.due

    def _advance(self, batch: LaneBatch, rest: dict[Lane, int], reached: float) -> None:
        """Send the records of one batch that are due."""
        lane, begin, end = batch.lane, rest[batch.lane], batch.count_until(reached)
        if end > begin:
            self._kafka.send(
                self._prefix + lane.topic, lane.partition, batch.keys[begin:end], batch.values[begin:end]
            )
            self._positions[lane] = Position(
                int(batch.seqs[end - 1]), int(batch.heartbeats_at[end - 1]), batch.final
            )
            self._clock = max(self._clock, int(batch.clocks[end - 1]))
            rest[lane] = end
        if end == len(batch.values):
            del rest[lane]

    def _run_timers(self) -> None:
        """Do what depends on the wall clock: send beats, report, poll the connection, and stop when asked to."""
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + self._beat_s
            self._send_beats()
        if now >= self._next_report:
            self._next_report = now + _REPORT_S
            self._report()
        if now >= self._next_log:
            self._next_log = now + _LOG_S
            if self._report_to is None:
                log_progress(self.progress)
        self._kafka.poll()
        if self._stop.is_set():
            raise Stopped

    def _report(self) -> None:
        progress = self.progress
        if self._report_to is not None:
            self._report_to(progress)
        self._gauges.update(progress.counts, progress.clock)

    def _send_beats(self) -> None:
        """Send every lane a heartbeat that does not advance its watermark: it repeats the last scheduled one."""
        if self._kafka.lost:
            return  # beats would only fill the queue
        self._kafka.check_topics()
        for lane, position in self._positions.items():
            if not position.finished:  # nothing may follow the final heartbeat
                value = self._plan.heartbeat(position.seq, position.heartbeat_at)
                self._kafka.send(self._prefix + lane.topic, lane.partition, [None], [value])

    def _sleep(self, due: float) -> None:
        """Sleep until then, or until the next beat; at least one tick."""
        until = min(due, self._next_beat)
        self._stop.wait(max(until - time.monotonic(), _TICK_S))
