"""What the summaries of a stream count: the bins of every monitored column, drawn once from the model's reference.

Summaries add up only where they have the same bins, so a layout is stored beside them, under its hash. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from math import ceil, floor, isfinite
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.drift.category import EXACT, as_number
from monitor.drift.columns import Floats, Ints, by_label, categories, monitored, numbers
from monitor.drift.figures import Config
from schemas.definition import LABELS, Records, Stream
from storage.chunk import PREDICTION

BINS = 128
"""Of a number, between its tails."""

TOP = 20
"""Values of a category that are counted one by one."""

KNOWN = 1_000
"""Values of a category that count as known; further ones are new."""

ERROR = "error"
"""Prediction minus label, of labels inside their range."""

_CELLS = 4_096
_FEW = 500
_PASSES = 8
_CLIP = Config().clip
_SMALLEST = 0.001


class Grid:
    """Finds the bins of many numbers faster than a binary search does.

    A cell of an even grid says how many edges lie below it; the few within it are compared with. Where they are not
    few, or the values are, the search is binary.
    """

    def __init__(self, edges: Floats) -> None:
        """Lay the grid. edges: Ascending, at least one."""
        with np.errstate(all="ignore"):
            self._first, self._cells = edges[0], float(np.divide(_CELLS - 1, edges[-1] - edges[0]))
        cells = self._cell(edges).clip(0, _CELLS - 1)
        self._below = cells.searchsorted(np.arange(_CELLS))
        within = np.arange(len(edges)) - self._below[cells]
        self._edges, self._passes = edges, int(within.max()) + 1
        if self._passes <= _PASSES:
            self._within = np.full((self._passes, _CELLS), np.inf)
            self._within[within, cells] = edges

    def codes(self, values: Floats) -> Ints:
        """Return the number of edges at or below each finite value, shape (n,); anything for the others."""
        if self._passes > _PASSES or len(values) < _FEW:
            found: Ints = self._edges.searchsorted(values, "right")
            return found
        cells = self._cell(values)
        codes: Ints = self._below.take(cells, mode="clip")  # a cell that was NaN may be any number
        for edges in self._within:
            codes += edges.take(cells, mode="clip") <= values
        return codes

    def _cell(self, values: Floats) -> Ints:
        with np.errstate(all="ignore"):
            places = values - self._first
            places *= self._cells
            cells: Ints = places.clip(0, _CELLS - 1, out=places).astype(np.int64)
            return cells


class NumberLayout(msgspec.Struct, frozen=True, tag="number", tag_field="kind", dict=True):
    """The bins of a number: below the edges, between two of them, from the last one on, missing.

    Attributes:
        name: The column.
        edges: Ascending. Bin i holds edges[i] <= value < edges[i + 1]. A value that stands out by its frequency has
            a bin of its own, so that within the others values are spread.
        scale: Standard deviation of the reference between the outermost edges; at least 0.001.
        low, high: Inclusive; values outside are counted as missing, such as labels that the model does not learn.
    """

    name: str
    edges: tuple[float, ...]
    scale: float
    low: float | None = None
    high: float | None = None

    @property
    def bins(self) -> int:
        """Bins, with both tails and the missing values, which come last."""
        return len(self.edges) + 2

    @cached_property
    def bounds(self) -> Floats:
        """The edges, shape (edges,)."""
        return np.asarray(self.edges)

    @cached_property
    def grid(self) -> Grid:
        """Finds the bin of a value, unless it counts as missing."""
        return Grid(self.bounds)

    @cached_property
    def of_whole_numbers(self) -> tuple[int, Ints] | None:
        """A whole number below all bounds, and the bins from there to one above. None if they are far apart."""
        limits = (-np.inf if self.low is None else self.low, np.inf if self.high is None else self.high)
        values = _whole_numbers([*self.edges, *filter(isfinite, limits)])
        if values is None:
            return None
        inside = (values >= limits[0]) & (values <= limits[1])
        return int(values[0]), np.where(inside, self.bounds.searchsorted(values, "right"), self.bins - 1)


class CategoryLayout(msgspec.Struct, frozen=True, tag="category", tag_field="kind", dict=True):
    """The bins of a category: one for each value, the other known values, new values, missing.

    Attributes:
        name: The column.
        values: The most frequent values of the reference, spelt as `monitor.drift.columns.label` does.
        others: Its other values.
    """

    name: str
    values: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def bins(self) -> int:
        """Bins, with those of other, new and missing values, which come last in this order."""
        return len(self.values) + 3

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """The bin of each known value."""
        other = dict.fromkeys(self.others, len(self.values))
        return other | {value: code for code, value in enumerate(self.values)}

    @cached_property
    def numeric(self) -> tuple[Floats, Grid, Ints]:
        """The known values that spell a number, ascending; a grid of them; their bins."""
        found = sorted((value, code) for name, code in self.codes.items() if (value := as_number(name)) is not None)
        names = np.array([value for value, _ in found] or [np.inf], np.float64)
        return names, Grid(names), np.array([code for _, code in found] or [self.bins - 2], np.int64)

    @cached_property
    def of_whole_numbers(self) -> tuple[int, Ints] | None:
        """A whole number below the known ones, and the bins from there to one above. None if they are far apart."""
        names, _, bins = self.numeric
        values = _whole_numbers(names)
        if values is None:
            return None
        at = names.searchsorted(values)
        return int(values[0]), np.where(
            names.take(at, mode="clip") == values, bins.take(at, mode="clip"), self.bins - 2
        )

    @cached_property
    def texts(self) -> tuple[pa.Array, Ints]:
        """The known values and null; their bins and, at the end, that of new values."""
        return pa.array([*self.codes, None], pa.string()), np.array(
            [*self.codes.values(), self.bins - 1, self.bins - 2]
        )


ColumnLayout = NumberLayout | CategoryLayout


class Places:
    """Where the bins of the columns of a role lie, for computing on all of them at once.

    Attributes:
        starts: Of each column, shape (columns,).
        numbers, categories: Which columns are which.
        ends: The first and the last bin of each number: values below all edges, missing values.
        widths: From each bin to the next, between edges of a number, in its scales; 0 elsewhere; shape (bins - 1,).
        of_categories: Bins of categories.
        starts_of_categories: Where each category begins among them.
    """

    def __init__(self, placed: Sequence[tuple[ColumnLayout, slice]]) -> None:
        """placed: Columns with their places, one after the other."""
        self.starts = np.array([place.start for _, place in placed], np.int64)
        number = np.array([isinstance(column, NumberLayout) for column, _ in placed], bool)
        self.numbers, self.categories = np.flatnonzero(number), np.flatnonzero(~number)
        stops = np.array([place.stop for _, place in placed], np.int64)
        self.ends = self.starts[number], stops[number] - 1
        self._sizes = stops - self.starts
        self.of_categories = np.flatnonzero(np.repeat(~number, self._sizes))
        sizes = self._sizes[~number]
        self.starts_of_categories = np.cumsum(sizes) - sizes
        self._counted = np.ones(int(self._sizes.sum()))
        self._counted[self.ends[1]] = 0.0
        self.widths = np.zeros(max(len(self._counted) - 1, 0))
        for column, place in placed:
            if isinstance(column, NumberLayout):
                self.widths[place.start : place.stop - 3] = np.diff(column.bounds) / column.scale

    def added(self, each: Floats) -> Floats:
        """Add up the bins of each column, shape (windows, columns). each: of each bin, perhaps not of the last."""
        found: Floats = np.add.reduceat(each, self.starts, axis=1)
        return found

    def values(self, counts: Floats) -> Floats:
        """Count the values of each column; missing numbers are none. counts: shape (windows, bins)."""
        return self.added(counts * self._counted)

    def shares(self, counts: Floats, usable: NDArray[np.bool_]) -> Floats:
        """Return each bin as a share of the values of its column; 0 for missing numbers.

        Args:
            counts: Shape (windows, bins).
            usable: Columns that have values; the others are 0; shape (windows, columns).
        """
        factor = usable / np.where(usable, self.values(counts), 1.0)
        found: Floats = counts * self._counted * np.repeat(factor, self._sizes, axis=1)
        return found


class SummaryLayout(msgspec.Struct, frozen=True, dict=True):
    """The columns that are summarised, by the role of their records."""

    events: tuple[ColumnLayout, ...]
    labels: tuple[ColumnLayout, ...] = ()

    def columns(self, role: str) -> tuple[ColumnLayout, ...]:
        """Return the columns of the records of a role."""
        return self.labels if role == LABELS else self.events

    def slices(self, role: str) -> tuple[tuple[ColumnLayout, slice], ...]:
        """Return each column with its place among the bins of all columns, one after the other."""
        return self._slices[role == LABELS]

    def bins(self, role: str) -> int:
        """Bins of all columns of a role."""
        slices = self.slices(role)
        return slices[-1][1].stop if slices else 0

    def places(self, role: str) -> Places:
        """Return where the bins of a role's columns lie."""
        return self._places[role == LABELS]

    @cached_property
    def _places(self) -> tuple[Places, Places]:
        return Places(self.slices("events")), Places(self.slices(LABELS))

    @cached_property
    def _slices(self) -> tuple[tuple[tuple[ColumnLayout, slice], ...], ...]:
        return tuple(tuple(_placed(columns)) for columns in (self.events, self.labels))

    @cached_property
    def hash(self) -> str:
        """sha256 in hex of what `encode` returns."""
        return sha256(self.encode()).hexdigest()

    def encode(self) -> bytes:
        """Encode the layout as JSON; `decode` reads it."""
        return msgspec.json.encode(self)

    @classmethod
    def from_reference(cls, table: pa.Table, stream: Stream) -> SummaryLayout:
        """Draw the bins from the reference of a model.

        Args:
            table: As `models.reference.layout` describes it. Columns that cannot be read as their definition says
                are left out.
            stream: What it is of.
        """
        events = tuple(_columns(table, stream.events))
        if stream.labels is None or stream.label is None or stream.label not in table.column_names:
            return cls(events)
        with_error = table.append_column(ERROR, errors(table[PREDICTION], table[stream.label]))
        return cls(events, tuple(_columns(with_error, stream.labels)))


