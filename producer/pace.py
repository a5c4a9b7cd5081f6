"""When a record is due: event time runs at a multiple of wall time. Pure: the clock is an argument."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from schemas.errors import UsageError

_SPEED = re.compile(r"(\d+(?:\.\d+)?)x?")


def parse_speed(text: str) -> float | None:
    """Parse a speed: `600x` (or `600`) is 600 event seconds per wall second, `max` is None.

    Raises:
        UsageError: It is neither.
    """
    if text.strip().lower() == "max":
        return None
    match = _SPEED.fullmatch(text.strip().lower())
    if match is None or not 0 < float(match[1]) < math.inf:
        raise UsageError(f"{text!r} is not a speed", "write `600x` for 600 times real time, or `max`")
    return float(match[1])


@dataclass(frozen=True)
class Pace:
    """The schedule of a replay. It is anchored: after a delay, such as an absent broker, the replay catches up.

    Attributes:
        speed: Event seconds per wall second; None for as fast as possible.
        event_start: Event time that is due at `wall_start`, ms since the epoch.
        wall_start: Seconds, by the clock whose time the caller passes later.
    """

    speed: float | None
    event_start: int
    wall_start: float

    def event_time_at(self, wall: float) -> float:
        """Return the event time that is due at this moment, ms since the epoch; infinite at full speed."""
        if self.speed is None:
            return math.inf
        return self.event_start + (wall - self.wall_start) * self.speed * 1_000

    def seconds_left(self, clock: int, end: int, wall: float) -> float | None:
        """Estimate the seconds until `end` is due; at full speed by the rate so far, None at the start."""
        if self.speed is not None:
            return max(0.0, self.due_at(end) - wall)
        if clock <= self.event_start:
            return None
        return (wall - self.wall_start) * max(0, end - clock) / (clock - self.event_start)

    def due_at(self, event: int) -> float:
        """Return when an event time is due, in seconds of the caller's clock; -inf at full speed."""
        if self.speed is None:
            return -math.inf
        return self.wall_start + (event - self.event_start) / self.speed / 1_000
