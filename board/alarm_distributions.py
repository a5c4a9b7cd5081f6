"""What the columns that an alarm names held before and since: from stored summaries, no row is read.

Values depend on the hour of the week, so the same hours are compared: those since the onset, those a week earlier,
and what they usually hold.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from board.alarms import find_alarm
from board.database import Reader
from board.runs import RunInfo
from monitor.verdict.layout import ERROR, SummaryLayout
from monitor.verdict.layout import decode as decode_layout
from monitor.verdict.shapes import Counts, shape
from schemas.definition import Stream
from schemas.durations import moment

WEEK = 7 * 86_400_000

LONGEST = 4 * WEEK
"""What is counted of an alarm, from its onset on."""

MEMBERS = 8
"""Members that are shown."""

SIDES = ("reference", "before", "since")


async def read_distributions(reader: Reader, run: RunInfo, alarm_id: str) -> dict[str, Any]:
    """Read what an alarm's columns held since its onset, in the same hours a week earlier, and usually.

    Args:
        reader: A snapshot of the database.
        run: The run.
        alarm_id: Its alarm.

    Returns:
        `columns`, those that its members are of, the worst first. None for an alarm of another
        track than `change`: nothing began at its onset.

    Raises:
        NotFound: The run has no such alarm.
    """
    alarm = await find_alarm(reader, run.run_id, alarm_id)
    stored = await reader.row("alarm_layout", run=run.run_id, calibration=alarm["calibration_id"])
    onset = alarm["first_evidence"]
    if stored is None or onset is None or alarm["track"] != "change":
        return {"run": run.run_id, "columns": []}
    until = min(alarm["recovered_at"] or onset + LONGEST, onset + LONGEST)
    where = {"start": moment(onset - WEEK), "end": moment(until)}
    summaries = {
        role: await reader.rows("alarm_summaries", run=run.run_id, role=role, **where)
        for role in {member["role"] for member in alarm["members"][:MEMBERS]}
    }
    return {
        "run": run.run_id,
        "columns": await asyncio.to_thread(distributions, run.stream, alarm["members"], stored, summaries, onset),
    }


def distributions(
    stream: Stream,
    members: Sequence[Mapping[str, Any]],
    stored: Sequence[Any],
    summaries: Mapping[str, Sequence[Sequence[Any]]],
    onset: int,
) -> list[dict[str, Any]]:
    """Lay the sides of each member beside one another. Pure.

    Args:
        stream: Of the run.
        members: Of the alarm, as the board has them.
        stored: Layout and calibration, as stored.
        summaries: By role, (start in ms, payload) of windows that do not overlap.
        onset: Of the alarm, ms.

    Returns:
        One for each column of the layout that members are of; none where layout, calibration or summaries cannot be
        decoded.
    """
    from monitor.verdict import calibration, summary  # noqa: PLC0415 - scipy takes a second, and is needed here only

    try:
        layout = decode_layout(stored[0])
        measured = calibration.decode(bytes(stored[1]), layout)
        decoded = {
            role: [(start, summary.decode(bytes(payload), layout)) for start, payload in rows]
            for role, rows in summaries.items()
        }
    except (msgspec.MsgspecError, ValueError, LookupError, zlib.error):
        return []
    sums: dict[str, dict[str, NDArray[np.float64]]] = {}
    for role, reference in measured.references.items():
        parts = decoded.get(role, [])
        sums[role] = {side: np.zeros(layout.bins(role)) for side in SIDES}
        until = max((part.end for _, part in parts), default=onset)
        for start, part in parts:
            if start >= onset:
                sums[role]["since"] += part.counts.sum(0)
                sums[role]["reference"] += reference.expected(part)
            elif start < until - WEEK:
                sums[role]["before"] += part.counts.sum(0)
    return [*_columns(stream, members, layout, sums)]


def _columns(
    stream: Stream, members: Sequence[Mapping[str, Any]], layout: SummaryLayout, sums: Mapping[str, Counts]
) -> Iterator[dict[str, Any]]:
    shown = dict.fromkeys((member["role"], member["column"] or member["name"]) for member in members[:MEMBERS])
    for role, name in shown:
        for column, place in layout.slices(role):
            if column.name == name and role in sums:
                counts = {side: counted[place] for side, counted in sums[role].items()}
                unit = stream.unit if name == ERROR else stream.unit_of(name)
                yield {"role": role, "name": name, "unit": unit, **shape(column, counts)}
