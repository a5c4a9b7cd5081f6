"""What an error of Postgres means to an operator: one table for every program that uses the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import errors

from runtime.connections import database_advice, login_advice
from schemas.errors import DatabaseUnreachable
from storage.address import redacted

Error = psycopg.Error
DataCorrupted = errors.DataCorrupted
InsufficientPrivilege = errors.InsufficientPrivilege
LockNotAvailable = errors.LockNotAvailable
MISSING_TABLES = (errors.UndefinedTable, errors.InvalidSchemaName)
"""No stage has created the tables yet."""
NOT_ALLOWED = (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)
"""The login, or the server, only reads."""


class Failure(NamedTuple):
    """An error of Postgres, explained.

    event: its name in logs. what: the observation, for an operator. detail: the words of Postgres or libpq, in one
    line. do: what helps. transient: whether it may be gone at the next attempt, without a restart.
    """

    event: str
    what: str
    detail: str
    do: str
    transient: bool

    def advice(self, then: str) -> str:
        """Say what to do, and what happens then: "it goes on then"."""
        return self.do if self.do.startswith("nothing") else f"{self.do}; {then}"


class _Meaning(NamedTuple):
    """A row of the table.

    what: {where} is the server, {action} what was tried. do: a function of the URL where it depends on the server.
    """

    event: str
    what: str
    do: str | Callable[[str], str]
    transient: bool = True


_DOWN = _Meaning("database_down", "Postgres does not answer at {where}", database_advice)
_STARTING = _Meaning("database_down", "Postgres at {where} starts or stops", "nothing, if somebody restarts it")
_IDLE = _Meaning(
    "database_down",
    "Postgres at {where} ended a connection that waited too long",
    "nothing, unless it happens again: then raise its idle_…_timeout, transaction_timeout or statement_timeout",
)
_FULL = _Meaning(
    "database_full",
    "the disk of Postgres at {where} is full",
    "free space on the disk of Postgres: nothing is lost",
)
_REFUSED = _Meaning("database_refused", "Postgres refused {where}", login_advice, transient=False)
_TABLES = _Meaning(
    "tables_outdated", "there are no tables of this version at {where}", "run `driftline migrate`", transient=False
)
_ENCODING = _Meaning(
    "database_encoding",
    "the encoding of the database at {where} lacks a character",
    "create the database with ENCODING 'UTF8'",
    transient=False,
)
_CORRUPT = _Meaning(
    "database_corrupt",
    "Postgres at {where} reports corrupted files",
    "see the log of Postgres, then restore a backup",
    transient=False,
)
_CONFLICT = _Meaning("database_conflict", "another transaction was in the way at {where}", "nothing")
_LOCKED = _Meaning(
    "database_locked",
    "tables of schema driftline are locked at {where}",
    "end who holds tables of schema driftline: pg_locks names them",
)
_POOLER = _Meaning(
    "database_down",
    "a connection pooler at {where} lost the state of a session",
    "nothing, unless it happens again: then name the server itself in DATABASE_URL",
)
_REPLACED = _Meaning(
    "database_down",
    "Postgres at {where} cannot run a statement",
    "nothing, if tables were changed meanwhile; else use a newer version of Postgres",
)

_BY_SQLSTATE: Mapping[str, _Meaning | None] = {
    "08": _DOWN,
    "0A": _REPLACED,  # "cached plan must not change result type", after a migration or restore
    "22021": _ENCODING,
    "22P05": _ENCODING,
    "25006": _Meaning(
        "database_read_only",
        "Postgres at {where} only reads",
        "name the primary in DATABASE_URL, or a role that may write",
    ),
    "25P03": _IDLE,
    "25P04": _IDLE,
    "26": _POOLER,
    "28": _REFUSED,
    "3D": _REFUSED,
    "3F": _TABLES,
    "40": _CONFLICT,
    "42501": _Meaning(
        "database_forbids", "{where} may not {action}", "grant it, or correct DATABASE_URL", transient=False
    ),
    "42703": _TABLES,
    "42704": _TABLES,
    "42883": _TABLES,
    "42P01": _TABLES,
    "42P05": _POOLER,
    "53": _DOWN,
    "53100": _FULL,
    "53200": _Meaning(
        "database_down", "Postgres at {where} is out of memory", "give it more memory, or end other clients"
    ),
    "53300": _Meaning(
        "database_down",
        "Postgres at {where} takes no more connections",
        "end other clients of Postgres, or raise max_connections (or the role's CONNECTION LIMIT)",
    ),
    "53400": _Meaning("database_full", "Postgres at {where} has reached a limit", "raise its temp_file_limit"),
    "54": None,  # a statement of ours is too large
    "55006": _LOCKED,
    "55P03": _LOCKED,
    "57014": _Meaning(
        "database_slow",
        "Postgres at {where} cancelled a statement",
        "see what keeps Postgres busy, or raise statement_timeout",
    ),
    "57P03": _STARTING,
    "57P05": _IDLE,
    "58": _Meaning("database_down", "Postgres at {where} cannot use its files", "see the log of Postgres"),
    "XX001": _CORRUPT,
    "XX002": _CORRUPT,
}
"""By SQLSTATE, or its class of two characters. None: a mistake of this program."""


def explain(error: BaseException, url: str, action: str = "use the tables") -> Failure | None:
    """Explain an error of Postgres to an operator.

    Args:
        error: Any exception.
        url: Of the database; its password is not shown.
        action: What was tried, for a login that may not do it: "{login} may not {action}".

    Returns:
        None for what is no error of Postgres, and for what only a change of this program can mend.
    """
    if not isinstance(error, psycopg.Error) or (meaning := _meaning(error)) is None:
        return None
    detail = error.diag.message_primary or " ".join(str(error).split())
    what = meaning.what.format(where=redacted(url), action=action)
    do = meaning.do if isinstance(meaning.do, str) else meaning.do(url)
    return Failure(meaning.event, what, detail, do, meaning.transient)


def _meaning(error: psycopg.Error) -> _Meaning | None:
    code = error.sqlstate or ""
    for key in (code, code[:2]):
        if key in _BY_SQLSTATE:
            return _BY_SQLSTATE[key]
    return _DOWN if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) else None


def unreachable(error: BaseException, url: str) -> DatabaseUnreachable | None:
    """Explain an error of Postgres as the end of a command. None as for `explain`."""
    failure = explain(error, url)
    return failure and DatabaseUnreachable(f"{failure.what} ({failure.detail})", failure.do)


@contextmanager
def permission(action: str, url: str, do: str) -> Iterator[None]:
    """Name what a login may not do.

    Args:
        action: As in `explain`.
        url: Of the database.
        do: What the operator is to do.

    Raises:
        DatabaseUnreachable: The login has no right to it, or the server only reads.
    """
    try:
        yield
    except NOT_ALLOWED as error:
        what = f"{redacted(url)} may not {action} ({error.diag.message_primary})"
        raise DatabaseUnreachable(what, do) from None
