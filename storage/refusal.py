"""Why a connection failed: by SQLSTATE, since a server writes its messages in its own language."""

from __future__ import annotations

import ctypes
import re
import select
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import errors, pq
from psycopg.conninfo import make_conninfo

from runtime.connections import login_advice
from schemas.errors import DatabaseUnreachable, UsageError
from storage.address import connection_parameters, redacted

_SQLSTATE = re.compile(r": {2}([0-9A-Z]{5})$", re.MULTILINE)
_ONLY_SQLSTATE = 3  # PQERRORS_SQLSTATE
_PATIENCE_S = 3.0
_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "is not permitted to log in",
    "permission denied for database",
    "invalid ",
    "SSL was required",
    "certificate verify failed",
    "definition of service",
    "DATABASE_URL ",  # our own: it cannot be read
    # Of pgbouncer, which gives them all one SQLSTATE.
    "SASL authentication failed",
    "no such database",
    "no such user",
    "unsupported startup parameter",
)
"""In English. A server may use another language, and then gives its SQLSTATE."""
_REFUSED = re.compile(r"\(SQLSTATE (?:28|3D|42|22|0A)[0-9A-Z]{3}\)")
_STATE = re.compile(r"\(SQLSTATE (\w{5})\)$")


def refuses(reason: str) -> bool:
    """Say whether Postgres answered, and will refuse every further attempt.

    Args:
        reason: As `failure_reason` gives it.
    """
    return bool(_REFUSED.search(reason)) or any(text in reason for text in _REFUSALS)


def connection_error(error: psycopg.OperationalError, url: str) -> Exception:
    """Classify the failure of a connection, whose SQLSTATE psycopg does not know.

    Returns:
        DatabaseUnreachable where another attempt cannot help; else the error, of the class of its SQLSTATE.
    """
    reason = failure_reason(error, url)
    if refuses(reason):
        return DatabaseUnreachable(f"Postgres refused {redacted(url)}", f"{login_advice(url)} ({reason})")
    state = _STATE.search(reason)
    try:
        return errors.lookup(state[1])(reason) if state else error
    except KeyError:
        return error


def probe(url: str, timeout_s: float) -> str:
    """Connect once, without waiting longer than that.

    Returns:
        Why it failed, in one line; '' where it did not.
    """
    try:
        psycopg.connect(**connection_parameters(url) | {"connect_timeout": max(2, round(timeout_s))}).close()
    except psycopg.Error as error:
        return failure_reason(error, url)
    except UsageError as error:
        return str(error)
    return ""


def failure_reason(error: psycopg.Error, url: str) -> str:
    """Describe a failed connection in one line, with the SQLSTATE where a server gave one."""
    reason = " ".join(str(error).split())
    # Behind the severity, a server's message has two spaces. What libpq says by itself has not.
    from_server = error.sqlstate is None and re.search(r": {2}\S", str(error))
    state = _state_of_failure(url) if from_server else None
    return f"{reason} (SQLSTATE {state})" if state else reason


def _state_of_failure(url: str) -> str | None:
    """Connect once more for the SQLSTATE; None where that succeeds, or nothing can be found out.

    libpq keeps the SQLSTATE to itself, but puts it into the message if asked before the message comes; psycopg has
    no function for that.
    """
    if (libpq := _libpq()) is None:
        return None
    try:
        pgconn = pq.PGconn.connect_start(make_conninfo("", **connection_parameters(url)).encode())
        libpq.PQsetErrorVerbosity(ctypes.c_void_p(getattr(pgconn, "pgconn_ptr", None)), _ONLY_SQLSTATE)
        _poll(pgconn)
        found = _SQLSTATE.search(pgconn.error_message.decode(errors="replace"))
        pgconn.finish()
    except (psycopg.Error, OSError, ValueError):
        return None
    return found[1] if found else None


def _poll(pgconn: pq.abc.PGconn) -> None:
    """Until it is connected, or failed, or nothing comes any more."""
    while (status := pgconn.connect_poll()) not in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
        reads = [pgconn.socket] if status == pq.PollingStatus.READING else []
        writes = [] if reads else [pgconn.socket]
        if not any(select.select(reads, writes, [], _PATIENCE_S)):
            return


@cache
def _libpq() -> ctypes.CDLL | None:
    """The very library that psycopg works with: another one has other structures."""
    spec = find_spec("psycopg_binary")
    if pq.__impl__ != "binary" or spec is None or spec.origin is None:
        return None
    found = [*(Path(spec.origin).parents[1] / "psycopg_binary.libs").glob("libpq-*.so*")]
    return ctypes.CDLL(str(found[0])) if len(found) == 1 else None
