"""What Prometheus is told of a monitor: counted once a window."""

from __future__ import annotations

from monitor.snapshot import Window
from monitor.store import Receipt
from runtime.health import Health
from runtime.metrics import Instruments
from schemas.durations import duration_text

LIMIT_S = 30.0
"""A monitor that has neither looked nor written a window for so long is not well. It looks each second."""


class Gauges:
    """Outlives sessions: what is counted is counted since the process began."""

    def __init__(self) -> None:
        self.health = Health("monitor", LIMIT_S)
        self.withheld = 0
        """Windows that another session has kept from us for too long: it is not well meanwhile."""
        made = self.instruments = Instruments(self.health)
        self._windows = made.counter("windows_written", "Windows written, each time.", "stream", "size", "status")
        self._compute = made.histogram(
            "window_compute_duration_seconds", "Computing the figures of a window.", "stream", "size"
        )
        self._latency = made.histogram(
            "window_close_latency_seconds", "From the flush that closed a window to its row.", "stream", "size"
        )
        self._failures = made.counter("window_failures", "Windows that could not be computed, each time.", "stream")
        self._pending = made.gauge("windows_pending", "Windows planned or to be tried again.")

    def wrote(self, window: Window, receipt: Receipt) -> None:
        """A window was committed."""
        self.looked()
        place = window.stream.role, duration_text(window.size)
        self._windows.labels(*place, receipt.status).inc()
        if receipt.compute_ms is not None:
            self._compute.labels(*place).observe(receipt.compute_ms / 1_000)
        if receipt.latency is not None:
            self._latency.labels(*place).observe(receipt.latency / 1_000)

    def looked(self) -> None:
        """A round is done."""
        if self.withheld:
            self.health.trouble(f"windows_withheld: another session keeps {self.withheld} window(s) locked")
        else:
            self.health.well()

    def failed(self, window: Window) -> None:
        self._failures.labels(window.stream.role).inc()

    def pending(self, windows: int) -> None:
        self._pending.set(windows)
