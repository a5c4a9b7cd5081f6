"""What a replay is made from: a stream's events in order, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


@dataclass(frozen=True)
class Source:
    """Events to replay.

    name: says what it is, in a run's manifest.
    period: event time that it covers, ms since the epoch, end exclusive. Rows may lie outside: stray years.
    events: how many, None where that is known only at the end.
    tables: begins anew at each call: tables in event order, with the id, the time and every field of the events as
        columns. Id and time are never null.
    labelled: adds the fields of the labels, where the tables have none; a row whose label is null has no label.
    note: what the operator should be told about the choice, '' if nothing.
    """

    name: str
    period: tuple[int, int]
    events: int | None
    tables: Callable[[], Iterator[pa.Table]]
    labelled: Callable[[pa.Table], pa.Table] = _as_it_is
    note: str = ""
