"""Rows as a model takes them: the one conversion that training, scoring and recomputing share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
"""Rows by column, each of shape (rows,): required whole numbers int64, other numbers float64 with NaN for missing,
text as objects with None for missing."""


class ArrowColumns(Columns):
    """Rows in Arrow as `Columns`, each converted when it is asked for.

    Args:
        rows: A batch or table that holds the columns of the schema, in whatever numeric types.
        schema: Names, types and whether a value may be missing, as in `storage.chunk.layout`; None: that of `rows`.
    """

    def __init__(self, rows: pa.RecordBatch | pa.Table, schema: pa.Schema | None = None) -> None:
        self._rows = rows
        self._schema = rows.schema if schema is None else schema

    def __getitem__(self, name: str) -> NDArray[Any]:
        index = self._schema.get_field_index(name)
        if index < 0:
            raise KeyError(name)
        field, column = self._schema.field(index), self._rows[name]
        wanted = _numeric(field)
        if wanted is not None and column.type != wanted:
            column = column.cast(wanted)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._schema.names)

    def __len__(self) -> int:
        return len(self._schema)


def _numeric(field: pa.Field) -> pa.DataType | None:
    if pa.types.is_integer(field.type):
        return pa.float64() if field.nullable else pa.int64()
    return pa.float64() if pa.types.is_floating(field.type) else None
