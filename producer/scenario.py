"""A drift scenario: which columns change, how, and between which event times. Pure.

description = "…"
[[drift]]
kind = "unit_change"       # the values of a column times a factor
column = "trip_distance"   # a column of decimals
factor = 1.609344
starts_at = "50%"          # of the replayed period, or a moment such as 2022-02-15T06:00
ends_at = "75%"            # exclusive
label = "…"                # optional: how it is called on the boards
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa

from schemas.definition import Records
from schemas.durations import moment_ms
from schemas.errors import SourceUnusable, UsageError
from schemas.records import Injected
from schemas.text import printable

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")

Moment = int
"""Event time, ms since the epoch."""


class UnitChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The values of a column arrive multiplied: miles as kilometres, dollars as cents."""

    kind: Literal["unit_change"]
    column: str
    factor: float
    starts_at: Moment
    ends_at: Moment
    label: str = ""

    def apply(self, table: pa.Table, time: str) -> pa.Table:
        """Multiply the column in the rows whose event time is in [starts_at, ends_at).

        Args:
            table: Events.
            time: Name of their column of event times, ms since the epoch.
        """
        times = table[time].to_numpy()
        inside = (times >= self.starts_at) & (times < self.ends_at)
        if not inside.any():
            return table
        values = table[self.column].to_numpy(zero_copy_only=False)
        column = pa.array(np.where(inside, values * self.factor, values), pa.float64(), from_pandas=True)
        return table.set_column(table.column_names.index(self.column), self.column, column)

    def check(self, events: Records) -> str | None:
        """Return what is wrong with it, None if nothing."""
        decimals = sorted(field.name for field in events.fields if field.type == "float")
        if self.column not in decimals:
            return f"{self.column!r} is no column of decimals; these are: {', '.join(decimals)}"
        if not 0 < abs(self.factor) < 1e6 or self.factor == 1:
            return f"a factor of {self.factor} changes nothing, or everything"
        return None


Drift = UnitChange
_KINDS: dict[str, type[Drift]] = {"unit_change": UnitChange}


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Drifts that are injected into a replay."""

    name: str
    description: str = ""
    drifts: tuple[Drift, ...] = ()


def parse(name: str, text: str, period: tuple[int, int], events: Records) -> Scenario:
    """Parse a scenario, and reject anything unknown: a mistyped key must not go unnoticed.

    Args:
        name: Of the scenario.
        text: TOML.
        period: The replayed period, in which its moments are resolved; ms since the epoch, end exclusive.
        events: The definition of the events.

    Raises:
        SourceUnusable: It is not a scenario of these events.
    """
    try:
        raw = tomllib.loads(text)
        unknown = sorted(raw.keys() - {"description", "drift"})
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r}")
        drifts = tuple(_drift(number, entry, period, events) for number, entry in enumerate(_entries(raw), 1))
        return Scenario(name=name, description=str(raw.get("description", "")), drifts=drifts)
    except ValueError as error:  # tomllib's and msgspec's errors are ValueErrors too
        raise SourceUnusable(
            f"scenario {name}: {error}", "correct it; see the examples in producer/scenarios/"
        ) from error


def apply(table: pa.Table, scenario: Scenario, time: str) -> pa.Table:
    """Apply the drift to a table of events. time: its column of event times. Each row is changed independently."""
    for drift in scenario.drifts:
        table = drift.apply(table, time)
    return table


def injected(scenario: Scenario) -> tuple[Injected, ...]:
    """List the injected drifts, for the run's manifest."""
    return tuple(
        Injected(
            starts_at=drift.starts_at,
            ends_at=drift.ends_at,
            label=printable(drift.label) or f"{drift.column} × {drift.factor:g}",
            columns=(drift.column,),
        )
        for drift in scenario.drifts
    )


def _entries(raw: dict[str, Any]) -> Sequence[dict[str, Any]]:
    entries = raw.get("drift")
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        raise ValueError("holds no [[drift]]")
    return entries


def _drift(number: int, entry: dict[str, Any], period: tuple[int, int], events: Records) -> Drift:
    kind = _KINDS.get(str(entry.get("kind")))
    if kind is None:
        raise ValueError(f"drift {number}: unknown kind {entry.get('kind')!r}; known: {', '.join(_KINDS)}")
    try:
        moments = {key: _moment(entry[key], period) for key in ("starts_at", "ends_at") if key in entry}
        drift = msgspec.convert(entry | moments, kind)
    except (msgspec.ValidationError, UsageError) as error:
        raise ValueError(f"drift {number}: {error}") from error
    wrong = drift.check(events) or _outside(drift, period)
    if wrong is not None:
        raise ValueError(f"drift {number}: {wrong}")
    return drift


def _moment(value: Any, period: tuple[int, int]) -> Any:
    """Return a moment as ms since the epoch. Raises UsageError for other text; other types are checked later."""
    if isinstance(value, datetime | date):
        return moment_ms(value.isoformat())
    if not isinstance(value, str):
        return value
    if match := _PERCENT.fullmatch(value.strip()):
        start, end = period
        return start + round((end - start) * float(match[1]) / 100)
    return moment_ms(value)


def _outside(drift: Drift, period: tuple[int, int]) -> str | None:
    if drift.starts_at >= drift.ends_at:
        return "ends before it starts"
    if drift.ends_at <= period[0] or drift.starts_at >= period[1]:
        return "lies outside the replayed period"
    return None
