"""What an operator can do to Postgres, and what each program that uses it makes of that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors
from structlog.testing import capture_logs

from board.database import Database
from board.http_errors import Problem, Unavailable
from cli.exits import explain_database_error
from consumer import retry as consumer
from runtime.connections import database_url
from schemas.errors import DatabaseUnreachable
from schemas.streams.taxi import TAXI
from storage import retry
from storage.errors import explain, permission
from storage.refusal import connection_error, refuses

URL = "postgresql://me:secret@127.0.0.1:1/data"

TRANSIENT = {
    "08000": "database_down",  # connection_exception
    "08006": "database_down",  # connection_failure
    "0A000": "database_down",  # cached plan must not change result type
    "25006": "database_read_only",
    "25P03": "database_down",  # idle_in_transaction_session_timeout
    "25P04": "database_down",  # transaction_timeout
    "26000": "database_down",  # a prepared statement that a pooler lost
    "40001": "database_conflict",
    "40P01": "database_conflict",
    "42P05": "database_down",  # a prepared statement of another client of a pooler
    "53000": "database_down",
    "53100": "database_full",
    "53200": "database_down",
    "53300": "database_down",
    "53400": "database_full",
    "55006": "database_locked",
    "55P03": "database_locked",
    "57014": "database_slow",  # statement_timeout, pg_cancel_backend
    "57P01": "database_down",  # admin_shutdown, pg_terminate_backend
    "57P02": "database_down",
    "57P03": "database_down",
    "57P04": "database_down",  # database_dropped: the next connection is refused
    "57P05": "database_down",  # idle_session_timeout
    "58030": "database_down",  # io_error
    "58P01": "database_down",
}
HOPELESS = {
    "22021": "database_encoding",
    "22P05": "database_encoding",
    "28000": "database_refused",
    "28P01": "database_refused",
    "3D000": "database_refused",
    "3F000": "tables_outdated",
    "42501": "database_forbids",
    "42703": "tables_outdated",
    "42704": "tables_outdated",
    "42883": "tables_outdated",
    "42P01": "tables_outdated",
    "XX001": "database_corrupt",
    "XX002": "database_corrupt",
}
MISTAKES = ("22012", "23505", "25P02", "42601", "54000", "P0001", "XX000")
STAGES = pytest.mark.parametrize(
    "run_sessions", [consumer.run_sessions, retry.run_sessions], ids=["consumer", "monitor"]
)


def error_of(sqlstate: str) -> psycopg.Error:
    return errors.lookup(sqlstate)(f"Worte des Servers für {sqlstate}")


def failing_once(error: Exception) -> Callable[[], None]:
    left = [error]

    def session() -> None:
        if left:
            raise left.pop()

    return session


@STAGES
@pytest.mark.parametrize(("sqlstate", "event"), TRANSIENT.items())
def test_what_may_pass_is_waited_for_by_each_stage(sqlstate: str, event: str, run_sessions: Any) -> None:
    with capture_logs() as logs:
        run_sessions(failing_once(error_of(sqlstate)), URL, threading.Event(), longest=0.001)
    assert [entry["event"] for entry in logs] == [event]
    assert f"Worte des Servers für {sqlstate}" in logs[0]["error"]
    assert logs[0]["do"]


@STAGES
@pytest.mark.parametrize("sqlstate", HOPELESS)
def test_what_would_come_again_ends_each_stage_with_advice(sqlstate: str, run_sessions: Any) -> None:
    with pytest.raises(DatabaseUnreachable) as ended:
        run_sessions(failing_once(error_of(sqlstate)), URL, threading.Event(), longest=0.001)
    assert ended.value.do
    assert f"Worte des Servers für {sqlstate}" in ended.value.what
    assert "secret" not in str(ended.value)


@STAGES
@pytest.mark.parametrize("sqlstate", MISTAKES)
def test_a_mistake_of_ours_keeps_its_traceback_in_each_stage(sqlstate: str, run_sessions: Any) -> None:
    error = error_of(sqlstate)
    with pytest.raises(psycopg.Error) as raised:
        run_sessions(failing_once(error), URL, threading.Event(), longest=0.001)
    assert raised.value is error


def test_a_command_during_which_the_embedded_database_is_stopped_ends_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.exits.database_url", lambda environ: database_url(environ, tmp_path))
    ended = explain_database_error(error_of("57P01"), {})
    assert isinstance(ended, DatabaseUnreachable)
    assert "driftline stack up" in ended.do


@pytest.mark.parametrize("sqlstate", [*TRANSIENT, *HOPELESS, *MISTAKES])
def test_a_command_ends_with_advice_unless_it_is_a_mistake_of_ours(sqlstate: str) -> None:
    ended = explain_database_error(error_of(sqlstate), {"DATABASE_URL": URL})
    assert (ended is None) == (sqlstate in MISTAKES)
    assert ended is None or (ended.do and "secret" not in str(ended))


@pytest.mark.parametrize("sqlstate", [*TRANSIENT, *HOPELESS, *MISTAKES])
def test_the_board_answers_503_whatever_it_is(sqlstate: str) -> None:
    with pytest.raises(Unavailable) as away, Database(URL, TAXI).translated_errors():
        raise error_of(sqlstate)
    assert away.value.status == 503
    assert away.value.do
    assert ("see the board's log" in away.value.do) == (sqlstate in MISTAKES)
    assert "secret" not in str(away.value)


def test_every_program_has_the_same_words_for_it() -> None:
    for sqlstate in TRANSIENT | HOPELESS:
        failure = explain(error_of(sqlstate), URL, "read the tables")
        assert failure
        assert failure.event == (TRANSIENT | HOPELESS)[sqlstate]
        with pytest.raises(Problem) as shown, Database(URL, TAXI).translated_errors():
            raise error_of(sqlstate)
        assert shown.value.what == failure.what


@pytest.mark.parametrize("error", [errors.InsufficientPrivilege("nein"), errors.ReadOnlySqlTransaction("nein")])
def test_a_login_without_the_right_is_named_with_what_it_may_not(error: psycopg.Error) -> None:
    with (
        pytest.raises(DatabaseUnreachable, match="may not fly"),
        permission("fly", URL, "walk"),
    ):
        raise error


def test_a_connection_that_failed_without_a_server_keeps_its_error() -> None:
    error = psycopg.OperationalError("connection timeout expired")
    assert connection_error(error, URL) is error


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ('FATAL:  password authentication failed for user "driftline"', True),
        ('FATAL:  database "nowhere" does not exist', True),
        ('FATAL:  role "driftline_board" is not permitted to log in', True),
        ('FATAL:  permission denied for database "other"', True),
        ("connection refused: Is the server running on that host and accepting TCP/IP connections?", False),
        ("FATAL:  the database system is starting up", False),
        ("FATAL:  sorry, too many clients already", False),
        ("connection timeout expired", False),
    ],
)
def test_a_refusal_is_told_from_a_server_that_is_away(message: str, refused: bool) -> None:
    assert refuses(message) == refused
