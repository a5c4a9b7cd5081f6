"""Events and labels in the order in which they happen. Pure.

An event happens at its event time; its label when it becomes known, at the later of the event time and the labels'
field `known_at`. Both are clamped into the period. Ties keep the order of the source, so the order is the same
however the events are cut into tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from producer import encode
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
    """Yield one step a chunk of events, and one for the labels still to come after the last event.

    Args:
        plan: The plan of the replay.
        tables: In event order, with the fields of events and labels. Memory: a chunk, and the labels to come.
    """
    pending, until, nothing = None, plan.start, None
    for table in tables:
        for first in range(0, table.num_rows, plan.chunk):
            events = _with_clock(plan, table.slice(first, plan.chunk))
            until, nothing = events[CLOCK][-1].as_py(), events.slice(0, 0)
            if plan.stream.labels is None:
                yield Step(until, (events,))
                continue
            due, pending = _split_due(_concatenate(pending, _labels(plan, plan.stream.labels, events)), until)
            yield Step(until, (events, due))
    if nothing is not None and pending is not None and pending.num_rows:
        until = max(until, pc.max(pending[CLOCK]).as_py())
        yield Step(until, (nothing, _split_due(pending, until)[0]))


def _with_clock(plan: ReplayPlan, rows: pa.Table) -> pa.Table:
    events = plan.stream.events
    clocks = plan.clocks(rows[events.time].to_numpy())
    parts = encode.partitions(rows[events.id], plan.partitions)
    return rows.append_column(CLOCK, pa.array(clocks)).append_column(PARTITION, pa.array(parts))


def _labels(plan: ReplayPlan, labels: Records, events: pa.Table) -> pa.Table:
    """Labels in the order of the source. An event without a label has none."""
    names = [labels.id, labels.time, *(field.name for field in labels.fields), PARTITION]
    known = events.select(names).filter(pc.is_valid(events[labels.label]))
    return known.append_column(CLOCK, pa.array(plan.clocks(_known_at(labels, known))))


def _known_at(labels: Records, rows: pa.Table) -> Ints:
    times: Ints = rows[labels.time].to_numpy()
    return times if labels.known_at is None else np.maximum(times, rows[labels.known_at].to_numpy())


def _concatenate(pending: pa.Table | None, new: pa.Table) -> pa.Table:
    return new if pending is None else pa.concat_tables([pending, new])


def _split_due(labels: pa.Table, until: int) -> tuple[pa.Table, pa.Table]:
    """Return the labels that happen up to this clock, in order, and the others, as they came."""
    now = pc.less_equal(labels[CLOCK], until)
    ready = labels.filter(now)
    order = np.argsort(ready[CLOCK].to_numpy(), kind="stable")
    return ready.take(pa.array(order)), labels.filter(pc.invert(now)).combine_chunks()
