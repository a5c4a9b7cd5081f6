from __future__ import annotations

import re
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.database import Database
from cli.programs import programs
from runtime.connections import ROOT
from schemas.errors import DatabaseUnreachable, UsageError
from schemas.streams.taxi import TAXI
from storage.address import DEFAULTS, connection_parameters, redacted
from storage.connect import connect, connect_now
from storage.errors import explain

LETTERS = "αβγδεζηθ"
"""In no message of anybody's: where one of them is seen, it is a piece of the password."""
PASSWORDS = st.text(LETTERS + "@:/?#%[]&=+,;$ '\"\\1", min_size=1, max_size=12)


def all_messages(url: str) -> str:
    """Everything that is said to an operator whose server does not answer."""
    messages = []
    for call in (
        redacted,
        lambda url: Database(url, TAXI),
        connect_now,
        lambda url: programs(url, 180_000, {"PATH": ""}).address,
    ):
        try:
            messages.append(str(call(url)))  # type: ignore[operator]
        except (DatabaseUnreachable, UsageError, psycopg.OperationalError) as error:
            messages.append(str(error))
    try:
        connect(url)
    except psycopg.OperationalError as error:
        messages.extend(map(str, explain(error, url) or ()))
    except (DatabaseUnreachable, UsageError) as error:
        messages.append(str(error))
    return "\n".join(messages)


@given(PASSWORDS)
def test_no_piece_of_a_password_is_ever_shown_escaped_or_not(password: str) -> None:
    urls = [
        f"postgresql://me:{written}@127.0.0.1:1/trips{more}"
        for written in (password, quote(password, safe=""))
        for more in ("", "?sslmode=disable", "?pgbouncer=true", "?sslmode=nonsense")
    ]
    urls += [f"host=127.0.0.1 port=1 user=me password={password} dbname=trips", f"mysql://me:{password}@h/trips"]
    urls += [
        f"postgresql+psycopg2://me:{password}@127.0.0.1:1/trips",
        f"jdbc:postgresql://h:1/trips?password={password}",
    ]
    for url in urls:
        assert not set(LETTERS) & set(all_messages(url)), url


@pytest.mark.parametrize(
    ("url", "what", "do"),
    [
        ("postgresql+psycopg2://u:p@h/d", r"driver of SQLAlchemy, \+psycopg2", "leave the driver out"),
        ("postgres+asyncpg://u:p@h/d", r"driver of SQLAlchemy, \+asyncpg", "leave the driver out"),
        ("jdbc:postgresql://h/d?user=u", "JDBC", "leave out `jdbc:`"),
        ("postgresql://u:p@h/d?pgbouncer=true", "does not know, pgbouncer", "leave it out"),
        ("postgresql://u:p@h/d?sslmode=require&schema=public", "does not know, schema", "leave it out"),
        ("postgresql://u:p@ss@h/d", "an @ or / too many", "%40"),
        ("postgresql://u:p/ss@h/d", "an @ or / too many", "%2F"),
        ("postgresql://u:50%@h/d", "no libpq URL", "%25"),
        ("postgresql://u:p@h:port/d", "no libpq URL", "write it as"),
        ('"postgresql://u:p@h/d"', "quotation marks", "leave them out"),
        ("mysql://u:p@h/d", "no libpq URL", "write it as"),
        ("localhost:5432/d", "no libpq URL", "write it as"),
    ],
)
def test_what_is_written_for_another_program_is_explained(url: str, what: str, do: str) -> None:
    with pytest.raises(UsageError) as caught:
        connect(url)
    assert re.search(what, caught.value.what)
    assert do in caught.value.do


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:6000/d", "u@h:6000/d"),
        ("postgres://u:p@h/d", "u@h:5432/d"),
        ("postgresql://u:a%40b%2Fc@h/d", "u@h:5432/d"),
        ("postgresql://u:p@h1:1,h2:2/d?target_session_attrs=read-write", "u@h1,h2:1,2/d"),
        ("host=/run/postgresql dbname=d user=u password='a b'", "u@/run/postgresql:5432/d"),
        ("postgresql://u@[::1]:6000/d?application_name=a@b", "u@::1:6000/d"),
        ("postgresql://127.0.0.1:1/d", "127.0.0.1:1/d"),
        ("postgresql://:p@h/d", "h:5432/d"),
        ("postgresql://u@h", "u@h:5432"),
        ("", "localhost:5432"),
    ],
)
def test_what_libpq_reads_is_read(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_every_connection_notices_a_host_that_vanishes_and_the_urls_own_parameters_win() -> None:
    assert (
        {"keepalives_idle", "tcp_user_timeout", "connect_timeout"}
        <= DEFAULTS.keys()
        <= connection_parameters("").keys()
    )
    ours = connection_parameters("postgresql://h/d?tcp_user_timeout=5&connect_timeout=9&application_name=mine")
    assert (ours["tcp_user_timeout"], ours["connect_timeout"], ours["application_name"]) == ("5", "9", "mine")
    assert connection_parameters("postgresql://h/d?client_encoding=latin1")["client_encoding"] == "UTF8"


def test_nobody_connects_past_those_parameters() -> None:
    """But for the embedded server's own check of a connection that it has just made."""
    stages = ("board", "cli", "consumer", "local", "monitor", "runtime", "schemas", "storage")
    sources = [path for stage in stages for path in (ROOT / stage).rglob("*.py")]
    found = [path for path in sources if "psycopg.connect(" in path.read_text(encoding="utf-8")]
    assert found == [ROOT / "storage/refusal.py"]
