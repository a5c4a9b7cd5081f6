"""What a window's figures are in the reference itself, to be read beside them. Pure, and without Evidently."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from monitor.drift.category import CategoryReference
from monitor.drift.columns import Column, Prepared, monitored
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from schemas.streams.taxi import OUTCOMES, TRIPS


def reference_figures(table: pa.Table) -> Mapping[tuple[str, str], float]:
    """Missing share, share out of range, quantiles … of the reference, by column and metric, as for a window.

    table: of a model. What cannot be computed is left out, and so is drift, which would be 0.
    """
    config, found = Config(), dict[tuple[str, str], float]()
    for column in (*monitored(TRIPS), *monitored(OUTCOMES)):
        if column.name in table.column_names:
            figures = _prepared(column, table[column.name], config).look(table[column.name]).figures
            found |= {(column.name, name): value for name, value in figures.items() if value is not None}
    return found


def _prepared(column: Column, values: pa.ChunkedArray, config: Config) -> Prepared:
    if column.numeric:
        return NumberReference.prepare(values, config.clip, column.label_range)
    return CategoryReference.prepare(values)
