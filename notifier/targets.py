"""What a target is to a courier."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from notifier.addresses import HIDDEN, Selection
from notifier.messages import Message


class Undelivered(Exception):
    """A target did not take a message. Its text says why, and holds no secret."""


class Target(Protocol):
    """Somebody who is told of alarms. name: the same after a restart, and without secrets."""

    name: str
    selection: Selection

    def send(self, message: Message) -> None:
        """Send a message. Raises Undelivered."""

    def test(self) -> None:
        """Send a message that says that it is a test. Raises Undelivered."""

    def keep(self, live: Sequence[Message]) -> None:
        """Keep alive what was told and fires, unless silenced or judged; called often. Raises Undelivered."""


def name_of(shown: str, selection: Selection, public: str) -> str:
    """Name a target.

    Args:
        shown: Scheme, host and perhaps recipients, without secrets.
        selection: Of its alarms.
        public: All of its address that tells it apart, with secrets masked.
    """
    mark = hashlib.sha256(f"{selection} {public}".encode()).hexdigest()[:6]
    chosen = "" if selection == Selection() else f"{selection}="
    return f"{chosen}{shown} #{mark}"


def shown(scheme: str, host: str, recipients: str = "") -> str:
    """Show an address. host: `…` stands in its place where part of it is masked."""
    masked = not host or "..." in host or "*" in host
    return f"{scheme}://{HIDDEN if masked else host}{recipients}"
