from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import ArrowColumns
from schemas.errors import ModelUnusable
from schemas.streams.taxi import TRIPS
from storage import chunk
from tests.consumer.fakes import MINUTE, PANE, START, distance, flushed, trip


@settings(deadline=None)
@given(st.lists(st.integers(0, 14), min_size=1, max_size=40))
def test_rows_are_sorted_by_pane_and_offset_and_the_index_finds_each_pane(minutes: list[int]) -> None:
    (packed,) = flushed([trip(START + m * MINUTE, i) for i, m in enumerate(minutes)]).chunks
    batch = chunk.decode(packed.payload)
    panes = [t // PANE * PANE for t in batch["pickup_at"].to_pylist()]
    offsets = batch["offset"].to_pylist()
    assert list(zip(panes, offsets, strict=True)) == sorted(zip(panes, offsets, strict=True))
    index = zip(packed.pane_starts, packed.first_rows, packed.counts, strict=True)
    assert [(p, panes[first : first + count]) for p, first, count in index] == [
        (p, [p] * panes.count(p)) for p in sorted(set(panes))
    ]
    assert (packed.first_offset, packed.last_offset, packed.rows) == (0, len(minutes) - 1, len(minutes))
    assert batch.schema == chunk.layout(TRIPS)


def test_a_model_gets_the_columns_it_was_promised() -> None:
    seen: dict[str, Any] = {}

    def score_and_record(columns: Any) -> np.ndarray:
        seen.update(columns)
        return distance(columns)

    values = [trip(START, 0, passenger_count=2, store_and_fwd_flag="N"), trip(START, 1, congestion_surcharge=2.75)]
    flushed(values, score=score_and_record)
    assert seen["PULocationID"].dtype == seen["pickup_at"].dtype == np.int64
    assert seen["passenger_count"].tolist()[0] == 2.0
    assert np.isnan(seen["passenger_count"][1])
    assert np.isnan(seen["congestion_surcharge"][0])
    assert seen["store_and_fwd_flag"].tolist() == ["N", None]
    assert seen["trip_distance"].dtype == np.float64


def test_a_column_that_is_not_there_is_a_key_error() -> None:
    columns = ArrowColumns(pa.record_batch({"n": [1]}))
    assert "fare" not in columns
    with pytest.raises(KeyError):
        columns["fare"]


def test_a_stream_without_predictions_needs_a_model() -> None:
    with pytest.raises(ModelUnusable, match="--model"):
        flushed([trip(START, 0)], score=None)
