"""Whether a stage does its work. The clock is an argument."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class HealthReport:
    """The answer of /healthz.

    Attributes:
        stage: Its name.
        well: Whether it does its work.
        reason: Why it does not; while it does, what is wrong beside it, if anything.
        seconds: Since the last round, or since the start.
    """

    stage: str
    well: bool
    reason: str
    seconds: float


class Health:
    """A stage is well while its last round, reported by `well`, is younger than `limit_s` seconds.

    A round counts when its work is really done: written to Postgres, accepted by Kafka. The stage's thread reports,
    that of the metrics server reads. clock: monotonic seconds.
    """

    def __init__(self, stage: str, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stage, self._limit_s, self._clock = stage, limit_s, clock
        self._last = clock()
        self._reason = "it is starting"
        self._begun = False
        self._remark = ""

    def well(self) -> None:
        """Report that a round is done."""
        self._last, self._begun, self._reason = self._clock(), True, ""

    def trouble(self, reason: str) -> None:
        """Report in one line what keeps the stage from its rounds: the reason, once it has lasted too long."""
        self._reason = reason

    def remark(self, reason: str) -> None:
        """Report in one line what is wrong beside the stage's work, which goes on. '': nothing."""
        self._remark = reason

    def report(self) -> HealthReport:
        """Judge the stage as of now."""
        seconds = round(self._clock() - self._last, 1)
        if self._begun and seconds < self._limit_s:
            return HealthReport(self._stage, True, self._remark, seconds)
        reason = self._reason or f"no round is done within {self._limit_s:g} s"
        return HealthReport(self._stage, False, reason, seconds)
