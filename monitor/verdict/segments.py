"""Segments: parts of a stream by the value of a field, frozen as the model's reference has them. Pure.

A division puts every event into one of its segments; a label belongs to that of its event. What a segment holds is
counted in the same bins as the whole stream, so that it can be compared in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256

import msgspec
import numpy as np
import pyarrow as pa

from monitor.drift.columns import Ints, by_label, categories, combined
from monitor.verdict.layout import CategoryLayout, SummaryLayout
from monitor.verdict.summary import Group, Summary, codes
from schemas.definition import EVENTS, Segment, Stream
from schemas.errors import UsageError

OTHER = "other"
"""The segment of all that have none of their own."""


class Division(msgspec.Struct, frozen=True, dict=True):
    """One way to divide a stream.

    Attributes:
        name: Of the division.
        column: What decides: the values that are told apart.
        segments: Their names, the one with the most rows of the reference first.
        of: By bin of the column, the place of its segment.
    """

    name: str
    column: CategoryLayout
    segments: tuple[str, ...]
    of: tuple[int, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """What its segments are called among all of the stream: `name=segment`."""
        return tuple(f"{self.name}={segment}" for segment in self.segments)

    @cached_property
    def mixture(self) -> SummaryLayout:
        """The bins of its shares: one category, whose values are the segments."""
        return SummaryLayout((CategoryLayout(self.name, self.segments),))

    @cached_property
    def _of(self) -> Ints:
        return np.array(self.of, np.int64)

    def places(self, table: pa.Table) -> Ints:
        """Return the place of each row's segment, shape (rows,). A missing column counts as missing values."""
        if self.column.name not in table.column_names:
            return np.full(table.num_rows, self.of[-1])
        return self._of[codes(self.column, combined(table[self.column.name]))]

    @classmethod
    def from_reference(cls, one: Segment, table: pa.Table) -> Division:
        """Choose the segments that the reference of a model has the most rows of.

        Args:
            one: How to divide.
            table: The reference.
        """
        rows = by_label(*categories(table[one.column])) if one.column in table.column_names else {}
        groups = dict(one.groups)
        values = sorted({*rows, *groups}) if one.present is None else []
        names = {value: groups.get(value, OTHER) if groups else value for value in values}
        found = Counter[str]()
        for value in values:
            found[names[value]] += rows.get(value, 0)
        found[one.missing] += table[one.column].null_count if one.column in table.column_names else 0
        ranked = sorted((name for name in found if found[name] and name != OTHER), key=lambda n: (-found[n], n))
        always = (OTHER,) if one.present is None else (one.present, one.missing)
        segments = tuple(dict.fromkeys([*(ranked[: one.top] if one.present is None else ()), *always]))
        rest = segments.index(OTHER if one.present is None else one.present)
        place = {name: at for at, name in enumerate(segments)}
        of = [*(place.get(names[value], rest) for value in values), rest, rest, place.get(one.missing, rest)]
        return cls(one.called, CategoryLayout(one.column, tuple(values)), segments, tuple(of))


class SegmentLayout(msgspec.Struct, frozen=True, dict=True):
    """How a stream is divided."""

    divisions: tuple[Division, ...]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """All segments, division by division."""
        return tuple(key for division in self.divisions for key in division.keys)

    @cached_property
    def hash(self) -> str:
        """sha256 in hex of what `encode` returns."""
        return sha256(self.encode()).hexdigest()

    def encode(self) -> bytes:
        """Encode the layout as JSON; `decode` reads it."""
        return msgspec.json.encode(self)

    @classmethod
    def from_reference(cls, table: pa.Table, stream: Stream) -> SegmentLayout | None:
        """Draw the segments of a stream from the reference of a model; None where it is not divided."""
        divisions = tuple(Division.from_reference(one, table) for one in stream.divisions)
        return cls(divisions) if divisions else None

    def groups(self, table: pa.Table) -> list[Group]:
        """Return the segments of events, division by division. table: has the columns that divide them."""
        return [(division.places(table), len(division.segments)) for division in self.divisions]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What divides the events."""
        return tuple(division.column.name for division in self.divisions)

    def mixture(self, division: Division, summaries: Sequence[Summary]) -> Summary:
        """Return how the rows are shared out among the segments of a division.

        Args:
            division: One of them.
            summaries: Of all segments, in the order of `keys`.
        """
        at = self.keys.index(division.keys[0])
        own, size = summaries[at : at + len(division.segments)], division.mixture.bins(EVENTS)
        rows = np.stack([one.rows for one in own], axis=1)
        counts = np.pad(rows, ((0, 0), (0, size - rows.shape[1])))
        first = own[0]
        return Summary(
            division.mixture.hash, EVENTS, first.start, first.step, rows.sum(1), counts, first.sums[:, :0]
        )


def part_of(table: pa.Table, stream: Stream, segment: str) -> pa.Table:
    """Return the rows of a model's reference that are in a segment; '' for all of them.

    Raises:
        UsageError: The stream has no such segment.
    """
    return segment_filter(table, stream, segment)(table) if segment else table


def segment_filter(reference: pa.Table, stream: Stream, segment: str) -> Callable[[pa.Table], pa.Table]:
    """Return what picks the rows of a segment from a table of events.

    Args:
        reference: Of the model, which says what segments there are.
        stream: Of the events.
        segment: Its name among all of the stream.

    Raises:
        UsageError: The stream has no such segment.
    """
    layout = SegmentLayout.from_reference(reference, stream)
    divisions = () if layout is None else layout.divisions
    for division in divisions:
        if segment in division.keys:
            at = division.keys.index(segment)
            return lambda table: table.filter(pa.array(division.places(table) == at))
    raise UsageError(f"stream {stream.name} has no segment {segment}", "`driftline windows --segment` names them")


def decode(layout: bytes | str) -> SegmentLayout:
    """Decode a layout from JSON.

    Raises:
        msgspec.ValidationError: It is none.
    """
    return msgspec.json.decode(layout, type=SegmentLayout)
