"""The source of a replay: the events of a stream in order, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


@dataclass(frozen=True)
class Source:
    """Events to replay.

    Attributes:
        name: Names the source in the manifest of a run.
        period: Event time that it covers, ms since the epoch, end exclusive. Rows with stray years may lie outside.
        events: How many; None if that is known only at the end.
        tables: Each call begins anew and returns tables in event order, with the id, the time and every field of
            the events as columns. Id and time are never null.
        labelled: Adds the fields of the labels if the tables have none; a row with a null label has no label.
        note: What the operator should know about the choice; '' if nothing.
    """

    name: str
    period: tuple[int, int]
    events: int | None
    tables: Callable[[], Iterator[pa.Table]]
    labelled: Callable[[pa.Table], pa.Table] = _as_it_is
    note: str = ""
