"""What all kinds of drift have in common: when it is there, and which records it changes. Pure.

A drift sees whole columns, never single records. Which records it changes depends on each record as it came, on its
id and on the scenario's seed, so the result is the same however the records are cut into tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from schemas.definition import Stream
from schemas.errors import UsageError

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Draw = Callable[[int], Floats]
"""Given a number, returns a uniform draw in [0, 1) for each record, which depends on its id alone."""

CHOICE, VALUE, SIZE, ANGLE = range(4)
"""Numbers of the draws: whether a record is chosen, what takes the place of its value, and the two of the noise."""


class Moment(int):
    """Event time, ms since the epoch."""


class Duration(int):
    """In ms, and negative where that makes sense."""


class IsMissing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The condition that a value is missing: `{ missing = true }`."""

    missing: Literal[True]


_PYTHON: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}

Value = int | float | str
Condition = Value | tuple[Value, ...] | IsMissing
"""Of the values of a column: equal to this one, or to one of these, or missing."""


class Rows(NamedTuple):
    """Records on their way through a scenario.

    Attributes:
        table: Events with the fields of their labels.
        copies: How often each record is sent.
        sent_at: The event time at which each is sent, ms since the epoch. What the record itself says may differ.
    """

    table: pa.Table
    copies: Ints
    sent_at: Ints


class Drift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all kinds have in common: when, and which records.

    Attributes:
        starts_at, ends_at: Event time; the end is exclusive.
        where: Conditions on columns of the events, all of which must hold; without any, all records.
        share: Of the records, chosen by their ids.
        ramp: How long the share takes to grow from 0, evenly: a gradual drift. 0: it is sudden.
        every, lasts: Between start and end it recurs so often, each time for so long. 0: it is there all the time.
        at: When in `every` it begins: with an `every` of a day, the time of day. A week begins on a Thursday, as
            the Unix epoch does.
        label: What the boards call it; '' to describe it.
    """

    starts_at: Moment
    ends_at: Moment
    where: dict[str, Condition] = {}
    share: float = 1.0
    ramp: Duration = Duration(0)
    every: Duration = Duration(0)
    lasts: Duration = Duration(0)
    at: Duration = Duration(0)
    label: str = ""

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return str(self.__struct_config__.tag)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values it changes."""
        return ()

    @property
    def change(self) -> str:
        """What it does to a record, in a few words."""
        raise NotImplementedError

    @property
    def conditions(self) -> dict[str, Condition]:
        """What a record must fulfil as it came."""
        return self.where

    @property
    def times(self) -> int:
        """How often it is there, about: it may begin or end within the first and the last time."""
        return -(-(self.ends_at - self.starts_at) // self.every) + 1 if self.every else 1

    @property
    def intervals(self) -> tuple[tuple[int, int], ...]:
        """When it is there: event time, ends exclusive."""
        if not self.every:
            return ((self.starts_at, self.ends_at),)
        begins = range(self.starts_at - (self.starts_at - self.at) % self.every, self.ends_at, self.every)
        found = ((max(begin, self.starts_at), min(begin + self.lasts, self.ends_at)) for begin in begins)
        return tuple((start, end) for start, end in found if start < end)

    def chosen(self, table: pa.Table, times: Ints, draw: Draw) -> Bools:
        """Choose the records to change, shape (rows,).

        Args:
            table: The records as they came.
            times: Their event times.
            draw: Of their ids.
        """
        since = times - self.starts_at
        found: Bools = (since >= 0) & (times < self.ends_at)
        if self.every:
            found &= (times - self.at) % self.every < self.lasts
        for name, condition in self.conditions.items() if found.any() else ():
            found &= _fulfils(column_of(table, name), condition)
        if (self.share < 1 or self.ramp) and found.any():
            grown = np.clip(since / self.ramp, 0.0, 1.0) if self.ramp else 1.0
            found &= draw(CHOICE) < self.share * grown
        return found

    def apply(self, rows: Rows, chosen: Bools, stream: Stream, draw: Draw) -> Rows:
        """Change the chosen records."""
        raise NotImplementedError

    def scaled(self, by: float) -> Drift:
        """Return the same drift, so many times as strong; if it has no size, in so many times as many records."""
        return replace(self, share=min(1.0, self.share * by))

    def check(self, stream: Stream) -> str | None:
        """Return what is wrong with it on this stream whenever it happens, None if nothing."""
        if not 0 < self.share <= 1:
            return f"a share of {self.share:g} is not above 0 and at most 1"
        if self.ramp < 0:
            return "the ramp is negative"
        if bool(self.every) != bool(self.lasts) or not 0 <= self.lasts <= self.every:
            return "what recurs needs `every` and a `lasts` that is no longer than it"
        if self.at and not 0 < self.at < self.every:
            return "`at` is no time within `every`"
        return next(filter(None, (wrong_values(stream, *each) for each in self.conditions.items())), None)


def column_of(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column, decoded if it is dictionary-encoded.

    Raises:
        UsageError: The table has none of that name.
    """
    if name not in table.column_names:
        raise UsageError(f"the table has no column {name!r}", "give it every column that the scenario names")
    column = table[name]
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def describe_where(where: dict[str, Condition]) -> str:
    """Return the conditions in words; '' if there are none."""
    return ", ".join(
        f"{name} missing" if isinstance(condition, IsMissing) else f"{name} {listed(condition)}"
        for name, condition in where.items()
    )


def as_tuple(value: Value | tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the values, be it one or several."""
    return value if isinstance(value, tuple) else (value,)


def listed(value: Value | tuple[Value, ...]) -> str:
    """Return the values in words."""
    return " or ".join(map(str, as_tuple(value)))


def wrong_values(stream: Stream, name: str, condition: Condition) -> str | None:
    """Return what is wrong with values of a column of the events, None if nothing."""
    field = stream.events.field(name)
    if field is None:
        return f"there is no column {name!r}; these are: {', '.join(sorted(f.name for f in stream.events.fields))}"
    low, high = (-np.inf if field.low is None else field.low), (np.inf if field.high is None else field.high)
    for value in () if isinstance(condition, IsMissing) else as_tuple(condition):
        if not isinstance(value, _PYTHON[field.type]):
            return f"{value!r} is no value of {name!r}, which is of type {field.type}"
        if not low <= (len(value) if isinstance(value, str) else value) <= high:
            return f"{value!r} is no possible value of {name!r}, which lies in [{low:g}, {high:g}]"
    return None


def _fulfils(column: pa.ChunkedArray, condition: Condition) -> Bools:
    if isinstance(condition, IsMissing):
        found = pc.is_null(column, nan_is_null=True)
    else:
        found = pc.is_in(column, pa.array(as_tuple(condition), column.type))
    return np.asarray(found.to_numpy(), np.bool_)
