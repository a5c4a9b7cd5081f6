"""Trips and outcomes in the order in which they happen. Pure.

A trip happens at its pickup; its outcome is known when it ends, at max(pickup, drop-off). Both are clamped into the
period. Ties keep the order of the source, so the order is the same however the trips are cut into tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from producer import encode
from producer.plan import Plan
from producer.sources.canonical import DROPOFF
from schemas.streams.taxi import OUTCOMES, TRIPS

CLOCK, PARTITION = "clock", "partition"
"""Columns added to the rows: when they happen, and the partition of their id."""


@dataclass(frozen=True)
class Step:
    """All that happens up to a clock and has not been in a step before.

    trips, outcomes: their stream's id, time and fields, CLOCK and PARTITION, ordered by CLOCK.
    Nothing with a clock < `until` follows, and what follows with that very clock comes later in the source.
    """

    until: int
    trips: pa.Table
    outcomes: pa.Table


def steps(plan: Plan, tables: Iterable[pa.Table]) -> Iterator[Step]:
    """One step a chunk of trips, and one for the outcomes still to come after the last trip.

    tables: canonical, in event order. Memory: a chunk, and the outcomes of trips that are on their way.
    """
    pending, until, nothing = None, plan.start, None
    for table in tables:
        for first in range(0, table.num_rows, plan.chunk):
            trips = _timed(plan, table.slice(first, plan.chunk))
            until, nothing = trips[CLOCK][-1].as_py(), trips.slice(0, 0)
            due, pending = _due(_together(pending, _outcomes(plan, trips)), until)
            yield Step(until, trips, due)
    if nothing is not None and pending is not None and pending.num_rows:
        until = max(until, pc.max(pending[CLOCK]).as_py())
        yield Step(until, nothing, _due(pending, until)[0])


def _timed(plan: Plan, trips: pa.Table) -> pa.Table:
    clocks = plan.clocks(trips[TRIPS.time].to_numpy())
    parts = encode.partitions(trips[TRIPS.id], plan.partitions)
    return trips.append_column(CLOCK, pa.array(clocks)).append_column(PARTITION, pa.array(parts))


def _outcomes(plan: Plan, trips: pa.Table) -> pa.Table:
    """Outcomes in the order of the source. A trip without drop-off time never ended and has none."""
    ended = trips.select([OUTCOMES.id, OUTCOMES.time, DROPOFF, PARTITION]).filter(pc.is_valid(trips[DROPOFF]))
    pickups, dropoffs = ended[OUTCOMES.time].to_numpy(), ended[DROPOFF].to_numpy()
    clocks = plan.clocks(np.maximum(pickups, dropoffs))
    minutes = pa.array((dropoffs - pickups) / 60_000)
    return ended.append_column("duration_min", minutes).append_column(CLOCK, pa.array(clocks))


def _together(pending: pa.Table | None, new: pa.Table) -> pa.Table:
    return new if pending is None else pa.concat_tables([pending, new])


def _due(outcomes: pa.Table, until: int) -> tuple[pa.Table, pa.Table]:
    """(those that happen up to this clock, in order; the others, as they came)."""
    now = pc.less_equal(outcomes[CLOCK], until)
    ready = outcomes.filter(now)
    order = np.argsort(ready[CLOCK].to_numpy(), kind="stable")
    return ready.take(pa.array(order)), outcomes.filter(pc.invert(now)).combine_chunks()
