"""Who keeps tables locked, and how to end it."""

from __future__ import annotations

from pathlib import Path

from storage.connect import Connection
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_suffix(".sql"))


def advice_on_locks(connection: Connection) -> str:
    """Say how to end the sessions that lock tables of schema driftline.

    Args:
        connection: Outside of a transaction.
    """
    holders = connection.execute(_SQL["holders"]).fetchall()
    if not holders:
        return "stop the stages that use the database"
    names = ", ".join(f"{name} (pid {pid})" for pid, name in holders)
    statements = ", ".join(f"SELECT pg_terminate_backend({pid})" for pid, _ in holders)
    return f"stop {names}, or end them by {statements}"
