"""Entries of the log → the rows of a window: the consumer's rules for one run and one stretch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa

from models.artifact import Model
from models.columns import ArrowColumns
from schemas.definition import Records
from schemas.records import LIVE, Heartbeat, decoder, lenient_decoder
from storage.chunk import OFFSET, layout, unscored
from storage.panes import LoadedRows, RowCollector
from storage.windows import WindowKey

BATCH = 5_000
"""Rows that are made columns, and scored, at a time."""

Entry = tuple[int, int, bytes | None]
"""Partition, offset, value."""


def window_rows(
    window: WindowKey,
    entries: Iterable[Entry],
    dead: set[tuple[int, int]],
    model: Model,
    default_run: str = LIVE,
) -> LoadedRows:
    """Pick the rows of a window from entries of the log, and score them.

    Args:
        window: The window.
        entries: Of one partition in offset order.
        dead: (partition, offset) of the dead letters among them, which are no rows.
        model: Scores them, unless they carry their predictions.
        default_run: The run of records that name none.
    """
    gathered = RowCollector(window.records)
    pending: dict[int, tuple[list[int], list[Any]]] = {}
    for partition, offset, row in _accepted(window, entries, dead, default_run):
        offsets, rows = pending.setdefault(partition, ([], []))
        offsets.append(offset)
        rows.append(row)
        if len(rows) == BATCH:
            gathered.add(partition, _scored(window.records, *pending.pop(partition), model))
    for partition, part in pending.items():
        gathered.add(partition, _scored(window.records, *part, model))
    return gathered.loaded()


def _accepted(
    window: WindowKey, entries: Iterable[Entry], dead: set[tuple[int, int]], default_run: str
) -> Iterator[tuple[int, int, Any]]:
    """What joined the window: of its run, new by `seq`, no dead letter, of its time.

    A range begins with a row of the window, so that duplicates are known by what came within the range.
    """
    last_seq: dict[int, int] = {}
    for partition, offset, value in entries:
        record = _decoded(window.records, value)
        if record is None or (record.run_id or default_run) != window.run_id:
            continue
        last = last_seq.get(partition, -1)
        numbered = record.run_id is not None and record.seq is not None
        if numbered:
            last_seq[partition] = max(last, record.seq)
        if isinstance(record, Heartbeat) or (numbered and record.seq <= last) or (partition, offset) in dead:
            continue
        if window.start <= getattr(record, window.records.time) < window.end:
            yield partition, offset, record


def _decoded(stream: Records, value: bytes | None) -> Any:
    """A record or heartbeat; None for what is neither, which is a dead letter."""
    try:
        return decoder(stream).decode(value or b"")
    except Exception:  # whatever a hostile record can raise
        with suppress(Exception):
            return lenient_decoder(stream)(value or b"")
    return None


def _scored(records: Records, offsets: list[int], rows: list[Any], model: Model) -> pa.RecordBatch:
    """Decoded rows in the layout of a chunk, with their predictions."""
    columns = [
        pa.array(offsets if field.name == OFFSET else [getattr(row, field.name) for row in rows], field.type)
        for field in unscored(records)
    ]
    if records.prediction is not None:
        columns[-1] = columns[-1].cast(pa.float64())
    elif records.needs_model:
        batch = pa.RecordBatch.from_arrays(columns, schema=unscored(records))
        columns.append(pa.array(model.predict(ArrowColumns(batch)), pa.float64()))
    return pa.RecordBatch.from_arrays(columns, schema=layout(records))
