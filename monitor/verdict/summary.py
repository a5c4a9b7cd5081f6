"""Summaries: what a window holds, counted in the bins of a layout, hour by hour.

Sums of summaries are summaries of larger windows, to the last bit: all they hold are whole numbers. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, gcd, log2

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.drift.columns import Floats, Ints, combined, nulls, without_nulls
from monitor.verdict.layout import ERROR, CategoryLayout, ColumnLayout, NumberLayout, SummaryLayout, errors
from schemas.definition import EVENTS, LABELS, Role, Stream
from schemas.errors import UsageError
from storage.chunk import PREDICTION

HOUR = 3_600_000

Group = tuple[Ints, int]
"""A way to divide events: the part of each, shape (rows,), and how many parts there are."""

SUMS = ("events", "matched", "errors", "error", "absolute_error")
"""Of labels: events of the window; those that a label was found for; labels with an error; the sums of the errors
and of their absolute values, in units of `error_unit`."""

_FINE = 20
"""Binary digits of an error after the point, in standard deviations of the reference's."""


@dataclass(frozen=True)
class Summary:
    """The rows of one role in a stretch of event time.

    Attributes:
        layout: Hash of the layout.
        role: Of the records.
        start: Event time, ms since the epoch.
        step: Length of a row of the arrays, ms: an hour, or less where the window is no whole number of hours.
        rows: Records, shape (steps,).
        counts: Records by bin, shape (steps, bins): the columns of the layout, one after the other.
        sums: Of labels, as SUMS says, shape (steps, 5); of events, shape (steps, 0).
    """

    layout: str
    role: Role
    start: int
    step: int
    rows: Ints
    counts: Ints
    sums: Ints

    @property
    def size(self) -> int:
        """Length of the stretch, ms."""
        return self.step * len(self.rows)

    @property
    def end(self) -> int:
        """Exclusive, ms since the epoch."""
        return self.start + self.size

    def sum(self, name: str) -> Ints:
        """Return one of SUMS, shape (steps,)."""
        return self.sums[:, SUMS.index(name)]

    def between(self, start: int, end: int) -> Summary:
        """Return the part in [start, end), which must begin and end where steps do."""
        first, last = (start - self.start) // self.step, (end - self.start) // self.step
        part = slice(max(first, 0), max(last, 0))
        return replace(self, start=start, rows=self.rows[part], counts=self.counts[part], sums=self.sums[part])

    def by_step(self, step: int) -> Summary:
        """Add up steps to longer ones.

        Args:
            step: A multiple of the summary's, ms, that divides its size.
        """
        parts = step // self.step
        if parts == 1:
            return self
        rows, counts, sums = (
            a.reshape(len(self.rows) // parts, parts, *a.shape[1:]).sum(1)
            for a in (self.rows, self.counts, self.sums)
        )
        return replace(self, step=step, rows=rows, counts=counts, sums=sums)


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """What `encode` writes; widths: bytes of an entry of rows and counts, and of sums."""

    layout: str
    role: Role
    start: int
    step: int
    steps: int
    widths: tuple[int, int]
    data: bytes


def step_of(size: int) -> int:
    """Return the length of the steps in which a window of that size is summarised, ms."""
    return gcd(size, HOUR)


def error_unit(layout: SummaryLayout) -> float:
    """Return the unit in which errors are added up: a power of two, so that sums are exact."""
    scale = next((c.scale for c in layout.labels if c.name == ERROR and isinstance(c, NumberLayout)), 1.0)
    return float(2.0 ** (ceil(log2(scale)) - _FINE))


def empty(layout: SummaryLayout, role: Role, start: int, size: int) -> Summary:
    """Make the summary of a window without rows."""
    return _stacked(layout, role, start, size, 1, step=step_of(size))


def summarize_events(
    table: pa.Table, layout: SummaryLayout, stream: Stream, *, start: int, size: int, step: int | None = None
) -> Summary:
    """Summarise the events of a window.

    Args:
        table: In the layout of chunks, in any order. A missing column counts as missing values.
        layout: Of the stream.
        stream: What the rows are of.
        start: Of the window, ms since the epoch. All rows lie in it.
        size: Of the window, ms.
        step: Of the summary, ms, a divisor of an hour and of the size; None for `step_of`.
    """
    return divide_events(table, layout, stream, (), start=start, size=size, step=step)[0]


def divide_events(
    table: pa.Table,
    layout: SummaryLayout,
    stream: Stream,
    groups: Sequence[Group],
    *,
    start: int,
    size: int,
    step: int | None = None,
) -> list[Summary]:
    """Summarise the events of a window, and each part of them.

    Args:
        table: As for `summarize_events`.
        layout: Of the stream.
        stream: What the rows are of.
        groups: How they are divided.
        start: Of the window, ms since the epoch.
        size: Of the window, ms.
        step: As for `summarize_events`.

    Returns:
        The whole, then the parts of each group.
    """
    made = [
        _stacked(layout, EVENTS, start, size, number, step=step or step_of(size))
        for number in (1, *(number for _, number in groups))
    ]
    steps = _steps(made[0], table[stream.events.time])
    _count(made, layout, table, [steps, *(steps + size // made[0].step * part for part, _ in groups)])
    return _parts(made, size, groups)


def summarize_labels(
    table: pa.Table,
    events: pa.Table,
    layout: SummaryLayout,
    stream: Stream,
    *,
    start: int,
    size: int,
    step: int | None = None,
) -> Summary:
    """Summarise the labels of a window.

    Args:
        table: In the layout of chunks, in any order.
        events: Those of the same window: their id, event time and prediction.
        layout: Of the stream.
        stream: What the rows are of.
        start: Of the window, ms since the epoch.
        size: Of the window, ms.
        step: As for `summarize_events`.
    """
    return divide_labels(table, events, layout, stream, (), start=start, size=size, step=step)[0]


def divide_labels(
    table: pa.Table,
    events: pa.Table,
    layout: SummaryLayout,
    stream: Stream,
    groups: Sequence[Group],
    *,
    start: int,
    size: int,
    step: int | None = None,
) -> list[Summary]:
    """Summarise the labels of a window, and each part of them: that of their event. Others are in no part.

    Args:
        table: As for `summarize_labels`.
        events: Those of the same window.
        layout: Of the stream.
        stream: What the rows are of.
        groups: How the events are divided.
        start: Of the window, ms since the epoch.
        size: Of the window, ms.
        step: As for `summarize_events`.

    Returns:
        The whole, then the parts of each group.
    """
    records = stream.records(LABELS)
    at = pc.index_in(table[records.id], value_set=events[stream.events.id].combine_chunks())
    joined = table.append_column(ERROR, errors(events[PREDICTION].take(at), table[str(records.label)]))
    low, high = records.label_range or (-np.inf, np.inf)
    label = joined[records.label]
    inside = pc.and_(pc.greater_equal(label, low), pc.less_equal(label, high))
    joined = joined.set_column(joined.num_columns - 1, ERROR, pc.if_else(inside, joined[ERROR], None))
    # without an event a label is in a part of its own, which is dropped
    made = [
        _stacked(layout, LABELS, start, size, number, step=step or step_of(size))
        for number in (1, *(n + 1 for _, n in groups))
    ]
    each, of_event = size // made[0].step, _steps(made[0], events[stream.events.time])
    where = pc.fill_null(at.cast(pa.int64()), events.num_rows).to_numpy()
    parts = [np.append(part, number)[where] for part, number in groups]
    steps = _steps(made[0], joined[records.time])
    labelled = [steps, *(steps + each * part for part in parts)]
    _count(made, layout, joined, labelled)
    matched = np.unique(at.drop_null().to_numpy())
    error = joined[ERROR].to_numpy()
    for one, event, found in zip(
        made, [of_event, *(of_event + each * part for part, _ in groups)], labelled, strict=True
    ):
        one.sums[:, 0] = np.bincount(event, minlength=len(one.rows))
        one.sums[:, 1] = np.bincount(event[matched], minlength=len(one.rows))
        _add_errors(one, found, error, error_unit(layout))
    return _parts(made, size, groups)


def merge(summaries: Iterable[Summary]) -> Summary:
    """Add up summaries, whether they are of the same stretch or of different ones; time between them has no rows.

    Raises:
        UsageError: There is none, or their layouts, roles or steps differ.
    """
    parts = list(summaries)
    if len({(p.layout, p.role, p.step, p.start % p.step) for p in parts}) != 1:
        raise UsageError("these summaries cannot be added up", "choose some of one layout, role and step")
    start, step = min(p.start for p in parts), parts[0].step
    steps = (max(p.end for p in parts) - start) // step
    first = parts[0]
    rows, counts, sums = (np.zeros((steps, *a.shape[1:]), np.int64) for a in (first.rows, first.counts, first.sums))
    for part in parts:
        at = slice((part.start - start) // step, (part.end - start) // step)
        rows[at] += part.rows
        counts[at] += part.counts
        sums[at] += part.sums
    return replace(first, start=start, rows=rows, counts=counts, sums=sums)


def encode(summary: Summary) -> bytes:
    """Encode a summary; `decode` reads it. About 1 KB for an hour of a hundred rows."""
    counted, added = np.concatenate([summary.rows[:, None], summary.counts], axis=1), summary.sums
    widths = (_width(counted), _width(added))
    data = b"".join(a.T.astype(f"<i{w}").tobytes() for a, w in zip((counted, added), widths, strict=True))
    stored = _Stored(
        summary.layout,
        summary.role,
        summary.start,
        summary.step,
        len(summary.rows),
        widths,
        zlib.compress(data, 1),
    )
    return msgspec.msgpack.encode(stored)


def decode(payload: bytes, layout: SummaryLayout) -> Summary:
    """Decode what `encode` returned.

    Args:
        payload: The bytes.
        layout: The layout that the summary was made with.

    Raises:
        UsageError: It is another layout.
    """
    stored = msgspec.msgpack.decode(payload, type=_Stored)
    if stored.layout != layout.hash:
        raise UsageError("a summary was made with another layout", "read it with its own")
    data, bins = zlib.decompress(stored.data), layout.bins(stored.role) + 1
    cut = stored.steps * bins * stored.widths[0]
    counted = _read(data[:cut], stored.widths[0], stored.steps)
    added = _read(data[cut:], stored.widths[1], stored.steps)
    return Summary(stored.layout, stored.role, stored.start, stored.step, counted[:, 0], counted[:, 1:], added)


class _StoredParts(msgspec.Struct, frozen=True, array_like=True):
    """What `encode_parts` writes; as `_Stored`, with the parts as the first dimension."""

    parts: str
    layout: str
    role: Role
    start: int
    step: int
    number: int
    steps: int
    widths: tuple[int, int]
    data: bytes


def encode_parts(parts: Sequence[Summary], name: str) -> bytes:
    """Encode the parts of one window; `decode_parts` reads them.

    Args:
        parts: At least one, all of the same layout, role and stretch.
        name: Of the way in which the window is divided: a hash.
    """
    first = parts[0]
    counted = np.stack([np.concatenate([part.rows[:, None], part.counts], axis=1) for part in parts])
    added = np.stack([part.sums for part in parts])
    widths = (_width(counted), _width(added))
    data = b"".join(
        a.swapaxes(1, 2).astype(f"<i{w}").tobytes() for a, w in zip((counted, added), widths, strict=True)
    )
    stored = _StoredParts(
        name,
        first.layout,
        first.role,
        first.start,
        first.step,
        len(parts),
        len(first.rows),
        widths,
        zlib.compress(data, 1),
    )
    return msgspec.msgpack.encode(stored)


def decode_parts(payload: bytes, layout: SummaryLayout, name: str) -> list[Summary] | None:
    """Decode what `encode_parts` returned; None if the window was divided in another way, or has other bins.

    Args:
        payload: The bytes.
        layout: Of the summaries.
        name: Of the way in which it should be divided.
    """
    stored = msgspec.msgpack.decode(payload, type=_StoredParts)
    if (stored.parts, stored.layout) != (name, layout.hash):
        return None
    data, rows = zlib.decompress(stored.data), layout.bins(stored.role) + 1
    cut = stored.number * stored.steps * rows * stored.widths[0]
    counted, added = (
        np.frombuffer(part, f"<i{width}").astype(np.int64).reshape(stored.number, entries, stored.steps)
        for part, width, entries in (
            (data[:cut], stored.widths[0], rows),
            (data[cut:], stored.widths[1], len(SUMS) if stored.role == LABELS else 0),
        )
    )
    return [
        Summary(stored.layout, stored.role, stored.start, stored.step, each[0], each[1:].T, sums.T)
        for each, sums in zip(counted, added, strict=True)
    ]


def _width(values: Ints) -> int:
    largest = int(np.abs(values).max(initial=0))
    return next(width for width in (1, 2, 4, 8) if largest < 2 ** (8 * width - 1))


def _read(data: bytes, width: int, steps: int) -> Ints:
    return np.frombuffer(data, f"<i{width}").astype(np.int64).reshape(-1, steps).T


def _stacked(layout: SummaryLayout, role: Role, start: int, size: int, number: int, *, step: int) -> Summary:
    """So many windows without rows, as if one came after the other."""
    steps = number * size // step
    return Summary(
        layout.hash,
        role,
        start,
        step,
        np.zeros(steps, np.int64),
        np.zeros((steps, layout.bins(role)), np.int64),
        np.zeros((steps, len(SUMS) if role == LABELS else 0), np.int64),
    )


def _parts(made: Sequence[Summary], size: int, groups: Sequence[Group]) -> list[Summary]:
    """Take them apart: the whole, and those of each group."""
    whole, *stacked = made
    return [
        whole,
        *(
            replace(each.between(each.start + at * size, each.start + (at + 1) * size), start=each.start)
            for each, (_, number) in zip(stacked, groups, strict=True)
            for at in range(number)
        ),
    ]


def _steps(summary: Summary, times: pa.ChunkedArray) -> Ints:
    """The step of each row."""
    found: Ints = (times.to_numpy() - summary.start) // summary.step
    return found


def _count(made: Sequence[Summary], layout: SummaryLayout, table: pa.Table, steps: Sequence[Ints]) -> None:
    """Fill in rows and counts of summaries. steps: in each of them that of each row."""
    for summary, at in zip(made, steps, strict=True):
        summary.rows[:] = np.bincount(at, minlength=len(summary.rows))
    present, last = set(table.column_names), made[-1]
    for column, place in layout.slices(last.role):
        missing = column.name not in present
        found = np.full(table.num_rows, column.bins - 1) if missing else codes(column, combined(table[column.name]))
        for summary, at in zip(made, steps, strict=True):
            number = len(summary.rows)
            bins = np.add(found, column.bins * at, out=found if summary is last else None)
            summary.counts[:, place] = np.bincount(bins, minlength=number * column.bins).reshape(
                number, column.bins
            )


def codes(column: ColumnLayout, values: pa.Array) -> Ints:
    """Return the bin of each value, shape (values,).

    Args:
        column: The bins.
        values: Of the column.
    """
    if pa.types.is_signed_integer(values.type) and column.of_whole_numbers is not None:
        return _whole_codes(column, values, *column.of_whole_numbers)
    return _number_codes(column, values) if isinstance(column, NumberLayout) else _category_codes(column, values)


def _number_codes(column: NumberLayout, values: pa.Array) -> Ints:
    floats = _floats(values)
    codes, usable = column.grid.codes(floats), np.isfinite(floats)
    if column.low is not None and column.high is not None:
        usable &= (floats >= column.low) & (floats <= column.high)
    return _missing(column, codes, ~usable)


def _category_codes(column: CategoryLayout, array: pa.Array) -> Ints:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        return _numeric_codes(column, _floats(array))
    return _text_codes(column, array.cast(pa.string()))


def _whole_codes(column: ColumnLayout, array: pa.Array, least: int, table: Ints) -> Ints:
    places = without_nulls(array).astype(np.int64)
    places.clip(least, least + len(table) - 1, out=places)
    places -= least
    return _missing(column, table.take(places, mode="clip"), nulls(array))


def _numeric_codes(column: CategoryLayout, floats: Floats) -> Ints:
    names, grid, bins = column.numeric
    at = grid.codes(floats) - 1
    codes: Ints = bins.take(at, mode="wrap")
    codes[np.flatnonzero(names.take(at, mode="wrap") != floats)] = column.bins - 2
    return _missing(column, codes, ~np.isfinite(floats))


def _text_codes(column: CategoryLayout, array: pa.Array) -> Ints:
    known, bins = column.texts
    codes: Ints = bins.take(pc.fill_null(pc.index_in(array, value_set=known), len(known)).to_numpy())
    return codes


def _missing(column: ColumnLayout, codes: Ints, missing: NDArray[np.bool_] | None) -> Ints:
    """Count rows as missing, in place. A mask as such would be slower than the places of what is mostly rare."""
    if missing is not None:
        codes[np.flatnonzero(missing)] = column.bins - 1
    return codes


def _floats(array: pa.Array) -> Floats:
    """Nulls become NaN."""
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    floats: Floats = array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return floats


def _add_errors(summary: Summary, steps: Ints, error: Floats, unit: float) -> None:
    known = np.isfinite(error)
    bound = 2.0 ** (2 * _FINE)
    units = np.rint(np.clip(error[known] / unit, -bound, bound)).astype(np.int64)
    for place, values in ((2, np.ones_like(units)), (3, units), (4, np.abs(units))):
        np.add.at(summary.sums[:, place], steps[known], values)
