"""The kinds of drift that can be injected: how each changes the records that are chosen for it. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from producer.drift import (
    ANGLE,
    SIZE,
    VALUE,
    Bools,
    Condition,
    Draw,
    Drift,
    Duration,
    Floats,
    Rows,
    Value,
    as_tuple,
    column_of,
    listed,
    wrong_values,
)
from schemas.definition import Field, Stream
from schemas.durations import duration_text


class _OfColumns(Drift, frozen=True, kw_only=True):
    """A drift of the values of columns; `column` names one, or several that change together."""

    column: str | tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if isinstance(self.column, str) else self.column


class _OfNumbers(_OfColumns, frozen=True, kw_only=True):
    """A drift of columns of decimals. part_of: columns they are part of, which change by the same amount."""

    part_of: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*super().columns, *self.part_of)

    def changed(self, values: Floats, draw: Draw) -> Floats:
        """Return the new values."""
        raise NotImplementedError

    def apply(self, rows: Rows, chosen: Bools, stream: Stream, draw: Draw) -> Rows:
        table = rows.table
        for name in super().columns:
            values = _numbers(table, name)
            # A moment grows by its distance from the event time: it takes longer until the label is known.
            since = _numbers(table, stream.events.time) if name == _known_at(stream) else 0.0
            new = np.where(chosen, since + self.changed(values - since, draw), values)
            table = _with_numbers(table, name, new)
            for whole in self.part_of:
                before = _numbers(table, whole)
                table = _with_numbers(table, whole, np.where(chosen, before + np.nan_to_num(new - values), before))
        return rows._replace(table=table)

    def check(self, stream: Stream) -> str | None:
        decimals = sorted(field.name for field in _fields(stream) if field.type == "float")
        known_at = _known_at(stream)
        for name in self.columns:
            if name not in decimals and (name != known_at or name in self.part_of):
                return f"{name!r} is no column of decimals; these are: {', '.join(decimals)}"
        return super().check(stream)


class Scale(_OfNumbers, frozen=True, kw_only=True, tag="scale"):
    """Values arrive multiplied: fares rise by a tenth, the same way takes longer."""

    factor: float

    @property
    def change(self) -> str:
        return f"× {self.factor:.9g}"

    def changed(self, values: Floats, draw: Draw) -> Floats:
        return values * self.factor

    def scaled(self, by: float) -> Drift:
        return replace(self, factor=float(np.copysign(abs(self.factor) ** by, self.factor)))

    def check(self, stream: Stream) -> str | None:
        if not 0 < abs(self.factor) < 1e6 or self.factor == 1:
            return f"a factor of {self.factor} changes nothing, or everything"
        return super().check(stream)


class UnitChange(Scale, frozen=True, kw_only=True, tag="unit_change"):
    """As `scale`; the reason is another unit: miles as kilometres, dollars as cents."""


class Shift(_OfNumbers, frozen=True, kw_only=True, tag="shift"):
    """A constant is added to the values."""

    amount: float

    @property
    def change(self) -> str:
        return f"{self.amount:+.9g}"

    def changed(self, values: Floats, draw: Draw) -> Floats:
        return values + self.amount

    def scaled(self, by: float) -> Drift:
        return replace(self, amount=self.amount * by)

    def check(self, stream: Stream) -> str | None:
        if not 0 < abs(self.amount) < 1e9:
            return f"an amount of {self.amount} changes nothing, or everything"
        return super().check(stream)


class Noise(_OfNumbers, frozen=True, kw_only=True, tag="noise"):
    """Values spread: each is multiplied by e to the power of a normal draw with this standard deviation."""

    spread: float

    @property
    def change(self) -> str:
        return f"spread by {self.spread:g}"

    def changed(self, values: Floats, draw: Draw) -> Floats:
        size = np.sqrt(-2.0 * np.log1p(-draw(SIZE)))
        normal = size * np.cos(2.0 * np.pi * draw(ANGLE))
        return np.asarray(values * np.exp(self.spread * normal), np.float64)

    def scaled(self, by: float) -> Drift:
        return replace(self, spread=min(self.spread * by, 3.0))

    def check(self, stream: Stream) -> str | None:
        return super().check(stream) if 0 < self.spread <= 3 else f"a spread of {self.spread} is not in (0, 3]"


class Missing(_OfColumns, frozen=True, kw_only=True, tag="missing"):
    """Values are missing. Where the label is missing, its record is not sent."""

    @property
    def change(self) -> str:
        return "missing"

    def apply(self, rows: Rows, chosen: Bools, stream: Stream, draw: Draw) -> Rows:
        table = rows.table
        for name in self.columns:
            table = _with_values(table, name, chosen, pa.scalar(None, column_of(table, name).type))
        return rows._replace(table=table)

    def check(self, stream: Stream) -> str | None:
        optional = sorted(f.name for f in stream.events.fields if not f.required or f.role == "carried")
        for name in self.columns:
            if name not in optional and name != stream.label:
                return f"{name!r} is no column that may be missing; these are: {', '.join(optional)}"
        return super().check(stream)


class _OfCategory(Drift, frozen=True, kw_only=True):
    """Another value, or one of several, takes the place of the value of a column of categories."""

    column: str
    becomes: Value | tuple[Value, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def change(self) -> str:
        return f"→ {listed(self.becomes)}"

    def apply(self, rows: Rows, chosen: Bools, stream: Stream, draw: Draw) -> Rows:
        column = column_of(rows.table, self.column)
        values = pa.array(as_tuple(self.becomes), column.type)
        places = draw(VALUE) * len(values) if len(values) > 1 else np.zeros(len(column))
        return rows._replace(
            table=_with_values(rows.table, self.column, chosen, values.take(pa.array(places.astype(np.int64))))
        )

    def check(self, stream: Stream) -> str | None:
        known = [field.name for field in stream.events.fields if field.role == "category"]
        if self.column not in known:
            return f"{self.column!r} is no column of categories; these are: {', '.join(sorted(known))}"
        if not as_tuple(self.becomes):
            return "`becomes` names no value"
        return wrong_values(stream, self.column, self.becomes) or super().check(stream)


class NewCategory(_OfCategory, frozen=True, kw_only=True, tag="new_category"):
    """A value appears that was not there before."""


class CategoryGone(_OfCategory, frozen=True, kw_only=True, tag="category_gone"):
    """A value, or several, appear no longer; their records have others."""

    value: Value | tuple[Value, ...]

    @property
    def change(self) -> str:
        return f"{listed(self.value)} {super().change}"

    @property
    def conditions(self) -> dict[str, Condition]:
        return {**self.where, self.column: self.value}

    def check(self, stream: Stream) -> str | None:
        if self.column in self.where:
            return f"`where` names {self.column!r}, too"
        return super().check(stream)


class Clock(Drift, frozen=True, kw_only=True, tag="clock"):
    """The clock is wrong: all times of a record are off by so much. It is sent when it would have been."""

    offset: Duration

    @property
    def change(self) -> str:
        return f"clock {'-' if self.offset < 0 else '+'}{duration_text(abs(self.offset))}"

    def apply(self, rows: Rows, chosen: Bools, stream: Stream, draw: Draw) -> Rows:
        table = rows.table
        for name in _times(stream):
            column = column_of(table, name)
            off = pa.array(np.where(chosen, int(self.offset), 0))
            table = _replaced(table, name, pc.add(column.cast(pa.int64()), off).cast(column.type))
        return rows._replace(table=table)

    def scaled(self, by: float) -> Drift:
        return replace(self, offset=Duration(round(self.offset * by)))

    def check(self, stream: Stream) -> str | None:
        return super().check(stream) if self.offset else "an offset of 0 changes nothing"


class Delayed(Drift, frozen=True, kw_only=True, tag="delayed"):
    """Records, and their labels, are sent later by so much, with their old times."""

    by: Duration

    @property
    def change(self) -> str:
        return f"sent {duration_text(self.by)} late"

    def apply(self, rows: Rows, chosen: Bools, stream: Stream, draw: Draw) -> Rows:
        return rows._replace(sent_at=rows.sent_at + np.where(chosen, int(self.by), 0))

    def scaled(self, by: float) -> Drift:
        return replace(self, by=Duration(max(round(self.by * by), 1)))

    def check(self, stream: Stream) -> str | None:
        return super().check(stream) if self.by > 0 else "the delay is not above 0"


class Duplicated(Drift, frozen=True, kw_only=True, tag="duplicated"):
    """Records, and their labels, are sent twice, as two records with the same id."""

    @property
    def change(self) -> str:
        return "sent twice"

    def apply(self, rows: Rows, chosen: Bools, stream: Stream, draw: Draw) -> Rows:
        return rows._replace(copies=np.where(chosen, 2 * rows.copies, rows.copies))


class Lost(Drift, frozen=True, kw_only=True, tag="lost"):
    """Records, and their labels, are never sent."""

    @property
    def change(self) -> str:
        return "lost"

    def apply(self, rows: Rows, chosen: Bools, stream: Stream, draw: Draw) -> Rows:
        return rows._replace(copies=np.where(chosen, 0, rows.copies))


_ALL = (UnitChange, Scale, Shift, Noise, Missing, NewCategory, CategoryGone, Clock, Delayed, Duplicated, Lost)
KINDS: dict[str, type[Drift]] = {str(kind.__struct_config__.tag): kind for kind in _ALL}
"""By name."""


def _fields(stream: Stream) -> list[Field]:
    return [field for records in stream.topics for field in records.fields]


def _known_at(stream: Stream) -> str | None:
    return stream.labels.known_at if stream.labels is not None else None


def _times(stream: Stream) -> list[str]:
    """All columns of moments: event times, and when the label becomes known."""
    names = [*(records.time for records in stream.topics), _known_at(stream)]
    return list(dict.fromkeys(name for name in names if name is not None))


def _numbers(table: pa.Table, name: str) -> Floats:
    """Return a column as decimals, NaN where a value is missing."""
    return np.asarray(column_of(table, name).to_numpy(), np.float64)


def _with_numbers(table: pa.Table, name: str, values: Floats) -> pa.Table:
    kind = table[name].type
    column = pa.array(values, pa.float64(), from_pandas=True)
    return _replaced(table, name, (pc.round(column) if pa.types.is_integer(kind) else column).cast(kind))


def _with_values(table: pa.Table, name: str, chosen: Bools, values: pa.Scalar | pa.Array) -> pa.Table:
    return _replaced(table, name, pc.if_else(pa.array(chosen), values, column_of(table, name)))


def _replaced(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
