"""Settings of the notifier, read once, at the edge."""

from __future__ import annotations

import os
import socket

import msgspec

from notifier.addresses import Address

INSTANCE = f"{socket.gethostname()}:{os.getpid()}"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of `driftline notify`.

    Attributes:
        database_url: Of the database.
        notify: Addresses that apprise understands.
        alertmanager: Base URLs of Alertmanagers.
        remind_s: Seconds until a target is told once more of an alarm that fires; None: never.
        board_url: Address of the board, as a browser reaches it.
        instance: Names the process.
        poll_s: Seconds between two looks at the tables.
        lease_s: Another notifier takes over the targets of one that has not moved for so many seconds.
        longest_s: Seconds between two attempts at most; they begin at half a second and double.
        metrics_port, metrics_host: Where to serve /metrics and /healthz; port 0: any free one, None: nowhere.
    """

    database_url: str
    notify: tuple[Address, ...] = ()
    alertmanager: tuple[Address, ...] = ()
    remind_s: float | None = 86_400.0
    board_url: str = "http://localhost:8000"
    instance: str = INSTANCE
    poll_s: float = 1.0
    lease_s: float = 60.0
    longest_s: float = 60.0
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
