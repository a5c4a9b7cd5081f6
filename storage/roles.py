"""Roles of the database: one that writes, and two that only read.

`driftline_reader` sees all figures, but no record: for Grafana and notebooks. `driftline_board` sees records too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from storage.queries import load_queries

WRITER, READER, BOARD = "driftline", "driftline_reader", "driftline_board"
"""WRITER is created only with a password: otherwise the login that calls `grant` is the writer."""

_SQL = load_queries(Path(__file__).with_suffix(".sql"))
OWN = _SQL["own"]
"""SQL that gives the schema and all in it to WRITER."""

_TRIES = 10
_RACE = ("XX000", "23505", "40P01")
"""SQLSTATE of a role or database that another session was changing in that moment: roles belong to the server, and
no lock spans two of its databases."""


def grant(connection: psycopg.Connection[Any], passwords: Mapping[str, str] = {}) -> None:
    """Create the roles that are missing and grant their rights in this database, in one transaction.

    Calling it again changes nothing.

    Args:
        connection: It commits by itself (autocommit).
        passwords: By role. A role that is not among them keeps its password; a new one gets no login.

    Raises:
        psycopg.errors.InsufficientPrivilege: The login may not create roles.
    """
    for left in reversed(range(_TRIES)):
        try:
            with connection.transaction():
                _grant(connection, passwords)
            return
        except psycopg.Error as error:
            if left == 0 or error.sqlstate not in _RACE:
                raise


def _grant(connection: psycopg.Connection[Any], passwords: Mapping[str, str]) -> None:
    for role in (*([WRITER] if WRITER in passwords else []), READER, BOARD):
        connection.execute(_SQL["create"].format(role=role))
    for role, password in passwords.items():
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        connection.execute(_SQL["login"].format(role=role, verifier=f"'{verifier}'"))
    if WRITER in passwords:
        connection.execute(_SQL["join"])
        connection.execute(_SQL["own"])
    for role in (READER, BOARD):
        connection.execute(_SQL["limit"].format(role=role))
    connection.execute(_SQL["read"])
