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
from monitor.verdict.layout import ERROR, CategoryLayout, ColumnLayout, NumberLayout, SummaryLayout
from monitor.verdict.layout import decode as decode_layout
from schemas.definition import Stream
from schemas.durations import moment

WEEK = 7 * 86_400_000

LONGEST = 4 * WEEK
"""What is counted of an alarm, from its onset on."""

MEMBERS = 8
"""Members that are shown."""

BINS = 30
INTEGERS = 40
"""A range of whole numbers that is no wider has a bin for each."""

TOP = 8
"""Values of a category that are shown one by one."""

SIDES = ("reference", "before", "since")

Counts = Mapping[str, NDArray[np.float64]]
"""By side, rows in each bin of a column."""


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


def shape(column: ColumnLayout, counts: Counts) -> dict[str, Any]:
    """Return the sides of a column as shares of the rows that have a value; None for a side that has none. Pure.

    Args:
        column: Its bins.
        counts: Rows in each of them, shape (bins,).
    """
    made = _category(column, counts) if isinstance(column, CategoryLayout) else _number(column, counts)
    rows = {side: float(each.sum()) for side, each in counts.items()}
    missing = {side: float(each[-1]) / rows[side] if rows[side] else None for side, each in counts.items()}
    return made | {"rows": rows, "missing": missing}


def _number(column: NumberLayout, counts: Counts) -> dict[str, Any]:
    """What lies beyond the outermost edges is drawn in the first bin and in the last one."""
    bounds = column.bounds
    low, high = float(bounds[0]), float(bounds[-1])
    if high - low <= INTEGERS and np.allclose(bounds, np.round(bounds)):
        edges = np.arange(np.round(low) - 0.5, np.round(high) + 1.0)
    else:
        edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    sides: dict[str, Any] = dict.fromkeys(counts)
    medians: dict[str, float | None] = dict.fromkeys(counts)
    for side, each in counts.items():
        if total := each[:-1].sum():
            below = np.cumsum(each[:-1])[:-1] / total  # of each of the bounds
            at = np.interp(edges, bounds, below)
            at[0], at[-1] = 0.0, 1.0
            sides[side] = np.diff(at).tolist()
            medians[side] = float(np.interp(0.5, below, bounds))
    return {"kind": "number", "edges": edges.tolist(), "median": medians, **sides}


def _category(column: CategoryLayout, counts: Counts) -> dict[str, Any]:
    totals = {side: float(each[:-1].sum()) for side, each in counts.items()}
    shares = {side: each[:-1] / totals[side] if totals[side] else None for side, each in counts.items()}
    most = np.max([np.zeros(column.bins - 1), *(each for each in shares.values() if each is not None)], axis=0)
    top = sorted(range(len(column.values)), key=lambda place: (-most[place], column.values[place]))[:TOP]
    sides: dict[str, Any] = dict.fromkeys(counts)
    for side, each in shares.items():
        if each is not None:
            shown, new = [float(each[place]) for place in top], float(each[-1])
            sides[side] = [*shown, max(0.0, 1.0 - sum(shown) - new), new]
    return {"kind": "category", "labels": [*(column.values[place] for place in top), "others", "new"], **sides}
