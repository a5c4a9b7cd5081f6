"""Records, a model and a reference of any stream, made from nothing but its definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models import reference
from models.artifact import Scorers, save
from models.card import REFERENCE_ONLY, Card, Errors, definition_hash
from models.columns import Columns, Floats
from producer.source import Source
from schemas.definition import Field, Records, Stream

HOUR, MINUTE = 3_600_000, 60_000
START = 1_672_531_200_000
"""2023-01-01."""

_TYPES = {"int": pa.int64(), "float": pa.float64(), "str": pa.string()}


@dataclass(frozen=True)
class Double:
    """Predicts twice a column, and a bit."""

    column: str
    bit: float

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    def predict(self, columns: Columns) -> Floats:
        values: Floats = 2 * columns[self.column] + self.bit
        return values

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"column": np.array(self.column), "bit": np.array(self.bit)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Double:
        return cls(str(arrays["column"]), float(arrays["bit"]))


SCORERS: Scorers = {"double": Double.from_arrays}


def source(stream: Stream, rows: int, hours: int, seed: int = 1) -> Source:
    """Events of some hours, with their labels where the stream has any."""
    table = events(stream, rows, hours, seed)
    return Source(f"{rows} made up", (START, START + hours * HOUR), rows, lambda: iter([table]))


def events(stream: Stream, rows: int, hours: int, seed: int) -> pa.Table:
    """A table of events with the fields of their labels, in event order; one label in ten is missing."""
    random = np.random.default_rng(seed)
    records = stream.events
    columns: dict[str, Any] = {
        records.id: [f"{stream.name}-{seed}-{number:06d}" for number in range(rows)],
        records.time: np.sort(random.integers(START, START + hours * HOUR, rows)),
    }
    for field in records.fields:
        columns[field.name] = _values(field, rows, random)
    if stream.labels is not None:
        columns |= _labels(stream.labels, columns[records.time], columns[first_number(records)], random)
    return pa.table(columns)


def artifact(stream: Stream, place: Path) -> Path:
    """A model and a reference of other events; a reference alone where the records bring their predictions."""
    records = stream.events
    rows = reference.valid(events(stream, 2_000, 48, seed=7), records)
    scorer = Double(first_number(records), 1.0) if records.needs_model else None
    predicted = scorer.predict(reference.columns(rows, records)) if scorer else rows[records.prediction].to_numpy()
    label = None if stream.label is None else rows[stream.label].to_numpy()
    off = predicted - label if label is not None else np.empty(0)
    low, high = START, START + 48 * HOUR
    card = Card(
        kind="double" if scorer else REFERENCE_ONLY,
        about="made up",
        stream=records.topic,
        definition=definition_hash(records),
        source="made up",
        period=(low, high),
        rows=rows.num_rows,
        reference_rows=rows.num_rows,
        inputs=scorer.inputs if scorer else (),
        target=stream.label,
        target_range=stream.labels.label_range if stream.labels else None,
        errors=Errors(rows=len(off), period=(low, high), mae=float(np.nanmean(abs(off))), rmse=0.0, bias=0.0)
        if scorer
        else None,
        seed=7,
        versions={},
        files={},
    )
    return save(place, card, scorer, reference.reference(rows, stream, predicted, label)).path


def first_number(records: Records) -> str:
    """The field that label and prediction follow."""
    return next(f.name for f in records.kept if f.name in records.numbers and f.required)


def _values(field: Field, rows: int, random: np.random.Generator) -> pa.Array:
    draw = {
        "int": partial(random.integers, field.low or 0, min(field.high or 100, 300) + 1),
        "float": partial(random.gamma, 4.0, 25.0),
        "str": partial(random.choice, ["AA", "BA", "LH"], p=[0.6, 0.3, 0.1]),
    }[field.type]
    missing = random.random(rows) < (0.0 if field.required else 0.05)
    return pa.array(draw(size=rows), _TYPES[field.type], mask=missing)


def _labels(labels: Records, times: Any, number: pa.Array, random: np.random.Generator) -> dict[str, pa.Array]:
    rows, missing = len(times), random.random(len(times)) < 0.1
    late = random.integers(MINUTE, HOUR // 2, rows)
    truth = 2 * number.to_numpy() + random.normal(0, 5, rows)
    values = {labels.label: truth, labels.known_at: times + late}
    return {field.name: pa.array(values[field.name], _TYPES[field.type], mask=missing) for field in labels.fields}
