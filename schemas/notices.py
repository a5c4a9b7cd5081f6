"""Notifications by which Postgres wakes monitors and boards: the channels, and what is sent on them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.records import Time

PROGRESS = "driftline_progress"
"""A consumer committed something that moves a run. The payload is the run's id."""
WINDOW = "driftline_window"
"""A window was written. The payload is a `WindowNotice` as JSON."""

MAX_SIZE_S = 366 * 86_400
"""Seconds of the largest window."""


class WindowNotice(msgspec.Struct, frozen=True):
    """Which window was written. Any login may send one: what cannot be a window's is refused.

    size_s: seconds. start: ms since the epoch. status: of the result, such as `final`.
    """

    run: str
    stream: str
    size_s: Annotated[int, msgspec.Meta(ge=1, le=MAX_SIZE_S)]
    start: Time
    status: str


def encode(notice: WindowNotice) -> str:
    """Write the payload of a notification on channel WINDOW."""
    return msgspec.json.encode(notice).decode()


def decode(payload: str) -> WindowNotice:
    """Read the payload of a notification on channel WINDOW.

    Raises:
        msgspec.DecodeError: It is of no window.
    """
    return msgspec.json.decode(payload, type=WindowNotice)
