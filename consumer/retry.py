"""What may pass is waited for; what is hopeless is said at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from confluent_kafka import KafkaException

from consumer.store import Fenced
from schemas.connections import kafka_advice
from storage import connect as postgres
from storage import retry
from storage.retry import Trouble

_IDLE = "10s"
"""In a transaction that nobody goes on with: whoever takes the partition over waits for it."""

PATIENCE_S = 60.0
"""For an answer of Postgres, once the tables are there: what a consumer asks takes milliseconds."""


def connect(url: str) -> postgres.Connection:
    """An autocommitting connection.

    Raises DatabaseUnreachable where trying again cannot help, psycopg.OperationalError where it may.
    """
    return postgres.connect(url, "driftline-consumer", idle=_IDLE)


def persistently(
    session: Callable[[], None],
    url: str,
    stop: threading.Event,
    longest: float = 10.0,
    trouble: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a session to its end; each time Postgres, Kafka or the partitions are lost, say so, wait, begin anew.

    As `storage.retry.persistently`, which see.
    """
    retry.persistently(session, url, stop, longest=longest, trouble=trouble, others=_lost)


def _lost(error: Exception) -> Trouble | None:
    said = " ".join(str(error).split())
    if isinstance(error, Fenced):
        return Trouble("fenced", said, "nothing: another consumer has the partition, and goes on")
    if isinstance(error, KafkaException):
        return Trouble("kafka_down", said, f"{kafka_advice()}: it goes on then")
    return None
