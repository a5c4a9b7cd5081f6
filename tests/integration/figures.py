"""Figures in the database beside stock Evidently's, on rows that the oracle read from the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.artifact import load
from models.taxi import SCORERS
from monitor.drift.figures import Config
from schemas.definition import Records
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage.chunk import PREDICTION
from tests import stock
from tests.oracle import Reading, Record
from tests.rows import MS, Connection

Window = tuple[int, int]
"""Size and start, ms."""

_METRICS = f"""
    SELECT column_name, metric, value FROM driftline.column_metric
    WHERE run_id = %s AND stream = %s AND size_s * 1000::bigint = %s AND {MS.format("window_start")} = %s"""
_WINDOW = f"""
    SELECT * FROM driftline.window_result
    WHERE run_id = %s AND stream = %s AND size_s * 1000::bigint = %s AND {MS.format("window_start")} = %s"""
_WHOLE = ("share_missing", "prediction_drift", "mae", "rmse", "bias", "r2")


class Stock:
    """What stock Evidently says of a run's windows."""

    def __init__(self, reading: Reading, run: str, model: Path) -> None:
        self._run, self._model = run, load(model, scorers=SCORERS)
        self._rows: dict[tuple[str, int], list[tuple[int, int, Record]]] = {
            (topic, pane): rows for (name, topic, pane), rows in reading.rows.items() if name == run
        }

    @cached_property
    def _reference(self) -> pd.DataFrame:
        frame: pd.DataFrame = self._model.reference().to_pandas()
        return frame

    def trips(self, window: Window) -> stock.Figures:
        return stock.trip_figures(self._scored(window), self._reference, Config())

    def outcomes(self, window: Window) -> stock.Figures:
        predictions = self._scored(window).set_index(TRIPS.id)[PREDICTION]
        rows = self._frame(OUTCOMES, window)
        rows[PREDICTION] = rows[OUTCOMES.id].map(predictions)
        return stock.outcome_figures(rows, self._reference, Config())

    def disagreements(self, connection: Connection, stream: Records, window: Window) -> Iterator[str]:
        """Figures that differ by more than 1e-9, or that only one side has; where there are rows enough for all."""
        expected = self.trips(window) if stream is TRIPS else self.outcomes(window)
        found = self._written(connection, stream, window)
        for name in sorted({*expected, *found}):
            ours, theirs = found.get(name), expected.get(name)
            if ours is None or theirs is None or not isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9):
                yield f"{stream.topic} {window} {name}: {ours}, Evidently {theirs}"

    def _written(
        self, connection: Connection, stream: Records, window: Window
    ) -> dict[tuple[str, str], float | None]:
        where = (self._run, stream.role, *window)
        cursor = connection.execute(_WINDOW, where)
        row = dict(zip([c.name for c in cursor.description or ()], cursor.fetchone() or (), strict=True))
        found = {(column, metric): value for column, metric, value in connection.execute(_METRICS, where)}
        found.pop((PREDICTION, "mae"), None)  # the window's own, once more
        if stream is OUTCOMES:
            found["", "target_drift"] = row["target_drift"]
        wanted = [name for name in _WHOLE if row[name] is not None and (name != "share_missing" or stream is TRIPS)]
        return found | {("", name): row[name] for name in wanted}

    def _scored(self, window: Window) -> pd.DataFrame:
        rows = self._frame(TRIPS, window)
        rows[PREDICTION] = self._model.predict(_columns(rows))
        return rows

    def _frame(self, stream: Records, window: Window) -> pd.DataFrame:
        size, start = window
        found = [
            row
            for (topic, pane), rows in self._rows.items()
            if topic == stream.topic and start <= pane < start + size
            for row in rows
        ]
        names = [stream.id, stream.time, *(f.name for f in stream.kept)]
        records: Sequence[dict[str, Any]] = [record for _, _, record in sorted(found, key=lambda row: row[:2])]
        return pd.DataFrame(
            [[record.get(name) for name in names] for record in records], columns=names, dtype=object
        )


def _columns(rows: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """As models take them: required whole numbers as int64, other numbers as float64 with NaN, text as objects."""
    kinds: dict[str, Any] = {TRIPS.time: np.int64}
    for field in TRIPS.kept:
        kinds[field.name] = (
            object if field.type == "str" else np.int64 if field.required and field.type == "int" else float
        )
    return {name: rows[name].to_numpy(kind) for name, kind in kinds.items()}
