"""Windows of the streams in `tests/streams`, and of tables made up here."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models import reference
from monitor.verdict.layout import SummaryLayout
from schemas.definition import Field, Records, Stream
from tests.streams import flights, made_up, payments

HOUR = made_up.HOUR
START = made_up.START
STREAMS = pytest.mark.parametrize("stream", [flights.STREAM, payments.STREAM], ids=lambda s: s.name)

SMALL = Stream(
    name="small",
    events=Records(
        topic="small",
        kind="small",
        id="id",
        time="at",
        fields=(
            Field(name="amount", type="float", role="number", required=False),
            Field(name="word", type="str", role="category", required=False),
            Field(name="code", type="int", role="category", required=False),
        ),
        prediction=None,
    ),
    labels=Records(
        topic="truth",
        kind="truth",
        id="id",
        time="at",
        fields=(Field(name="took", type="float", role="number"),),
        label="took",
        label_range=(1.0, 60.0),
    ),
)
"""One column of each type, and a label with a range."""


def stored(stream: Stream, rows: int, hours: int, seed: int = 1) -> tuple[pa.Table, pa.Table | None]:
    """Events with their predictions, and labels, in the layout of chunks."""
    table = reference.valid(made_up.events(stream, rows, hours, seed), stream.events)
    number = table[made_up.first_number(stream.events)].to_numpy(zero_copy_only=False)
    events = table if stream.events.prediction else table.append_column("prediction", pa.array(2.0 * number + 1))
    if stream.events.prediction:
        names = ["prediction" if n == stream.events.prediction else n for n in events.column_names]
        events = events.rename_columns(names)
    if stream.labels is None:
        return events, None
    known = table.filter(table[stream.label].is_valid())
    return events, known.select([stream.labels.id, stream.labels.time, str(stream.label)])


def layout(stream: Stream, seed: int = 7) -> SummaryLayout:
    """A layout of other rows of the stream."""
    events, _ = stored(stream, 4_000, 48, seed)
    return SummaryLayout.from_reference(events, stream)


def small(**columns: Any) -> pa.Table:
    """A reference of SMALL; predictions are 10 where not given."""
    rows = len(next(iter(columns.values())))
    given: dict[str, Any] = {
        "amount": np.arange(rows) + 0.5,
        "word": ["a"] * rows,
        "code": [1] * rows,
        "prediction": np.full(rows, 10.0),
        "took": np.full(rows, 12.0),
    } | columns
    types = {"word": pa.string(), "code": pa.int32()}
    arrays = {
        name: pa.array(values, types.get(name, pa.float64()), from_pandas=True) for name, values in given.items()
    }
    return pa.table({"id": [str(n) for n in range(rows)], "at": pa.array(np.zeros(rows, np.int64)), **arrays})


def cut(table: pa.Table, time: str, bounds: list[int]) -> list[pa.Table]:
    """The rows between neighbouring bounds."""
    at = np.searchsorted(table[time].to_numpy(), bounds)
    return [table.slice(first, last - first) for first, last in pairwise(at)]
