"""What may pass is waited for; what is hopeless is said at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from confluent_kafka import KafkaException
from psycopg.conninfo import conninfo_to_dict

from consumer.store import Connection, Fenced
from schemas.connections import CORRECT, UNREADABLE, refuses
from schemas.errors import DatabaseUnreachable

log = structlog.get_logger()

_LOST = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)

_SLEEP_LIMIT = """
    SELECT set_config('idle_in_transaction_session_timeout', '10s', false)
    WHERE current_setting('idle_in_transaction_session_timeout') = '0'"""
"""Of one that is stopped, or cut off unnoticed, in the middle of its transaction: till then it holds a partition's
row locked, and whoever takes over waits for it. An operator's own limit stands."""


def connect(url: str) -> Connection:
    """An autocommitting connection.

    Raises DatabaseUnreachable where trying again cannot help, psycopg.OperationalError where it may.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="driftline-consumer")
        connection.execute(_SLEEP_LIMIT)
        return connection
    except psycopg.ProgrammingError:
        raise DatabaseUnreachable(*UNREADABLE) from None
    except psycopg.OperationalError as error:
        if refuses(str(error)):
            raise DatabaseUnreachable(f"Postgres refused {_where(url)}", f"{CORRECT} ({_line(error)})") from None
        raise


def persistently(
    session: Callable[[], None],
    stop: threading.Event,
    longest: float = 10.0,
    trouble: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a session to its end; each time Postgres, Kafka or the partitions are lost, say so, wait, begin anew.

    A session begins from what is in Postgres, as after a kill, so that there is one way to recover and not three.
    longest: seconds between two tries, which begin at 0.2 and double. trouble: is told what was lost.
    """
    delay = 0.1
    while not stop.is_set():
        began = time.monotonic()
        try:
            session()
            break
        except (*_LOST, KafkaException, Fenced) as error:
            delay = 0.2 if time.monotonic() - began > longest else min(2 * delay, longest)
            told = _told(error)
            log.warning(**told, retry_s=delay)
            trouble(": ".join(filter(None, (told["event"], told.get("error") or told.get("what")))))
            stop.wait(delay)


def _told(error: Exception) -> dict[str, Any]:
    """What happened, and what the operator may do about it."""
    if isinstance(error, Fenced):
        return {"event": "fenced", "by": "another consumer", "what": str(error)}
    if isinstance(error, psycopg.errors.DiskFull):
        return {"event": "database_full", "error": _line(error), "do": "free space on the disk of Postgres"}
    if isinstance(error, _LOST):
        return {"event": "database_down", "error": _line(error), "do": "start Postgres, or set DATABASE_URL"}
    return {"event": "kafka_down", "error": _line(error), "do": "start Kafka, or set KAFKA_BOOTSTRAP_SERVERS"}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _where(url: str) -> str:
    """A URL as it may be shown: without the password."""
    parts = {"user": "", "host": "localhost", "port": 5432, "dbname": ""} | conninfo_to_dict(url)
    return "{user}@{host}:{port}/{dbname}".format_map(parts)
