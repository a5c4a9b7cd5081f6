"""What becomes of records that have no prediction: the model fails on them, or another model scores their run."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.flush import MODEL
from consumer.ledger import Flush, Tally
from consumer.scoring import Score, Unscorable, predict, predict_each
from schemas.definition import Field, Records
from schemas.streams.taxi import TRIPS
from storage import chunk
from tests import oracle
from tests.consumer.fakes import AHEAD, LATENESS, MINUTE, PANE, START, beat, distance, flushed, trip

Columns = Mapping[str, np.ndarray]

BATCH = pa.record_batch({"trip_distance": [1.0, 13.0, 2.0, 13.0, 3.0]})


def raises(columns: Columns) -> np.ndarray:
    """Fails as a model does that meets a class it was not trained on."""
    if 13.0 in columns["trip_distance"]:
        raise ValueError("13.0 is not in list")
    return distance(columns)


def drops(columns: Columns) -> np.ndarray:
    values = distance(columns)
    return values[values != 13.0]


def not_finite(columns: Columns) -> np.ndarray:
    return np.where(distance(columns) == 13.0, np.inf, distance(columns))


def names(columns: Columns) -> np.ndarray:
    return np.array(["far" for _ in distance(columns)])


def transposed(columns: Columns) -> np.ndarray:
    return distance(columns)[:, None]


def nothing(columns: Columns) -> None:
    return None


def mean(columns: Columns) -> np.ndarray:
    """Of the wrong shape, unless it is asked for one row."""
    return distance(columns).mean(keepdims=True)


@pytest.mark.parametrize(
    ("score", "why"),
    [
        (raises, "ValueError: 13.0 is not in list"),
        (drops, "ValueError: predictions of shape (0,) for 1 rows"),
        (not_finite, "the prediction is inf"),
    ],
)
def test_a_record_that_the_model_fails_on_costs_no_other_its_prediction(score: Score, why: str) -> None:
    found = predict_each(TRIPS, BATCH, score)
    assert found.failures == {1: why, 3: why}
    assert found.values[[0, 2, 4]].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("score", [raises, drops, not_finite, names, transposed, nothing])
def test_a_flush_is_sealed_only_if_all_of_it_is_scored(score: Score) -> None:
    with pytest.raises(Unscorable):
        predict(TRIPS, BATCH, score)
    with pytest.raises(Unscorable):
        flushed([trip(START, 0, trip_distance=13.0)], score=score)


@pytest.mark.parametrize("score", [names, transposed, nothing])
def test_a_model_that_predicts_nothing_fails_on_every_record(score: Score) -> None:
    assert [*predict_each(TRIPS, BATCH, score).failures] == [0, 1, 2, 3, 4]


def test_a_model_that_can_take_single_records_only_gets_single_records() -> None:
    assert predict_each(TRIPS, BATCH, mean).values.tolist() == [1.0, 13.0, 2.0, 13.0, 3.0]


def test_running_out_of_memory_is_not_the_records_fault() -> None:
    def hungry(columns: Columns) -> np.ndarray:
        raise MemoryError

    with pytest.raises(MemoryError):
        predict_each(TRIPS, BATCH, hungry)


def test_what_the_model_fails_on_is_kept_and_counted_and_moves_the_watermark_as_any_record() -> None:
    values = [trip(START, 0), trip(START + 30 * MINUTE, 1, trip_distance=13.0), trip(START, 2), beat(START, 2)]
    flush = flushed(values, score=raises, isolate=True)
    (run,) = flush.runs
    assert run.tally == Tally(accepted=1, late=1, invalid=1, heartbeats=1)
    assert run.state.max_time == START + 30 * MINUTE
    assert [(d.offset, d.reason, d.raw) for d in flush.dead if d.reason != "late"] == [(1, MODEL, values[1])]
    assert next(d.detail for d in flush.dead if d.reason == MODEL) == "ValueError: 13.0 is not in list"
    ((unscored),) = flush.unscored
    assert (unscored.foreign, unscored.count, unscored.first) == (False, 1, START + 30 * MINUTE)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from([1.0, 13.0])), min_size=1, max_size=30),
    st.lists(st.integers(1, 29), max_size=3),
)
def test_the_cut_into_batches_does_not_change_which_records_are_scored(
    trips: list[tuple[int, float]], batches: list[int]
) -> None:
    values = [trip(START + m * MINUTE, i, trip_distance=d) for i, (m, d) in enumerate(trips)]
    flush = flushed(values, score=raises, batches=batches, isolate=True)
    rules = oracle.Rules(PANE, {"trips": LATENESS}, AHEAD)
    log = (oracle.Entry("trips", 0, offset, value) for offset, value in enumerate(values))
    expected = oracle.read(log, {"trips": TRIPS}, rules, scores=lambda record: record["trip_distance"] != 13.0)
    assert {d.offset: d.reason for d in flush.dead} == {
        o: reason for (_, _, o), (_, reason) in expected.dead.items()
    }
    assert _rows(flush) == sorted(o for rows in expected.rows.values() for _, o, _ in rows)
    (run,) = flush.runs
    assert run.state.max_time == expected.states["r", "trips", 0].M


def test_a_run_of_another_model_is_kept_and_counted_and_the_runs_beside_it_are_scored() -> None:
    values = [trip(START, 0), trip(START, 0, "old"), trip(START, 1, "old"), beat(START, 1, "old", final=True)]
    flush = flushed([*values, trip(START, 1)], foreign={"old": "scored by another"})
    assert {c.run_id for c in flush.chunks} == {"r"}
    assert [(d.offset, d.run_id, d.reason, d.detail) for d in flush.dead] == [
        (1, "old", MODEL, "scored by another"),
        (2, "old", MODEL, "scored by another"),
    ]
    old, _ = flush.runs
    assert (old.tally, old.state.finished) == (Tally(invalid=2, heartbeats=1), True)
    assert [(u.run_id, u.foreign, u.count) for u in flush.unscored] == [("old", True, 2)]
    assert flush.finished == ("old",)


def test_a_record_that_should_bring_its_prediction_and_does_not_is_kept() -> None:
    fields = (Field(name="score", type="float", role="number", required=False),)
    own = Records(topic="mine", kind="mine", id="id", time="at", fields=fields, prediction="score")
    values = [json.dumps({"id": "a", "at": START, "score": score}).encode() for score in (0.25, None)]
    flush = flushed(values, stream=own, score=None, isolate=True)
    assert chunk.decode(flush.chunks[0].payload)["prediction"].to_pylist() == [0.25]
    assert [(d.offset, d.reason) for d in flush.dead] == [(1, MODEL)]


def _rows(flush: Flush) -> list[int]:
    return sorted(o for c in flush.chunks for o in chunk.decode(c.payload)["offset"].to_pylist())
