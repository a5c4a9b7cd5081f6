"""Settings of `driftline board`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from models.names import ARTIFACTS
from runtime.connections import STATE
from schemas.definition import Stream

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Names under which a browser on this machine finds it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """stream: of runs whose definition is not stored, since a version before met them first.

    host, port: where it listens; port 0: any that is free. allow_hosts: further names it may be called by.

    models: folders of artifacts, or artifacts themselves. reports: folder of finished reports. attended: whoever
    started the board starts the other stages as well, so that nobody need be told to.
    """

    stream: Stream
    database_url: str
    host: str = "127.0.0.1"
    port: int = 8000
    allow_hosts: tuple[str, ...] = ()
    models: tuple[Path, ...] = (ARTIFACTS,)
    reports: Path = STATE / "reports" / "board"
    report_limit_s: float = 300.0
    report_command: tuple[str, ...] = ()
    clients: int = 64
    attended: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Whom a request may be addressed to, lower case, without port."""
        return frozenset(name.strip("[]").lower() for name in (*LOCAL, self.host, *self.allow_hosts))
