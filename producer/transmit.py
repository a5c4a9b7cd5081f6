"""Sending records when they are due, with a sign of life each second."""

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
from producer.replay import Stretch
from schemas.durations import moment, roughly

log = structlog.get_logger()

_TICK_S = 0.02
"""Records due within this are sent together."""

_REPORT_S, _LOG_S = 0.25, 10.0


@dataclass(frozen=True)
class Progress:
    """How far a replay has come.

    clock: event time, ms since the epoch. counts: records of the run by topic without prefix, events first.
    share: of the event time, 0 to 1.
    left_s: wall seconds until the end, None where nobody can say yet. lost: Kafka is away.
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


def _log(progress: Progress) -> None:
    left = {} if progress.left_s is None else {"left": roughly(progress.left_s)}
    at, done = f"{moment(progress.clock):%Y-%m-%dT%H:%M}", f"{progress.share:.1%}"
    away = {"kafka": "away"} if progress.lost else {}
    log.info("progress", done=done, **left, event_time=at, **progress.counts, **away)


class Transmission:
    """Takes stretches in order, and sends each record at its moment.

    stand: where each lane is; a lane is missing until its start is sent.
    report: called a few times a second with the Progress; without, it is logged now and then.
    """

    def __init__(
        self,
        kafka: Log,
        plan: ReplayPlan,
        prefix: str,
        pace: Pace,
        stop: threading.Event,
        *,
        stand: Mapping[Lane, Position],
        beat_s: float = 1.0,
        report: Callable[[Progress], None] | None = None,
        gauges: Gauges | None = None,
    ) -> None:
        self._kafka, self._plan, self._prefix = kafka, plan, prefix
        self._pace, self._stop = pace, stop
        self._stand = dict(stand)
        self._clock = plan.start
        self._beat_s, self._report_to = beat_s, report
        self._gauges = gauges or Gauges()
        self._gauges.stands(self.progress.counts)
        now = time.monotonic()
        self._next_beat, self._next_report, self._next_log = now + beat_s, now, now + _LOG_S

    @property
    def progress(self) -> Progress:
        counts = {records.topic: 0 for records in self._plan.stream.topics}
        for lane, position in self._stand.items():
            counts[lane.topic] += position.seq + 1
        start, end = self._plan.manifest.period
        return Progress(
            self._clock,
            counts,
            share=(self._clock - start) / (end - start),
            left_s=self._pace.left(self._clock, end, time.monotonic()),
            lost=self._kafka.lost,
        )

    def send(self, stretches: Sequence[Stretch]) -> None:
        """Returns when the last of them is queued. Raises Stopped, and what `Log.send` raises."""
        rest = {stretch.lane: 0 for stretch in stretches}
        self._due(stretches, rest)
        while True:
            reached = self._pace.reached(time.monotonic())
            for stretch in stretches:
                if stretch.lane in rest:
                    self._advance(stretch, rest, reached)
            self._tend()
            due = self._due(stretches, rest)
            if not rest:
                return
            self._sleep(due)

    def arrive(self) -> None:
        """Wait until all that was sent is in the log. Raises as `send` does."""
        self._kafka.flush()
        self._kafka.check_topics()
        self._report()

    def _due(self, stretches: Sequence[Stretch], rest: Mapping[Lane, int]) -> float:
        """When the next of them is due, monotonic seconds; infinite after the last."""
        clocks = [int(s.clocks[rest[s.lane]]) for s in stretches if s.lane in rest]
        self._gauges.due = self._pace.due(min(clocks)) if clocks else inf
        return self._gauges.due

    def _advance(self, stretch: Stretch, rest: dict[Lane, int], reached: float) -> None:
        """Send what is due of one stretch."""
        lane, begin, end = stretch.lane, rest[stretch.lane], stretch.until(reached)
        if end > begin:
            self._kafka.send(
                self._prefix + lane.topic, lane.partition, stretch.keys[begin:end], stretch.values[begin:end]
            )
            self._stand[lane] = Position(int(stretch.seqs[end - 1]), int(stretch.marks[end - 1]), stretch.final)
            self._clock = max(self._clock, int(stretch.clocks[end - 1]))
            rest[lane] = end
        if end == len(stretch.values):
            del rest[lane]

    def _tend(self) -> None:
        """What goes by the wall clock: beats, reports, the connection, the wish to stop."""
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + self._beat_s
            self._beat()
        if now >= self._next_report:
            self._next_report = now + _REPORT_S
            self._report()
        if now >= self._next_log:
            self._next_log = now + _LOG_S
            if self._report_to is None:
                _log(self.progress)
        self._kafka.poll()
        if self._stop.is_set():
            raise Stopped

    def _report(self) -> None:
        progress = self.progress
        if self._report_to is not None:
            self._report_to(progress)
        self._gauges.progressed(progress.counts, progress.clock)

    def _beat(self) -> None:
        """A heartbeat to every lane that moves nothing: its `at` is the lane's last mark."""
        if self._kafka.lost:
            return  # they would only pile up
        self._kafka.check_topics()
        for lane, position in self._stand.items():
            if not position.finished:  # nothing may follow the final heartbeat
                value = self._plan.heartbeat(position.seq, position.mark)
                self._kafka.send(self._prefix + lane.topic, lane.partition, [None], [value])

    def _sleep(self, due: float) -> None:
        """Until then or until a beat is due, at least one tick."""
        until = min(due, self._next_beat)
        self._stop.wait(max(until - time.monotonic(), _TICK_S))
