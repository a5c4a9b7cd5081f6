from __future__ import annotations

import threading
from urllib.parse import urlsplit

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from consumer.retry import connect, run_sessions
from consumer.store import Fenced, RunRemoved
from schemas.errors import DatabaseUnreachable, UsageError

URL = "postgresql://postgres@127.0.0.1:1/postgres"


def test_a_session_begins_anew_until_it_ends_by_itself() -> None:
    errors: list[Exception] = [
        psycopg.OperationalError("gone\n  away"),
        KafkaException(KafkaError(KafkaError._TRANSPORT)),
        Fenced("trips/0"),
        psycopg.errors.DiskFull("no space left"),
        psycopg.OperationalError("refused, since it cannot start without room"),
        psycopg.errors.LockNotAvailable("locked"),
        psycopg.errors.ReadOnlySqlTransaction("standby"),
        psycopg.errors.IdleInTransactionSessionTimeout("slept"),
        psycopg.InterfaceError("closed"),
    ]

    def session() -> None:
        if errors:
            raise errors.pop(0)

    with capture_logs() as logs:
        run_sessions(session, URL, threading.Event(), longest=0.01)
    assert [entry["event"] for entry in logs] == [
        *("database_down", "kafka_down", "fenced", "database_full", "database_full"),
        *("database_locked", "database_read_only", "database_full", "database_full"),
    ]
    assert logs[0]["error"] == "gone away"
    assert "free space" in logs[3]["do"]


def test_whoever_removes_a_run_is_not_taken_for_another_consumer() -> None:
    errors: list[Exception] = [RunRemoved("a run was removed"), Fenced("trips/0")]

    def session() -> None:
        if errors:
            raise errors.pop()

    with capture_logs() as logs:
        run_sessions(session, URL, threading.Event(), longest=0.01)
    assert [(entry["event"], "another consumer" in entry["do"]) for entry in logs] == [
        ("fenced", True),
        ("run_removed", False),
    ]


def test_where_a_kafka_was_named_the_log_does_not_advise_to_start_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    name, error = "KAFKA_BOOTSTRAP_SERVERS", KafkaException(KafkaError(KafkaError._TRANSPORT))
    errors = [error, error]

    def session() -> None:
        if len(errors) == 1:
            monkeypatch.delenv(name)
        if errors:
            raise errors.pop()

    monkeypatch.setenv(name, "somewhere")
    with capture_logs() as logs:
        run_sessions(session, URL, threading.Event(), longest=0.01)
    named, ours = (entry["do"] for entry in logs)
    assert (f"or correct {name}" in named, "stack up" in named) == (True, False)
    assert f"`driftline stack up`, or set {name}" in ours


def test_the_log_does_not_advise_to_start_our_postgres_in_place_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address may have come as an option: the environment does not matter."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    errors = [psycopg.OperationalError("gone")]

    def session() -> None:
        if errors:
            raise errors.pop()

    with capture_logs() as logs:
        run_sessions(session, URL, threading.Event(), longest=0.01)
    assert [entry["do"] for entry in logs] == [
        "see that Postgres runs there, or correct DATABASE_URL; it goes on then"
    ]


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError._WAIT_COORD]
)
def test_a_broker_that_answers_is_not_said_to_be_down(code: int) -> None:
    errors = [KafkaException(KafkaError(code))]

    def session() -> None:
        if errors:
            raise errors.pop()

    with capture_logs() as logs:
        run_sessions(session, URL, threading.Event(), longest=0.01)
    (said,) = logs
    assert said["event"] == "kafka_not_ready"
    assert said["do"].startswith("nothing: Kafka answers")


def test_a_programming_mistake_is_not_tried_again() -> None:
    def session() -> None:
        raise ValueError("mistake")

    with pytest.raises(ValueError, match="mistake"):
        run_sessions(session, URL, threading.Event())


def test_nothing_begins_after_the_stop() -> None:
    stop = threading.Event()
    stop.set()
    run_sessions(lambda: pytest.fail("began"), URL, stop)


def test_a_database_that_is_down_may_come_back() -> None:
    with pytest.raises(psycopg.OperationalError):
        connect(URL)


def test_what_is_no_url_is_hopeless() -> None:
    with pytest.raises(UsageError, match="write it as postgresql:"):
        connect("mysql://nobody:secret@nowhere")


@pytest.mark.integration
def test_a_database_that_does_not_exist_is_hopeless_and_the_password_is_not_shown(database: str) -> None:
    url = urlsplit(database)
    wrong = url._replace(path="/nothing_here", netloc=f"{url.username}:geheim@{url.hostname}:{url.port}").geturl()
    with pytest.raises(DatabaseUnreachable, match="Postgres refused") as caught:
        connect(wrong)
    assert "geheim" not in str(caught.value)
