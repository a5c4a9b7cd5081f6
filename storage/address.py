"""DATABASE_URL: its parameters, and what is wrong with it, in words that never repeat a piece of the password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from schemas.errors import UsageError

_UNREADABLE = (
    "DATABASE_URL is no libpq URL",
    "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE,"
    " with %40 %3A %2F %3F %23 %25 for @ : / ? # % in user and password",
)
"""What is wrong, what to do. libpq's own words quote it, with the password in it."""

DEFAULTS: Mapping[str, Any] = {
    "connect_timeout": 5,
    # Without these a host that vanishes is missed only after the kernel's own 15 minutes to 2 hours.
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
"""Of every connection. Those in the URL take precedence."""

_SCHEMES = ("postgresql", "postgres")
_DRIVERS = (
    "psycopg",
    "psycopg2",
    "psycopg2cffi",
    "psycopg_async",
    "asyncpg",
    "pg8000",
    "pygresql",
    "py-postgresql",
)
_OF_OTHERS = (
    *(
        "pgbouncer",
        "schema",
        "connection_limit",
        "pool_timeout",
        "pool_size",
        "socket_timeout",
        "statement_cache_size",
    ),
    *("prepared_statements", "prepareThreshold", "currentSchema", "pool", "charset", "encoding", "sslaccept"),
)
"""Parameters of other clients: Prisma, SQLAlchemy, JDBC, Rails."""
_AS = "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


def connection_parameters(url: str, name: str = "driftline") -> dict[str, Any]:
    """Give the arguments of psycopg.connect. Text is exchanged in UTF-8, whatever PGCLIENTENCODING says.

    Args:
        url: Of the database.
        name: The application name that Postgres shows to others.

    Raises:
        UsageError: It is no libpq URL.
    """
    return {"fallback_application_name": name, **DEFAULTS, **parse_url(url), "client_encoding": "UTF8"}


def redacted(url: str) -> str:
    """Write a URL as it may be shown: without the password."""
    parts = {"host": "localhost", "port": 5432} | parse_url(url)
    user, database = (f"{parts[name]}" if parts.get(name) else "" for name in ("user", "dbname"))
    return f"{user}@" * bool(user) + f"{parts['host']}:{parts['port']}" + f"/{database}" * bool(database)


def without_password(url: str) -> tuple[str, str | None]:
    """Split a URL into a connection string for the command line of another program, and the password."""
    parts = parse_url(url)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), None if password is None else str(password)


def parse_url(url: str) -> dict[str, Any]:
    """Parse a libpq URL or connection string.

    Returns:
        libpq's parameters by name.

    Raises:
        UsageError: It cannot be parsed; the error says what to write instead.
    """
    if mistake := _foreign(url) or _unescaped(url):
        raise UsageError(*mistake)
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise UsageError(*_unreadable(url)) from None
    if not all(re.fullmatch("[0-9]*", port.strip()) for port in str(parts.get("port", "")).split(",")):
        raise UsageError(*_UNREADABLE)  # a / in the password makes its beginning the port
    return parts


def _foreign(url: str) -> tuple[str, str] | None:
    """Recognize what is written for another program."""
    if url.startswith(("'", '"')) and url[:1] == url[-1:]:
        return "DATABASE_URL stands in quotation marks", "leave them out: not every program that sets it drops them"
    scheme, found, _ = url.partition("://")
    if not found:
        return None
    if scheme.lower().startswith("jdbc:"):
        return "DATABASE_URL is a JDBC URL", f"leave out `jdbc:` and {_AS}"
    dialect, plus, driver = scheme.partition("+")
    if plus and dialect in _SCHEMES:
        named = f", +{driver}" if driver in _DRIVERS else ""
        return f"DATABASE_URL names a driver of SQLAlchemy{named}", f"leave the driver out and {_AS}"
    return None


def _unescaped(url: str) -> tuple[str, str] | None:
    """Recognize an unescaped @: libpq would take what follows for the host."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in _SCHEMES:
        return None
    login, _, address = rest.partition("@")
    if "/" in login:  # libpq ignores an @ after that
        address = rest
    if "@" in address.partition("?")[0]:
        return "DATABASE_URL has an @ or / too many", f"in user and password, write @ as %40 and / as %2F; {_AS}"
    return None


def _unreadable(url: str) -> tuple[str, str]:
    """Name the wrong parameter, but only one that is known: anything else might be a piece of a password."""
    names = re.findall(r"[?&]([A-Za-z_]+)=", url)
    if foreign := next((name for name in names if name in _OF_OTHERS), None):
        return f"DATABASE_URL has a parameter that libpq does not know, {foreign}", "leave it out"
    return _UNREADABLE
