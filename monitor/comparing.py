"""Reads two sides of a comparison, and compares them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import msgspec

from monitor.verdict.comparison import CSV_HEAD, Comparison, Held, compare
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.layout import decode as decode_layout
from monitor.verdict.segments import decode as decode_segments
from monitor.verdict.summary import Summary, decode, decode_parts, merge
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
        UsageError: A run, a segment or what its windows held is not there, a period begins or ends within what was
            counted together, or the runs are compared with different models.
    """
    sides = [(one, run_named(connection, one.run or run)) for one in (a, b)]
    stored = [
        stretch(connection, known.run_id, side.start, side.end, divided=bool(side.segment)) for side, known in sides
    ]
    if stored[0].layout_hash != stored[1].layout_hash:
        raise UsageError(
            "the windows of the two sides were counted in different bins, those of two models",
            "replay one of the runs with the model of the other",
        )
    layout = decode_layout(stored[0].layout)
    stream = definition_of(connection, sides[0][1].run_id, fallback)
    read = [*zip(sides, stored, strict=True)]
    held = [_held(known, each, layout, side.segment) for (side, known), each in read]
    names = [Side(known.run_id, each.start, each.end, side.segment).text for (side, known), each in read]
    comparison = compare(layout, stream, held[0], held[1])
    return Compared(a=names[0], b=names[1], unit=stream.unit, comparison=comparison)


def _held(run: RunRow, stored: StoredStretch, layout: SummaryLayout, segment: str) -> Held:
    parts: dict[Role, list[Summary]] = {}
    for role, summary in _summaries(run, stored, layout, segment):
        start, end = max(summary.start, stored.start), min(summary.end, stored.end)
        if (start - summary.start) % summary.step or (end - summary.start) % summary.step:
            at = start if (start - summary.start) % summary.step else end
            raise UsageError(
                f"{moment(at):%Y-%m-%dT%H:%M:%S} lies within what run {run.run_id} has counted together",
                f"begin and end at a multiple of {duration_text(summary.step)}",
            )
        parts.setdefault(role, []).append(summary.between(start, end))
    return {role: merge(found) for role, found in parts.items()}


def _summaries(
    run: RunRow, stored: StoredStretch, layout: SummaryLayout, segment: str
) -> Iterator[tuple[Role, Summary]]:
    if stored.segments is None:
        yield from ((role, decode(payload, layout)) for role, payload, _ in stored.windows)
        return
    divided = decode_segments(stored.segments)
    if segment not in divided.keys:
        raise UsageError(f"run {run.run_id} has no segment {segment}", f"choose one of {', '.join(divided.keys)}")
    for role, _, payload in stored.windows:
        parts = None if payload is None else decode_parts(payload, layout, divided.hash)
        if parts is None:
            raise UsageError(
                f"what the segments of run {run.run_id} held is not known of all windows there",
                "choose another period, or leave the segment out",
            )
        yield role, parts[divided.keys.index(segment)]
