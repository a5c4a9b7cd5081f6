"""Durations and moments as people write them (`5m`, `2022-02-01T06:00`), and as the program counts: ms."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from schemas.errors import UsageError

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)")


def duration_ms(text: str) -> int:
    """Parse a duration such as `90s`, `5m`, `1h`, `1d` or `1w` into ms.

    Raises:
        UsageError: It is no duration, or 0.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise UsageError(f"{text!r} is not a duration", "write a whole number and ms, s, m, h, d or w, such as 5m")
    return int(match[1]) * _UNITS[match[2]]


def duration_text(ms: int) -> str:
    """Format a duration exactly and briefly: 3_600_000 is `1h`. Weeks are written in days, as in `7d`.

    Raises:
        ValueError: It is less than 1 ms.
    """
    if ms < 1:
        raise ValueError(f"a duration is at least 1 ms, not {ms}")
    unit = next(u for u in ("d", "h", "m", "s", "ms") if ms % _UNITS[u] == 0)
    return f"{ms // _UNITS[unit]}{unit}"


def approximate_duration(seconds: float) -> str:
    """Format seconds for people, rounded: `40s`, `11m`, `2h 05m`, `3d 04h`."""
    minutes, hours = round(seconds / 60), round(seconds / 3_600)
    if seconds < 99.5:
        return f"{seconds:.0f}s"
    if minutes < 100:
        return f"{minutes}m"
    return f"{minutes // 60}h {minutes % 60:02}m" if hours < 48 else f"{hours // 24}d {hours % 24:02}h"


def sizes_ms(text: str, pane_ms: int) -> tuple[int, ...]:
    """Parse window sizes such as `1h,6h,1d` into ascending, distinct ms.

    Raises:
        UsageError: One is not a whole number of panes.
    """
    sizes = sorted({duration_ms(part) for part in text.split(",")})
    for size in sizes:
        if size % pane_ms or size % 1_000:
            raise UsageError(
                f"a window of {duration_text(size)} is not a whole number of {duration_text(pane_ms)} panes",
                "choose multiples of the run's pane",
            )
    return tuple(sizes)


def moment_ms(text: str) -> int:
    """Parse an ISO date or time (UTC without a zone) into ms since the epoch.

    Raises:
        UsageError: It is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a moment", "write it as 2022-02-01 or 2022-02-01T06:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000)


def misread_unit(ms: float) -> str | None:
    """Advise on an event time that is plausible (1973 to 2286) only in another unit; None if it is not such a time.

    As milliseconds, seconds of these years are in January to April 1970, and microseconds beyond the year 4000.
    """
    for unit, per_ms in (("seconds", 1e-3), ("microseconds", 1e3), ("nanoseconds", 1e6)):
        if 1e11 <= ms / per_ms < 1e13 and not 1e11 <= ms < 1e13:
            return f"looks like {unit}: send milliseconds"
    return None


def moment(ms: int) -> datetime:
    """Convert ms since the epoch to an aware datetime in UTC."""
    return datetime.fromtimestamp(ms / 1_000, UTC)
