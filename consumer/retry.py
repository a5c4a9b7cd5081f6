"""What may pass is waited for; what is hopeless is said at once."""

from __future__ import annotations

from functools import partial

from confluent_kafka import KafkaException

from consumer.store import Fenced, RunRemoved
from runtime.connections import kafka_advice
from storage import connect as postgres
from storage import retry
from storage.retry import Trouble

_IDLE = "10s"
"""In a transaction that nobody goes on with: whoever takes the partition over waits for it."""

PATIENCE_S = 60.0
"""For an answer of Postgres, once the tables are there: what a consumer asks takes milliseconds."""


def connect(url: str) -> postgres.Connection:
    """An autocommitting connection.

    Raises DatabaseUnreachable where trying again cannot help, storage.errors.Error where it may.
    """
    return postgres.connect(url, "driftline-consumer", idle=_IDLE)


def _lost(error: Exception) -> Trouble | None:
    said = " ".join(str(error).split())
    if isinstance(error, RunRemoved):
        return Trouble("run_removed", said, "nothing: what is left is read on")
    if isinstance(error, Fenced):
        return Trouble("fenced", said, "nothing: another consumer has the partition, and goes on")
    if isinstance(error, KafkaException):
        return Trouble("kafka_down", said, f"{kafka_advice()}: it goes on then")
    return None


run_sessions = partial(retry.run_sessions, others=_lost)
"""`storage.retry.run_sessions`, where Kafka and the partitions may be lost as well."""
