"""Reads two sides of a comparison, and compares them."""

from __future__ import annotations

import csv
import io

import msgspec

from monitor.verdict.comparison import CSV_HEAD, Comparison, Held, compare
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.layout import decode as decode_layout
from monitor.verdict.summary import Summary, decode, merge
from schemas.definition import Role, Stream
from schemas.durations import duration_text, moment
from schemas.errors import UsageError
from schemas.sides import Side
from storage.comparisons import StoredStretch, stretch
from storage.connect import Connection
from storage.listings import RunRow, run_named
from storage.streams import definition_of


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Two sides and their comparison.

    Attributes:
        a, b: As people write them, with their run and period.
        unit: Of label and error; None without one.
        comparison: Of the two.
    """

    a: str
    b: str
    unit: str | None
    comparison: Comparison

    def csv(self) -> str:
        """Return every figure and distribution as CSV."""
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        writer.writerow(CSV_HEAD)
        writer.writerow(("", "", "period", self.a, self.b, None, None))
        writer.writerows(self.comparison.rows_of_csv())
        return file.getvalue()


def compare_sides(connection: Connection, a: Side, b: Side, *, run: str | None, fallback: Stream) -> Compared:
    """Compare two sides, from what is stored of the windows of their runs.

    Args:
        connection: Any connection that may read.
        a: One side.
        b: The other one.
        run: Of sides that name none; None: the only one there is.
        fallback: The stream of runs whose definition is not stored.

    Raises:
        UsageError: A run or what its windows held is not there, a period begins or ends within what was counted
            together, or the runs are compared with different models.
    """
    sides = [(one, run_named(connection, one.run or run)) for one in (a, b)]
    stored = [stretch(connection, known.run_id, side.start, side.end) for side, known in sides]
    if stored[0].layout_hash != stored[1].layout_hash:
        raise UsageError(
            "the windows of the two sides were counted in different bins, those of two models",
            "replay one of the runs with the model of the other",
        )
    layout = decode_layout(stored[0].layout)
    stream = definition_of(connection, sides[0][1].run_id, fallback)
    held = [_held(known, each, layout) for (_, known), each in zip(sides, stored, strict=True)]
    names = [Side(known.run_id, each.start, each.end).text for (_, known), each in zip(sides, stored, strict=True)]
    comparison = compare(layout, stream, held[0], held[1])
    return Compared(a=names[0], b=names[1], unit=stream.unit, comparison=comparison)


def _held(run: RunRow, stored: StoredStretch, layout: SummaryLayout) -> Held:
    parts: dict[Role, list[Summary]] = {}
    for role, payload in stored.windows:
        summary = decode(payload, layout)
        start, end = max(summary.start, stored.start), min(summary.end, stored.end)
        if (start - summary.start) % summary.step or (end - summary.start) % summary.step:
            at = start if (start - summary.start) % summary.step else end
            raise UsageError(
                f"{moment(at):%Y-%m-%dT%H:%M:%S} lies within what run {run.run_id} has counted together",
                f"begin and end at a multiple of {duration_text(summary.step)}",
            )
        parts.setdefault(role, []).append(summary.between(start, end))
    return {role: merge(found) for role, found in parts.items()}
