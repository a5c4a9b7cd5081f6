"""Events and labels in the order in which they happen. Pure.

An event happens at its event time; its label when it becomes known, at the later of the event time and the labels'
field `known_at`. Both are clamped into the period. Ties keep the order of the source, so the order is the same
however the events are cut into tables. Where a scenario delays records or moves their clock, columns of the table
say when they happened and when they are sent (`producer.bend`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from producer import encode
from producer.bend import HAPPENED, SENT
from producer.plan import Ints, ReplayPlan
from schemas.definition import INTERNAL, Records

CLOCK, PARTITION = INTERNAL + "clock", INTERNAL + "partition"
"""Columns added to the rows: when they happen, and the partition of their id."""


@dataclass(frozen=True)
class Step:
    """All that happens up to a clock and has not been in a step before.

    rows: of each topic of the stream its id, time and fields, CLOCK and PARTITION, ordered by CLOCK.
    Nothing with a clock < `until` follows, and what follows with that very clock comes later in the source.
    """

    until: int
    rows: tuple[pa.Table, ...]


def steps(plan: ReplayPlan, tables: Iterable[pa.Table]) -> Iterator[Step]:
    """Yield one step a chunk of events, and one for what is still to come after the last event.

    Args:
        plan: The plan of the replay.
        tables: In event order, with the fields of events and labels. Memory: a chunk, and what is to come.
    """
    held: tuple[pa.Table, ...] = ()
    until = plan.start
    for table in tables:
        for first in range(0, table.num_rows, plan.chunk):
            new = _with_clocks(plan, table.slice(first, plan.chunk))
            until = int(plan.clocks(_happened(plan, new[0])[-1]))
            parts = [_split_due(rows, until) for rows in (map(_concatenate, held, new) if held else new)]
            held = tuple(later for _, later in parts)
            yield Step(until, tuple(due for due, _ in parts))
    if last := [int(pc.max(rows[CLOCK]).as_py()) for rows in held if rows.num_rows]:
        until = max(until, *last)
        yield Step(until, tuple(_split_due(rows, until)[0] for rows in held))


def _with_clocks(plan: ReplayPlan, rows: pa.Table) -> tuple[pa.Table, ...]:
    """Return the events and their labels, each with CLOCK and PARTITION, in the order of the source."""
    records = plan.stream.events
    parts = encode.partitions(rows[records.id], plan.partitions)
    events = rows.append_column(CLOCK, pa.array(plan.clocks(rows[_sent(plan, rows)].to_numpy())))
    events = events.append_column(PARTITION, pa.array(parts))
    labels = plan.stream.labels
    return (events,) if labels is None else (events, _labels(plan, labels, events))


def _sent(plan: ReplayPlan, rows: pa.Table) -> str:
    """Return the column of the event times at which records are sent."""
    return SENT if SENT in rows.column_names else plan.stream.events.time


def _happened(plan: ReplayPlan, rows: pa.Table) -> Ints:
    """Return the event times by which the table is ordered."""
    times: Ints = rows[HAPPENED if HAPPENED in rows.column_names else plan.stream.events.time].to_numpy()
    return times


def _labels(plan: ReplayPlan, labels: Records, events: pa.Table) -> pa.Table:
    """Labels in the order of the source. An event without a label has none."""
    sent, said = _sent(plan, events), plan.stream.events.time
    names = [labels.id, labels.time, *(field.name for field in labels.fields), PARTITION]
    known = events.select(dict.fromkeys([*names, sent, said])).filter(pc.is_valid(events[labels.label]))
    late = known[sent].to_numpy() - known[said].to_numpy()
    return known.append_column(CLOCK, pa.array(plan.clocks(_known_at(labels, known) + late)))


def _known_at(labels: Records, rows: pa.Table) -> Ints:
    times: Ints = rows[labels.time].to_numpy()
    return times if labels.known_at is None else np.maximum(times, rows[labels.known_at].to_numpy())


def _concatenate(held: pa.Table, new: pa.Table) -> pa.Table:
    return pa.concat_tables([held, new]) if held.num_rows else new


def _split_due(rows: pa.Table, until: int) -> tuple[pa.Table, pa.Table]:
    """Return the records that happen up to this clock, in order, and the others, as they came."""
    clocks = rows[CLOCK].to_numpy()
    if not len(clocks) or (clocks[-1] <= until and (clocks[1:] >= clocks[:-1]).all()):
        return rows, rows.slice(0, 0)
    now = pc.less_equal(rows[CLOCK], until)
    ready = rows.filter(now)
    order = np.argsort(ready[CLOCK].to_numpy(), kind="stable")
    return ready.take(pa.array(order)), rows.filter(pc.invert(now)).combine_chunks()
