"""The rows of a window from entries of the log, by the consumer's rules for one run. Pure."""

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
"""Rows that are converted to columns and scored at a time."""

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
        dead: (partition, offset) of the dead letters among them.
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
    """Yield the records that joined the window: of its run and time, no duplicates, no dead letters.

    A range begins with a row of the window, so the records in the range are enough to recognize duplicates.
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
    """Decode a record or heartbeat; None for a value that is neither, which is a dead letter."""
    try:
        return decoder(stream).decode(value or b"")
    except Exception:  # whatever a hostile record can raise
        with suppress(Exception):
            return lenient_decoder(stream)(value or b"")
    return None


def _scored(records: Records, offsets: list[int], rows: list[Any], model: Model) -> pa.RecordBatch:
    """Convert decoded rows to the layout of a chunk, with their predictions."""
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
