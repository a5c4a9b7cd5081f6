"""The model's error around an alarm of track `harm`: of each last day, as a multiple of what it usually is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from board.database import Reader
from schemas.durations import duration_ms, moment

DAY = 86_400_000
AROUND = 3 * DAY
"""Before the onset and after the end."""


async def read_errors(reader: Reader, run: str, alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Read the error of each last day, as `day_errors` returns it."""
    until = alarm["recovered_at"]
    where = {
        "size_s": duration_ms(alarm["size"]) // 1_000,
        "from": moment(alarm["first_evidence"] - AROUND - DAY),
        "to": moment(until + AROUND) if until else "infinity",
    }
    return day_errors(await reader.rows("errors", run=run, **where), alarm)


def day_errors(rows: Sequence[Sequence[Any]], alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Add up errors of 24 hours each. Pure.

    Args:
        rows: Start and end of windows of labels, ms, that follow one another; labels with an error, their absolute
            errors added up, and what these usually are.
        alarm: As the pages have it.

    Returns:
        `at`, ends of days; `times`, the mean absolute error of each as a multiple of the usual; `line`, the
        multiple from which on the alarm fires: its most is known in units of that. None: no day is known.
    """
    from monitor.verdict.harm import Errors, added  # noqa: PLC0415 - scipy takes a second, and is needed here only

    days: list[Errors] = []
    found: dict[str, Any] = {"at": [], "times": [], "line": None}
    most = 0.0
    for start, end, sums in rows:
        days = [*(day for day in days if day.start >= end - DAY), Errors.from_sums(start, end - start, tuple(sums))]
        day = added(days)
        if day is None or day.end - day.start < DAY or day.excess is None:
            continue
        found["at"].append(end)
        found["times"].append(round(1 + day.excess, 4))
        if alarm["fired_at"] <= end and (alarm["recovered_at"] is None or end <= alarm["recovered_at"]):
            most = max(most, day.excess)
    if most and alarm["value"]:
        found["line"] = round(1 + most / alarm["value"], 4)
    return found
