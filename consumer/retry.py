"""The consumer's connection to Postgres, and which failures of a session are transient."""

from __future__ import annotations

from functools import partial

from confluent_kafka import KafkaException

from consumer.store import Fenced, RunRemoved
from runtime.connections import is_answer, kafka_advice
from storage import connect as postgres
from storage import retry
from storage.retry import Trouble

_IDLE = "10s"
"""Limit for a transaction whose client sleeps: the next owner of its partition waits for it."""

PATIENCE_S = 60.0
"""To wait for an answer of Postgres, once the tables are there: a consumer's statements take milliseconds."""


def connect(url: str) -> postgres.Connection:
    """Open an autocommitting connection.

    Raises:
        DatabaseUnreachable: Postgres refuses, and would refuse again.
        storage.errors.Error: It may answer at the next attempt.
    """
    return postgres.connect(url, "driftline-consumer", idle=_IDLE)


def _explain(error: Exception) -> Trouble | None:
    """Explain a failure that is not of Postgres. Returns None for a bug in the program."""
    words = " ".join(str(error).split())
    if isinstance(error, RunRemoved):
        return Trouble("run_removed", words, "nothing: the consumer goes on with the other runs")
    if isinstance(error, Fenced):
        return Trouble("fenced", words, "nothing: another consumer has the partition, and goes on")
    if isinstance(error, KafkaException):
        code = error.args[0].code()
        do = kafka_advice(code=code)
        if is_answer(code):
            return Trouble("kafka_not_ready", words, do)
        return Trouble("kafka_down", words, f"{do}: it goes on then")
    return None


run_sessions = partial(retry.run_sessions, others=_explain)
"""`storage.retry.run_sessions`, which goes on after a loss of Kafka or of partitions as well."""
