"""When windows closed, and how long after that their results were written. Pure: the clock is an argument."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Mapping

from monitor.scheduling.readiness import Watermarks
from schemas.definition import Role
from schemas.durations import duration_text
from schemas.watermark import NEVER

KEPT = 4_096

STEP_MS = 10_000
"""A wall clock that gains or loses more than this on the monotonic one was set: no answer takes so long."""


class CloseTimes:
    """When the strict watermarks of one run moved, by role."""

    def __init__(self) -> None:
        self._watermarks: dict[Role, list[int]] = defaultdict(list)
        self._moments: dict[Role, list[int]] = defaultdict(list)
        self._offset: float | None = None
        self._stepped_at = NEVER

    def set_clock(self, now: int, clock: float) -> None:
        """Compare the clocks, to notice when the wall clock is set.

        Args:
            now: Wall clock of Postgres, ms.
            clock: Monotonic seconds at about the same moment.
        """
        offset = now - 1_000 * clock
        if self._offset is not None and abs(offset - self._offset) > STEP_MS:
            self._stepped_at = now
        self._offset = offset

    def is_timed(self, closed_at: int) -> bool:
        """Whether the wall clock has not been set since `closed_at` (ms): the time since then can be measured."""
        return closed_at >= self._stepped_at

    def record(self, watermarks: Mapping[Role, Watermarks], moved_at: Mapping[Role, int]) -> None:
        """Note the watermarks of now.

        Args:
            watermarks: By role.
            moved_at: Wall time, ms, of the last flush that moved any partition of the topic, by role.
        """
        for role, watermark in watermarks.items():
            known = self._watermarks[role]
            if watermark.strict > (known[-1] if known else NEVER):
                known.append(watermark.strict)
                self._moments[role].append(moved_at[role])
                if len(known) > KEPT:
                    del known[: KEPT // 2], self._moments[role][: KEPT // 2]

    def closed_at(self, role: Role, end: int, now: int) -> int:
        """When a window closed: wall time, ms.

        Args:
            role: Of its records.
            end: Of the window, event time, ms.
            now: Wall time; returned for a window that closed because a partition became idle.
        """
        place = bisect_left(self._watermarks[role], end)
        moments = self._moments[role]
        return moments[place] if place < len(moments) else now


class WindowMeter:
    """How many windows a monitor writes, and how long after they closed."""

    def __init__(self, now: float) -> None:
        """now: monotonic seconds, as everywhere here."""
        self._since = now
        self._written = 0
        self._latencies: dict[int, deque[float]] = defaultdict(lambda: deque(maxlen=1_000))

    def record(self, latency: float | None, size: int) -> None:
        """Count a window that was written.

        Args:
            latency: From the flush that closed the window to its row, ms; None for anything but a first closing.
            size: Of the window, ms. A small window and a day close together, but are not written together.
        """
        self._written += 1
        if latency is not None:
            self._latencies[size].append(latency)

    def measures(self, now: float, pending: int) -> dict[str, float | int | None]:
        """Measure windows per second since the last call, and latencies of the last thousand windows of each size.

        Args:
            now: Monotonic seconds.
            pending: Windows that are planned.
        """
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
