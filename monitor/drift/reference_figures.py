"""What a window's figures are in the reference itself, to be read beside them. Pure, and without Evidently."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from monitor.drift.category import CategoryReference
from monitor.drift.columns import Column, ReferenceColumn, monitored_columns
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from schemas.definition import Stream


def reference_figures(table: pa.Table, stream: Stream) -> Mapping[tuple[str, str], float]:
    """Compute missing share, share out of range, quantiles … of the reference, as for a window.

    Args:
        table: The reference of a model.
        stream: What it is of.

    Returns:
        Figures by column and metric, without what cannot be computed, and without drift, which would be 0.
    """
    config, found = Config(), dict[tuple[str, str], float]()
    for column in monitored_columns(stream):
        if column.name in table.column_names:
            figures = _reference_column(column, table[column.name], config).summarize(table[column.name]).figures
            found |= {(column.name, name): value for name, value in figures.items() if value is not None}
    return found


def _reference_column(column: Column, values: pa.ChunkedArray, config: Config) -> ReferenceColumn:
    if column.numeric:
        return NumberReference.from_column(values, config.clip, column.label_range)
    return CategoryReference.from_column(values)
