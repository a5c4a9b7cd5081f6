"""Bring tables and roles up to date, with the privileges of the login."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from schemas.errors import DatabaseUnreachable
from storage import roles
from storage.address import redacted
from storage.connect import Connection, connect_now
from storage.errors import InsufficientPrivilege, LockNotAvailable, permission
from storage.locks import advice_on_locks
from storage.migrations import migrate

PASSWORDS = {
    "DRIFTLINE_WRITER_PASSWORD": roles.WRITER,
    "DRIFTLINE_READER_PASSWORD": roles.READER,
    "DRIFTLINE_BOARD_PASSWORD": roles.BOARD,
}
"""Variables of the environment by which a role gets a login."""

_LOGIN = "set DATABASE_URL to a login that may: the owner of the database, with CREATEROLE"


def prepare(url: str, environ: Mapping[str, str] = {}) -> list[int]:
    """Bring tables and roles up to date.

    Args:
        url: Of the database.
        environ: May hold passwords of the roles, by the names in PASSWORDS.

    Returns:
        The numbers of the migrations that were applied.

    Raises:
        DatabaseUnreachable: Postgres does not answer, or the login may not make tables or roles.
    """
    passwords = {role: environ[name] for name, role in PASSWORDS.items() if environ.get(name)}
    with connect_now(url) as connection:
        try:
            with permission("make tables and roles", url, _LOGIN):
                applied = migrate(connection)
                roles.grant(connection, passwords)
        except LockNotAvailable:
            raise DatabaseUnreachable(
                f"the tables at {redacted(url)} are locked", advice_on_locks(connection)
            ) from None
    return applied


def prepare_as_allowed(connection: Connection) -> None:
    """Bring the tables up to date, and the roles where this login may: a board then reads as this login.

    Args:
        connection: In autocommit mode.
    """
    migrate(connection)
    with suppress(InsufficientPrivilege):
        roles.grant(connection)
