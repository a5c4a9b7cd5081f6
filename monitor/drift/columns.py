"""A column of a window or of the reference, read out of Arrow. Pure.

Whatever their type in Arrow, numbers become finite float64 in ascending order and categories become labels, so that
both sides of a comparison have the same form. A column that cannot be read raises; the others are not affected.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from schemas.definition import Records, Stream
from storage.chunk import PREDICTION

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Column(NamedTuple):
    """A monitored column. label_range: values outside are left out, instead of clipped (labels only)."""

    name: str
    numeric: bool
    label_range: tuple[float, float] | None = None


def monitored(records: Records) -> tuple[Column, ...]:
    """List the monitored columns of a topic: numbers, categories and, of events, the prediction."""
    numbers = [Column(n, True, records.label_range if n == records.label else None) for n in records.numbers]
    categories = [Column(n, False) for n in records.categories]
    prediction = [Column(PREDICTION, True)] if records.label is None else []
    return (*numbers, *categories, *prediction)


def monitored_columns(stream: Stream) -> tuple[Column, ...]:
    """List all monitored columns of a stream, those of its events first."""
    return tuple(column for records in stream.topics for column in monitored(records))


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """A window's column beside its reference.

    count: usable values: not missing, finite, and of a label inside its range.
    figures: by metric name; None where there is no value to compute them from.
    numbers: the usable values, clipped, ascending (of a category: empty).
    known: rows per category of the reference; new: rows per label that the reference does not have.
    """

    count: int
    figures: dict[str, float | None]
    numbers: Floats = field(default_factory=lambda: np.empty(0))
    known: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    new: dict[str, int] = field(default_factory=dict)


class ReferenceColumn(Protocol):
    """A column of the reference, with all that does not depend on the window done.

    method: the test of Evidently's that `distance` computes. count: usable values.
    """

    @property
    def method(self) -> str: ...
    @property
    def count(self) -> int: ...
    def summarize(self, column: pa.ChunkedArray, /) -> ColumnSummary:
        """Figures of the window's column. Raises TypeError where it cannot be read."""

    def distance(self, summary: ColumnSummary, /) -> float:
        """From the reference to at least one usable value: 0 when identical."""

    def sides(self, summary: ColumnSummary, /) -> tuple[pd.Series[Any], pd.Series[Any]]:
        """(reference, window) as Evidently's statistical tests take them."""


def numbers(column: pa.ChunkedArray) -> Floats:
    """Read the finite values of a column, ascending, shape (values,).

    Raises:
        TypeError: The column does not hold numbers.
    """
    array = combined(column)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_null(array.type)):
        raise TypeError(f"{array.type} where numbers belong")
    values: Floats = array.to_numpy(zero_copy_only=False).astype(np.float64)
    values.sort()  # null became NaN, which comes last
    values = values[: len(values) - array.null_count]
    if len(values) and not (np.isfinite(values[0]) and np.isfinite(values[-1])):
        values = values[np.isfinite(values)]
    return values


def categories(column: pa.ChunkedArray) -> tuple[NDArray[np.generic] | list[object], Ints]:
    """Count the distinct values that are not missing.

    Returns:
        The values, numbers as an array, else a list; and the rows of each, shape (values,).
    """
    array = combined(column)
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        rows, missing = without_nulls(array), nulls(array)
        values, counts = np.unique(rows if missing is None else rows[~missing], return_counts=True)
        usable = np.isfinite(values) if values.dtype.kind == "f" else slice(None)
        return values[usable], counts[usable]
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    found = array.value_counts()
    texts, counts = found.field(0).to_pylist(), found.field(1).to_numpy()
    if None not in texts:
        return texts, counts
    return [text for text in texts if text is not None], np.delete(counts, texts.index(None))


def nulls(array: pa.Array) -> NDArray[np.bool_] | None:
    """Return which rows are null, shape (rows,); None if there is none. Faster than Arrow's."""
    if not array.null_count:
        return None
    validity = array.buffers()[0]
    if validity is None:  # of type null
        return np.ones(len(array), bool)
    bits = np.unpackbits(np.frombuffer(validity, np.uint8), count=array.offset + len(array), bitorder="little")
    missing: NDArray[np.bool_] = bits[array.offset :] == 0
    return missing


def without_nulls(array: pa.Array) -> NDArray[Any]:
    """Return the rows of an array of numbers as they are stored, shape (rows,): anything where there is a null."""
    buffers = [None, *array.buffers()[1:]]
    stored: NDArray[Any] = pa.Array.from_buffers(array.type, len(array), buffers, 0, array.offset).to_numpy()
    return stored


def label(value: object) -> str:
    """Spell a value in one way on both sides: 74, 74.0 and "74" are all `74`."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def by_label(values: NDArray[np.generic] | list[object], counts: Ints) -> dict[str, int]:
    """Add up the rows of each label."""
    rows: dict[str, int] = {}
    plain: Iterable[object] = values.tolist() if isinstance(values, np.ndarray) else values
    for value, count in zip(plain, counts.tolist(), strict=True):
        name = label(value)
        rows[name] = rows.get(name, 0) + count
    return rows


def combined(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