def decode(layout: bytes | str | dict[str, Any]) -> SummaryLayout:
    """Decode a layout from JSON, or from the dict that `jsonb` is read as.

    Raises:
        msgspec.ValidationError: It is none.
    """
    if isinstance(layout, dict):
        return msgspec.convert(layout, SummaryLayout)
    return msgspec.json.decode(layout, type=SummaryLayout)


def errors(prediction: pa.ChunkedArray, label: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return prediction minus label, null where either is not known."""
    return pc.subtract(prediction.cast(pa.float64()), label.cast(pa.float64()))


def _whole_numbers(bounds: Sequence[float] | Floats) -> Floats | None:
    """List the whole numbers from below the bounds to above them; None if they are many or not exact as floats."""
    low, high = float(min(bounds)), float(max(bounds))
    if not (high - low < _CELLS and max(-low, high) < EXACT):
        return None
    return np.arange(floor(low) - 1, ceil(high) + 2, dtype=np.float64)


def _placed(columns: Iterable[ColumnLayout]) -> Iterable[tuple[ColumnLayout, slice]]:
    start = 0
    for column in columns:
        yield column, slice(start, start + column.bins)
        start += column.bins


def _columns(table: pa.Table, records: Records) -> Iterable[ColumnLayout]:
    for name, numeric, label_range in monitored(records):
        if name in table.column_names:
            try:
                yield _number(name, table[name], label_range) if numeric else _category(name, table[name])
            except TypeError:
                continue
    if ERROR in table.column_names:
        inside = _inside(table[str(records.label)], records.label_range)
        yield _number(ERROR, table[ERROR].filter(inside), None)


def _inside(label: pa.ChunkedArray, label_range: tuple[float, float] | None) -> pa.ChunkedArray:
    low, high = label_range or (-np.inf, np.inf)
    return pc.and_(pc.greater_equal(label, low), pc.less_equal(label, high))


def _number(name: str, column: pa.ChunkedArray, limits: tuple[float, float] | None) -> NumberLayout:
    values = numbers(column)
    low, high = limits or (None, None)
    if limits is not None:
        values = values[(values >= limits[0]) & (values <= limits[1])]
    if not len(values):
        return NumberLayout(name, (0.0,), 1.0, low, high)
    if limits is None:
        least, most = np.quantile(values, _CLIP)
        if least < most:  # else it hardly ever varies: clipping would hide that it now does
            values = np.clip(values, least, most)
    edges = _edges(values)
    return NumberLayout(name, tuple(edges.tolist()), max(float(np.std(values)), _SMALLEST), low, high)


def _edges(values: Floats) -> Floats:
    """Edges of about BINS bins. values: ascending, at least one.

    A bin is narrow where there are many values, and nowhere wide: half of the edges are quantiles, half are evenly
    spaced. With quantiles alone the last bin would span several standard deviations.
    """
    distinct, rows = np.unique(values, return_counts=True)
    if 2 * len(distinct) <= BINS:
        return np.unique([distinct, np.nextafter(distinct, np.inf)])
    frequent = distinct[rows * BINS > len(values)]
    share = np.cumsum(rows) / len(values) + (distinct - distinct[0]) / (distinct[-1] - distinct[0])
    parts = np.linspace(share[0], share[-1], BINS + 1 - len(frequent))
    spread = np.interp(parts, share, distinct)
    return np.unique(np.concatenate([spread, frequent, np.nextafter(frequent, np.inf)]))


def _category(name: str, column: pa.ChunkedArray) -> CategoryLayout:
    rows = by_label(*categories(column))
    ranked = sorted(rows, key=lambda value: (-rows[value], value))
    return CategoryLayout(name, tuple(ranked[:TOP]), tuple(ranked[TOP:KNOWN]))
