"""Why a connection failed: by SQLSTATE, since a server says it in its own language."""

from __future__ import annotations

import ctypes
import re
import select
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from storage.address import parameters

_SQLSTATE = re.compile(r": {2}([0-9A-Z]{5})$", re.MULTILINE)
_ONLY_SQLSTATE = 3  # PQERRORS_SQLSTATE
_PATIENCE_S = 3.0


def explained(error: psycopg.Error, url: str) -> str:
    """What went wrong, in one line; with the SQLSTATE of a server that refused the connection."""
    said = " ".join(str(error).split())
    # Behind the severity, a server's message has two spaces. What libpq says by itself has not.
    code = _asked_again(url) if error.sqlstate is None and re.search(r": {2}\S", str(error)) else None
    return f"{said} (SQLSTATE {code})" if code else said


def _asked_again(url: str) -> str | None:
    """The SQLSTATE of a connection that fails, None where it does not, or nothing can be found out.

    libpq keeps it to itself, but puts it into the message when told to before the message comes; psycopg has no
    function for that.
    """
    if (libpq := _libpq()) is None:
        return None
    try:
        pgconn = pq.PGconn.connect_start(make_conninfo("", **parameters(url)).encode())
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
