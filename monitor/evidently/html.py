"""The full Evidently Report of one window, as HTML: ten seconds and 5 MB, so only on demand."""

from __future__ import annotations

import warnings
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from monitor.drift.category import CategoryReference
from monitor.drift.columns import ReferenceColumn, label, monitored, monitored_columns
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.drift.sampling import sample
from monitor.evidently.metrics import data_definition  # first: it keeps the warnings of Evidently's import inside
from monitor.evidently.page import Heading, page
from monitor.evidently.reference import Reference, Span
from schemas.errors import UsageError
from storage.chunk import PREDICTION

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from evidently import Dataset, Regression, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset, RegressionPreset

FEWEST = 2
"""Values that a column needs on both sides; with fewer, Evidently's presets raise."""


class DriftTable(DataDriftPreset):  # type: ignore[misc]
    """The drift of each column, without Evidently's verdict on the window as a whole.

    That verdict, in the largest letters of the page, is whether half of the columns have drifted, while a window is
    red as soon as one has. The heading says both.
    """

    def render(self, context: Any, child_widgets: Any = None) -> list[Any]:
        return [widget for widget in super().render(context, child_widgets) if widget.type == "big_table"]


def write_html(
    window: pa.Table,
    reference: Reference,
    path: Path,
    config: Config,
    heading: Heading,
    *,
    labels: pa.Table | None = None,
    span: Span | None = None,
) -> tuple[str, ...]:
    """Write drift, summary and, where labels are known, regression.

    Drift is tested for the columns that the monitor tests, by its methods and thresholds; the label has a table of
    its own, since it is not a column of the events. Numbers are clipped, and labels outside their range left out,
    as for the drift scores, so that the report and the tables agree. Without that, a single absurd value would also
    squeeze every histogram into one bar.

    Args:
        window: Events in the layout of chunks.
        reference: What they are compared with.
        path: Of the file.
        config: As for `event_figures`.
        heading: Shown above the report.
        labels: Of the same window, in the layout of chunks; None if none are known.
        span: As for `event_figures`.

    Returns:
        The columns that had to be left out, since Evidently's presets cannot take them.

    Raises:
        UsageError: No column has enough values.
    """
    events = reference.stream.events
    rows = sample(window, events.id, config.max_rows)
    wanted = [column.name for column in monitored(events)]
    if labels is not None:
        rows = labelled(rows, labels, reference)
        wanted += [column.name for column in monitored(reference.labels)]
    current, base = frame(rows, reference), frame(reference.table, reference)
    usable = [name for name in wanted if _values(current, name) >= FEWEST <= _values(base, name)]
    if not usable:
        raise UsageError("the window has too few values for a report", "choose another window")
    found = _report(current[usable], base[usable], reference, config, span).get_html_str(as_iframe=False)
    path.write_text(page(found, heading), encoding="utf-8")
    return tuple(name for name in wanted if name not in usable)


def labelled(events: pa.Table, labels: pa.Table, reference: Reference) -> pa.Table:
    """Add the label to events, null where it is not known."""
    records = reference.labels
    at = pc.index_in(events[reference.stream.events.id], value_set=labels[records.id].combine_chunks())
    return events.append_column(records.label, labels[records.label].take(at))


def frame(table: pa.Table, reference: Reference) -> pd.DataFrame:
    """Convert the monitored columns that can be read, to types that all of Evidently's metrics accept.

    Returns:
        Numbers as float64 with NaN, categories as labels with None, with a fresh index.
    """
    found: dict[str, pd.Series[float] | pd.Series[str]] = {}
    for column in monitored_columns(reference.stream):
        prepared = reference.columns[column.name]
        if column.name in table.column_names and not isinstance(prepared, str):
            try:
                found[column.name] = _series(table[column.name], prepared)
            except (TypeError, ValueError, pa.ArrowException):
                continue
    return pd.DataFrame(found)


def _series(column: pa.ChunkedArray, prepared: ReferenceColumn) -> pd.Series[float] | pd.Series[str]:
    if isinstance(prepared, CategoryReference):
        return pd.Series([_name(value) for value in column.to_pylist()], dtype=object)
    assert isinstance(prepared, NumberReference)
    values = np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    if prepared.outside == "drop":
        values = np.where((values >= prepared.low) & (values <= prepared.high), values, np.nan)
    elif prepared.outside == "clip":
        values = np.clip(values, prepared.low, prepared.high)
    return pd.Series(values)


def _name(value: object) -> str | None:
    return None if value is None or (isinstance(value, float) and not isfinite(value)) else label(value)


def _values(side: pd.DataFrame, name: str) -> int:
    return int(side[name].count()) if name in side else 0


def _report(
    window: pd.DataFrame, base: pd.DataFrame, reference: Reference, config: Config, span: Span | None
) -> Any:
    names = [str(name) for name in window]
    numbers = {name for name in names if window[name].dtype.kind == "f"}
    target = reference.stream.label
    regression = {PREDICTION, target} <= {*names} and len(window[[PREDICTION, target]].dropna()) >= FEWEST
    roles = {"regression": [Regression(target=target, prediction=PREDICTION)]} if regression else {}
    kinds = data_definition(numbers, set(names) - numbers, **roles)
    tested = [name for name in names if _values(window, name) >= config.min_rows <= _values(base, name)]
    tables = [[name for name in tested if name != target], [name for name in tested if name == target]]
    drift = [_drift(columns, window, reference, config, span) for columns in tables if columns]
    presets = [*drift, DataSummaryPreset(), *([RegressionPreset()] if regression else [])]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return Report(presets).run(Dataset.from_pandas(window, kinds), Dataset.from_pandas(base, kinds))


def _drift(
    columns: list[str], window: pd.DataFrame, reference: Reference, config: Config, span: Span | None
) -> DriftTable:
    return DriftTable(
        columns=columns,
        drift_share=config.drift_share,
        per_column_method={name: reference.methods[name].name for name in columns},
        per_column_threshold={
            name: config.thresholds.get(name) or reference.threshold(name, _values(window, name), span)
            for name in columns
        },
    )
