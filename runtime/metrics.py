"""The metrics of a stage: a registry of its own, so that several stages may live in one process, and its health."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from runtime.health import Health

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60)
"""Buckets of durations: fine up to the second that is promised, coarse beyond."""

RECORDS = (1, 10, 100, 300, 1_000, 3_000, 10_000, 20_000, 50_000, 100_000)
"""Buckets of sizes, in records."""


class Instruments:
    """Creates metrics named `driftline_…`. Labels have few values: never a run, a window or an id."""

    def __init__(self, health: Health) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody queries
        self.health = health
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.gauge("healthy", "1 while /healthz answers 200.").set_function(lambda: health.report().well)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Create a counter. name: without the prefix, and without `_total`, which is added."""
        return Counter(f"driftline_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Create a gauge. name: without the prefix."""
        return Gauge(f"driftline_{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:
        """Create a histogram. name: without the prefix. buckets: upper bounds."""
        return Histogram(f"driftline_{name}", text, labels, buckets=buckets, registry=self.registry)
