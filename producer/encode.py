"""Encodes rows of a table as JSON records, a batch at a time. Pure.

No Python per record: msgspec builds and encodes a struct of each row, driven by `map` over whole columns
(1.3 µs per record of 20 fields, where a dict and orjson take 2.7). A missing value is left out, not written as
null, which saves bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import repeat
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import pyarrow as pa

from schemas.definition import Records
from schemas.records import written_fields

_encode = msgspec.json.Encoder().encode


@cache
def _struct(stream: Records) -> Any:
    """A struct with the record's fields in the order in which they are written; `kind`, the tag, comes first."""
    layout = [(name, Any, None) for name in written_fields(stream)]
    return msgspec.defstruct(
        f"{stream.kind.capitalize()}Out", layout, tag_field="kind", tag=stream.kind, gc=False, omit_defaults=True
    )


def records(stream: Records, rows: pa.Table, run_id: str, seqs: Iterable[int]) -> list[bytes]:
    """Encode each row as a JSON object, in order.

    Args:
        stream: The definition of the records.
        rows: Their id, time and fields as columns; other columns are ignored.
        run_id: The run that they belong to.
        seqs: The number of each record, as many as rows.
    """
    _run_id, _seq, *names = written_fields(stream)
    columns = (values(rows[name]) for name in names)
    return list(map(_encode, map(_struct(stream), repeat(run_id), seqs, *columns)))


def keys(ids: pa.ChunkedArray) -> list[bytes]:
    """Return the Kafka key of each record id, UTF-8."""
    return list(map(str.encode, values(ids)))


def partitions(ids: pa.ChunkedArray, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the partition of each id, shape (ids,): CRC 32 of the key modulo `count`, as librdkafka does it."""
    return hashes(ids) % count


def hashes(ids: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the CRC 32 of each id's key, shape (ids,)."""
    return np.fromiter(map(crc32, keys(ids)), np.int64, len(ids))


def values(column: pa.ChunkedArray) -> list[Any]:
    """Convert a column to Python values, None where null. NumPy does it several times faster than `to_pylist`."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_string(whole.type) or not whole.null_count:
        found: list[Any] = whole.to_numpy(zero_copy_only=False).tolist()
        return found
    boxed = whole.fill_null(0).to_numpy(zero_copy_only=False).astype(object)
    boxed[whole.is_null().to_numpy(zero_copy_only=False)] = None
    filled: list[Any] = boxed.tolist()
    return filled
