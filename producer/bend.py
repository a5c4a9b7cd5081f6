"""Applies a scenario to records: those that the producer sends, and tables that never see Kafka. Pure.

Both go through `bend`, so an experiment on whole months sees what a stream would.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa

from producer import encode
from producer.drift import Draw, Floats, Ints, Rows, column_of
from producer.scenario import Scenario
from schemas.definition import INTERNAL
from schemas.errors import UsageError

HAPPENED, SENT = INTERNAL + "happened", INTERNAL + "sent"
"""Columns added where a scenario delays records or moves their clock: the true event time of a record, and the
event time at which it is sent; ms since the epoch."""

T = TypeVar("T")


def bend(table: T, scenario: Scenario, *, onset: int | None = None, lasts: int | None = None) -> T:
    """Apply a scenario to records.

    Each record is changed, repeated or left out for itself, whatever else is in the table: bending the parts of a
    table gives the parts of the bent table.

    Args:
        table: Events with the fields of their labels, as columns by name: a pyarrow Table or RecordBatch, or a
            pandas DataFrame. Times are in ms since the epoch. It may lack columns that the scenario does not name.
            The index of a DataFrame is not kept.
        scenario: As `producer.scenario.parse` returns it.
        onset: Event time at which the scenario begins, in place of its own start; ms since the epoch.
        lasts: Length of each of its drifts, in place of their own; ms. Without an onset it has no effect.

    Returns:
        The same type and order of records, with columns HAPPENED and SENT where `scenario.reorders`.

    Raises:
        UsageError: The table lacks a column that the scenario names, or its times are no integers.
    """
    if onset is not None:
        scenario = scenario.moved(onset, lasts)
    bent: Any
    if isinstance(table, pa.Table):
        bent = _bend(table, scenario)
    elif isinstance(table, pa.RecordBatch):
        bent = pa.RecordBatch.from_struct_array(_bend(pa.table(table), scenario).to_struct_array().combine_chunks())
    else:
        bent = _bend(pa.Table.from_pandas(table, preserve_index=False), scenario).to_pandas()
    return cast(T, bent)


def _bend(table: pa.Table, scenario: Scenario) -> pa.Table:
    events = scenario.stream.events
    times = _times(table, events.time)
    rows = Rows(table, np.ones(len(times), np.int64), times)
    draws = cache(lambda: encode.hashes(column_of(table, events.id)).astype(np.uint64))
    for number, drift in enumerate(scenario.drifts):
        draw = _draw(draws, scenario.seed, number)
        chosen = drift.chosen(table, times, draw)
        if chosen.any():
            rows = drift.apply(rows, chosen, scenario.stream, draw)
    bent, sent_at = rows.table, rows.sent_at
    if scenario.reorders:
        bent = bent.append_column(HAPPENED, pa.array(times)).append_column(SENT, pa.array(sent_at))
    if (rows.copies != 1).any():
        bent = bent.take(pa.array(np.repeat(np.arange(len(times)), rows.copies)))
    return bent


def _times(table: pa.Table, name: str) -> Ints:
    column = column_of(table, name)
    if not pa.types.is_integer(column.type) or column.null_count:
        raise UsageError(f"{name!r} holds no event times", "give whole milliseconds since the epoch, none missing")
    return np.asarray(column.to_numpy(), np.int64)


def _draw(hashes: Any, seed: int, number: int) -> Draw:
    """Return the draws of one drift: uniform, and independent of those of others."""

    def draw(which: int) -> Floats:
        salt = np.array([(seed << 20) + (number << 4) + which], np.uint64)
        mixed = _mix(_mix(salt) ^ hashes())
        return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53, np.float64)

    return draw


def _mix(values: np.ndarray[Any, np.dtype[np.uint64]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The finalizer of SplitMix64 (Steele et al. 2014): every bit of the input moves every bit of the output."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
