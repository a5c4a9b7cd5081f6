"""Publishes changes of alarms, beside the windows: a Kafka that is down costs those nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import structlog
from confluent_kafka import KafkaException

from monitor.alarm_topic import AlarmTopic
from monitor.gauges import MonitorGauges
from monitor.settings import Settings
from runtime.backoff import Backoff
from runtime.connections import kafka_advice
from runtime.failpoint import failpoint
from schemas.errors import DriftlineError
from storage.alarm_changes import claimed
from storage.connect import connect
from storage.errors import explain

log = structlog.get_logger()

FIRST_S, LONGEST_S = 0.5, 30.0
"""Seconds between two attempts."""

TAKEN_S = 0.5
"""Until it is looked again whether another monitor has published all there was."""

CLOSING_S = 30.0
"""How long a monitor whose work is done goes on trying."""


class Publisher:
    """A thread that publishes what others find to be unpublished. Leaving the block ends it."""

    def __init__(self, settings: Settings, gauges: MonitorGauges) -> None:
        self._url = settings.database_url
        self._topic = AlarmTopic(settings.kafka, settings.topic_prefix, settings.stream.events.topic)
        self._gauges = gauges
        self._wanted, self._stop, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """A transaction that is open is ended by the next publisher."""
        self._stop.set()
        self._wanted.set()
        self._thread.join(1.0)

    def wake(self) -> None:
        """Say that there is something to publish."""
        self._idle.clear()
        self._wanted.set()

    def finish(self, stop: threading.Event, seconds: float = CLOSING_S) -> None:
        """Wait until all is published that was there, so long at most."""
        self.wake()
        for _ in range(round(seconds / 0.1)):
            if stop.is_set() or self._idle.wait(0.1):
                return

    def _run(self) -> None:
        backoff = Backoff(FIRST_S, LONGEST_S)
        while not self._stop.is_set():
            self._wanted.wait()
            self._wanted.clear()
            try:
                while not self._stop.is_set() and not self._publish():
                    self._stop.wait(TAKEN_S)
            except Exception as error:  # whatever it is, the monitor goes on
                self._failed(error, backoff.next_s())
            else:
                backoff.reset()
                self._gauges.published()
                if not self._wanted.is_set():
                    self._idle.set()

    def _publish(self) -> bool:
        """Publish what there is; whether that was all. Another monitor may be at it.

        1. Claim the changes, in a transaction.
        2. Send to Kafka what it does not hold, in a transaction of Kafka's.
        3. Mark them as published, and commit. Whoever is killed before that leaves it to the next one, which finds
           in the topic what was sent.
        """
        with closing(connect(self._url, "driftline-monitor")) as connection, claimed(connection) as outbox:
            if outbox is None:
                return False
            if outbox.changes:
                self._topic.ensure()
                self._topic.publish(outbox.changes)
                failpoint("monitor.alarms_committed")
                outbox.mark()
        failpoint("monitor.alarms_marked")
        return not outbox.is_full

    def _failed(self, error: Exception, pause_s: float) -> None:
        reason, do, known = self._explained(error)
        self._gauges.unpublishable(reason)
        log.warning("alarms_unpublished", error=reason, do=do, retry_s=pause_s, exc_info=not known)
        self._stop.wait(pause_s)
        self._wanted.set()

    def _explained(self, error: Exception) -> tuple[str, str, bool]:
        """The reason, what to do, and whether it is a known one."""
        if isinstance(error, KafkaException):
            return error.args[0].str(), kafka_advice(code=error.args[0].code()), True
        if isinstance(error, DriftlineError):
            return error.what, error.do, True
        if (failure := explain(error, self._url)) is not None:
            return failure.detail, failure.advice("it goes on then"), True
        return f"{type(error).__name__}: {error}", "report the traceback as a bug", False


@contextmanager
def publishing(settings: Settings, gauges: MonitorGauges) -> Iterator[Publisher | None]:
    """Publish changes of alarms meanwhile; None without alarms, or where no Kafka was named: others may."""
    if settings.promise is None or not settings.kafka:
        yield None
        return
    with Publisher(settings, gauges) as publisher:
        yield publisher
