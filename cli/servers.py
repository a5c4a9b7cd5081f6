"""The servers that commands use, by the environment."""

from __future__ import annotations

import os
from typing import Any

from runtime import connections


def database_url() -> str:
    """Return the address of the database. Raises UsageError if there is none, or libpq cannot parse it."""
    check_database_url()
    return connections.database_url(os.environ)


def check_database_url() -> None:
    """Raises UsageError if DATABASE_URL is set to something that libpq cannot parse."""
    from storage.address import parse_url

    parse_url(os.environ.get("DATABASE_URL", "").strip())


def database() -> Any:
    from storage.connect import connect_now

    return connect_now(database_url())
