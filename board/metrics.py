"""What the board counts of itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LONG = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)


class Metrics:
    """One registry for each board, so that two in one process do not count together."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.visible = Histogram(
            "driftline_board_row_visible_seconds",
            "From the flush that closed a window to its row sent to a page.",
            registry=self.registry,
            buckets=SHORT,
        )
        self.clients = Gauge("driftline_board_clients", "Pages that follow live.", registry=self.registry)
        self.dropped = Counter(
            "driftline_board_clients_dropped", "Pages that did not keep up.", registry=self.registry
        )
        self.requests = Histogram(
            "driftline_board_request_seconds",
            "Time to answer, by route; of events, while they were followed.",
            ["route", "status"],
            registry=self.registry,
            buckets=SHORT,
        )
        self.reports = Histogram(
            "driftline_board_report_seconds",
            "Time to make a report.",
            ["outcome"],
            registry=self.registry,
            buckets=LONG,
        )
        self.listening = Gauge(
            "driftline_board_listening", "1 while notifications of Postgres arrive.", registry=self.registry
        )

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return bytes(generate_latest(self.registry))
