"""When windows closed, and how long it took from there to their rows. Pure: the clock is an argument."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Mapping

from monitor.scheduling.readiness import Marks
from schemas.durations import duration_text
from schemas.watermark import NEVER

KEPT = 4_096

STEP_MS = 10_000
"""A wall clock that gains or loses more than this on the monotonic one was set: no answer takes so long."""


class Closings:
    """The moments at which the strict watermarks of one run's streams were seen to move."""

    def __init__(self) -> None:
        self._marks: dict[str, list[int]] = defaultdict(list)
        self._moments: dict[str, list[int]] = defaultdict(list)
        self._offset: float | None = None
        self._stepped_at = NEVER

    def ticked(self, now: int, clock: float) -> None:
        """now: the wall clock of Postgres, ms; clock: monotonic seconds at about the same moment."""
        offset = now - 1_000 * clock
        if self._offset is not None and abs(offset - self._offset) > STEP_MS:
            self._stepped_at = now
        self._offset = offset

    def is_timed(self, closed_at: int) -> bool:
        """Whether the wall clock has not been set since then: it can tell how long that is ago."""
        return closed_at >= self._stepped_at

    def saw(self, marks: Mapping[str, Marks], moved_at: Mapping[str, int]) -> None:
        """moved_at: wall time, ms, of the last flush that moved any partition of the stream."""
        for stream, mark in marks.items():
            known = self._marks[stream]
            if mark.strict > (known[-1] if known else NEVER):
                known.append(mark.strict)
                self._moments[stream].append(moved_at[stream])
                if len(known) > KEPT:
                    del known[: KEPT // 2], self._moments[stream][: KEPT // 2]

    def closed_at(self, stream: str, end: int, now: int) -> int:
        """The flush that closed a window; now, for one that closed by the idleness of a partition."""
        place = bisect_left(self._marks[stream], end)
        moments = self._moments[stream]
        return moments[place] if place < len(moments) else now


class Meter:
    """What the monitor says of its own health."""

    def __init__(self, now: float) -> None:
        """now: monotonic seconds, as everywhere here."""
        self._since = now
        self._written = 0
        self._latencies: dict[int, deque[float]] = defaultdict(lambda: deque(maxlen=1_000))

    def wrote(self, latency: float | None, size: int) -> None:
        """latency: ms from the flush that closed the window to its row; None for anything but a first closing.

        size: of the window, ms. A small window and a day close together, but are not written together.
        """
        self._written += 1
        if latency is not None:
            self._latencies[size].append(latency)

    def measures(self, now: float, pending: int) -> dict[str, float | int | None]:
        """Since the last call; latencies of the last thousand windows that closed: of each size, and of all."""
        rate = self._written / (now - self._since) if now > self._since else 0.0
        self._since, self._written = now, 0
        ordered = sorted(latency for latencies in self._latencies.values() for latency in latencies)
        by_size = {
            f"latency_p95_ms_{duration_text(size)}": _quantile(sorted(latencies), 0.95)
            for size, latencies in sorted(self._latencies.items())
        }
        return {
            "windows_per_s": round(rate, 2),
            "pending": pending,
            "latency_p50_ms": _quantile(ordered, 0.50),
            "latency_p95_ms": _quantile(ordered, 0.95),
            **by_size,
        }


def _quantile(ordered: list[float], q: float) -> float | None:
    return round(ordered[min(int(q * len(ordered)), len(ordered) - 1)], 1) if ordered else None
