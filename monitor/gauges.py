"""Prometheus metrics of a monitor, updated once a window."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from runtime.health import Health
from runtime.metrics import Instruments
from schemas.durations import duration_text
from storage.windows import Receipt, WindowKey

LIMIT_S = 30.0
"""Without a round of the scheduler or a window for so long, a monitor is unhealthy. Rounds come each second."""


class MonitorGauges:
    """Outlive sessions with the database: they count since the process began."""

    def __init__(self) -> None:
        self.health = Health("monitor", LIMIT_S)
        self.withheld = 0
        """Windows that another session has kept locked for too long: the monitor is unhealthy meanwhile."""
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
        self._evidence = made.gauge("evidence", "Most evidence of any run that it is not as before; 1: the line.")
        self._firing = made.gauge("alarms_firing", "Runs of which an alarm fires.")
        self._changes = made.counter("alarm_changes", "Alarms that fired, recovered or were withdrawn.", "state")
        self._unpublished = made.gauge(
            "alarm_changes_unpublished", "Changes of alarms that Kafka does not have yet."
        )
        self.publishing: dict[str, object] = {}
        """Changes of alarms that are not published yet, and why; empty where all are."""
        self._levels: dict[str, tuple[float, bool]] = {}

    def record_written(self, window: WindowKey, receipt: Receipt) -> None:
        """Count a window that was committed."""
        self.record_round()
        place = window.records.role, duration_text(window.size)
        self._windows.labels(*place, receipt.status).inc()
        if receipt.compute_ms is not None:
            self._compute.labels(*place).observe(receipt.compute_ms / 1_000)
        if receipt.latency is not None:
            self._latency.labels(*place).observe(receipt.latency / 1_000)

    def record_round(self) -> None:
        """Note that the scheduler has completed a round."""
        if self.withheld:
            self.health.trouble(f"windows_withheld: another session keeps {self.withheld} window(s) locked")
        else:
            self.health.well()

    def record_failure(self, window: WindowKey) -> None:
        self._failures.labels(window.records.role).inc()

    def record_fold(self, run_id: str, level: float, state: str | None, changes: Iterable[str]) -> None:
        """Note what a fold found.

        Args:
            run_id: The run.
            level: Evidence, in units of the line.
            state: Of the open alarm.
            changes: States that alarms have changed to.
        """
        self._levels[run_id] = level, state == "firing"
        for change in changes:
            self._changes.labels(change).inc()
        self._show_levels()

    def unpublished(self, changes: int) -> None:
        """Note how many changes of alarms are not published."""
        self._unpublished.set(changes)
        if not changes:
            self.published()
        else:
            self.publishing |= {"alarms_unpublished": changes}

    def unpublishable(self, reason: str) -> None:
        """Note why they are not. The monitor is healthy all the same: its windows go on."""
        self.publishing |= {"kafka": reason}
        self.health.remark(f"alarms_unpublished: {reason}")

    def published(self) -> None:
        """Note that all are."""
        self.publishing = {}
        self.health.remark("")

    def watched(self, run_ids: Collection[str]) -> None:
        """Forget all other runs: they are over, or gone."""
        self._levels = {run_id: level for run_id, level in self._levels.items() if run_id in run_ids}
        self._show_levels()

    def _show_levels(self) -> None:
        self._evidence.set(max((level for level, _ in self._levels.values()), default=0.0))
        self._firing.set(sum(firing for _, firing in self._levels.values()))

    def pending(self, windows: int) -> None:
        self._pending.set(windows)
