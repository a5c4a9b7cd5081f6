"""Health and Prometheus metrics of a notifier."""

from __future__ import annotations

from runtime.health import Health
from runtime.metrics import Instruments

LIMIT_S = 30.0
"""Once a target takes nothing for so long, the notifier is unhealthy."""


class NotifierGauges:
    """Couriers write, each of its own target; the stage's thread judges."""

    def __init__(self) -> None:
        self.health = Health("notifier", LIMIT_S)
        made = self.instruments = Instruments(self.health)
        self._sent = made.counter("notifications_sent", "Messages that a target has taken.", "target", "state")
        self._failures = made.counter("notification_failures", "Attempts that failed.", "target")
        self._waiting = made.gauge("notifications_waiting", "Messages that a target is to be sent.", "target")
        self._failing = made.gauge("notifications_failing", "1 while attempts fail.", "target")
        self._troubles: dict[str, str] = {}

    def served(self, target: str, waiting: int) -> None:
        """Note that a target has got what there was for it, but for `waiting` messages."""
        self._waiting.labels(target).set(waiting)
        self._failing.labels(target).set(0)
        self._troubles[target] = ""

    def sent(self, target: str, state: str) -> None:
        """Count a message."""
        self._sent.labels(target, state).inc()

    def failed(self, target: str, reason: str, waiting: int) -> None:
        """Note why a target did not take a message."""
        self._failures.labels(target).inc()
        self._waiting.labels(target).set(waiting)
        self._failing.labels(target).set(1)
        self.trouble(target, f"notification_failed: {target}: {reason}")

    def trouble(self, target: str, reason: str) -> None:
        """Note in one line what keeps a target from being served."""
        self._troubles[target] = reason

    def judge(self, targets: int) -> None:
        """Report whether all is well. targets: how many there are; it is not before each was served."""
        troubles = [reason for reason in self._troubles.values() if reason]
        if troubles:
            self.health.trouble("; ".join(troubles))
            self.health.remark("; ".join(troubles))
        elif len(self._troubles) == targets:
            self.health.remark("")
            self.health.well()
