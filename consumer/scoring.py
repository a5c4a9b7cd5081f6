"""Predictions of a batch: of all rows at once, or of each row that has one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from models.columns import ArrowColumns, Columns, Floats
from schemas.definition import Records
from schemas.errors import ModelUnusable
from schemas.text import printable

Score = Callable[[Columns], Floats]
"""A model's `predict`: columns of rows → one finite prediction each."""


class Unscorable(Exception):
    """Not every row of a batch has a prediction."""


class Predictions(NamedTuple):
    """values: shape (rows,), not finite where there is none. failures: index of the row → why it has none."""

    values: Floats
    failures: Mapping[int, str]


PredictEach = Callable[[pa.RecordBatch], Predictions]
NOTHING = Predictions(np.empty(0), {})


def predict(records: Records, batch: pa.RecordBatch, score: Score | None) -> Floats:
    """The prediction of every row: the model's, or the one that it came with, shape (rows,).

    Args:
        records: What records they are: ones that have a prediction.
        batch: One row or more.
        score: None where the records bring their own prediction.

    Raises:
        Unscorable: Some rows have none.
        ModelUnusable: There is neither a model nor a prediction in the records.
    """
    found = _attempt(records, batch, score)
    if found.failures:
        raise Unscorable(next(iter(found.failures.values())))
    return found.values


def predict_each(records: Records, batch: pa.RecordBatch, score: Score | None) -> Predictions:
    """Predict every row that can be scored, and find those that cannot.

    A batch that the model fails on is halved, down to the rows that it fails on alone. Since a row's prediction
    does not depend on the other rows, how the log was cut into batches changes nothing.

    Args:
        records: The definition of the rows.
        batch: One row or more.
        score: None if the records bring their own prediction.
    """
    try:
        return _attempt(records, batch, score)
    except Unscorable as error:
        if batch.num_rows == 1:
            return Predictions(np.full(1, np.nan), {0: str(error)})
    half = batch.num_rows // 2
    first, second = (predict_each(records, part, score) for part in (batch.slice(0, half), batch.slice(half)))
    moved = {half + row: why for row, why in second.failures.items()}
    return Predictions(np.concatenate([first.values, second.values]), {**first.failures, **moved})


def _attempt(records: Records, batch: pa.RecordBatch, score: Score | None) -> Predictions:
    if records.prediction is not None:
        return _finite(batch.column(records.prediction).cast(pa.float64()).to_numpy(zero_copy_only=False))
    if score is None:
        raise ModelUnusable(f"{records.topic} has neither a prediction nor a model", "name one with --model")
    try:
        return _finite(_shaped(score(ArrowColumns(batch)), batch.num_rows))
    except MemoryError:  # of this process, not of these rows
        raise
    except Exception as error:
        raise Unscorable(printable(f"{type(error).__name__}: {error}")) from error


def _shaped(values: Any, rows: int) -> Floats:
    values = np.asarray(values)
    if values.shape != (rows,):
        raise ValueError(f"predictions of shape {values.shape} for {rows} rows")
    if values.dtype.kind not in "fiu":
        raise TypeError(f"predictions of type {values.dtype}")
    floats: Floats = values.astype(np.float64, copy=False)
    return floats


def _finite(values: Floats) -> Predictions:
    wrong = np.flatnonzero(~np.isfinite(values)).tolist()
    return Predictions(values, {row: f"the prediction is {values[row]}" for row in wrong})
