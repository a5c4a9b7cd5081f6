from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.decode import Decoder
from consumer.flush import Pending, decode_batch
from consumer.ledger import Claim, Flush, Loss, Tally
from schemas.definition import Field, Records
from schemas.records import Injected, Manifest
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage import chunk
from tests import oracle
from tests.consumer.fakes import (
    AHEAD,
    LATENESS,
    MINUTE,
    PANE,
    PLACE,
    RULES,
    START,
    Fake,
    beat,
    flushed,
    messages,
    trip,
)

MANIFEST = Manifest(
    source="test", period=(START, START + 1), injected=(Injected(starts_at=1, ends_at=2, label="x"),)
)


def rows(flush: Flush) -> list[tuple[str, int]]:
    return [(c.run_id, offset) for c in flush.chunks for offset in chunk.decode(c.payload)["offset"].to_pylist()]


def test_every_record_is_either_a_row_or_counted_and_kept_with_its_reason() -> None:
    late, future = trip(START - 60 * MINUTE, 2), trip(START + 2 * AHEAD, 3)
    flush = flushed(
        [beat(START), trip(START, 0), trip(START, 0), b"{", late, future, trip(START, 4, trip_distance="x")]
    )
    (run,) = [r for r in flush.runs if r.run_id == "r"]
    assert rows(flush) == [("r", 1)]
    assert run.tally == Tally(accepted=1, duplicates=1, late=1, future=1, invalid=1, heartbeats=1, missing=1)
    assert {(d.offset, d.run_id, d.reason) for d in flush.dead} == {
        (3, "", "undecodable"),
        (4, "r", "late"),
        (5, "r", "future"),
        (6, "r", "invalid"),
    }
    assert next(d for d in flush.dead if d.offset == 4).raw == late
    assert "2022-01-31T23:00:00.000 when 2022-02-01T00:00:00.000" in next(
        d.detail for d in flush.dead if d.offset == 4
    )


def test_runs_that_come_mixed_are_kept_apart() -> None:
    old = START - 365 * AHEAD
    values = [trip(START, 0), trip(old, 0, "s"), trip(START, None, None), trip(old, 1, "s"), beat(START, 1, "s")]
    flush = flushed([*values, trip(START, 1)])
    assert rows(flush) == [("live", 2), ("r", 0), ("r", 5), ("s", 1), ("s", 3)]
    assert [(r.run_id, r.first_offset, r.tally.accepted) for r in flush.runs] == [
        ("live", 2, 1),
        ("r", 0, 2),
        ("s", 1, 2),
    ]


def test_a_trip_that_names_no_run_has_no_duplicates_whatever_seq_it_claims() -> None:
    flush = flushed([trip(START, 5, None), trip(START, 5, None)])
    assert (rows(flush), flush.losses) == ([("live", 0), ("live", 1)], ())


def test_the_state_goes_on_where_the_last_flush_left_it() -> None:
    first = flushed([trip(START, 0), trip(START + 60 * MINUTE, 1)])
    second = flushed(
        [trip(START, 2), trip(START + 60 * MINUTE, 1), trip(START + 60 * MINUTE, 3)], first.committed()
    )
    assert rows(second) == [("r", 4)]
    assert second.runs[0].tally == Tally(accepted=3, late=1, duplicates=1)
    assert (second.claim.next_offset, second.next_offset) == (2, 5)


def test_a_gap_is_reported_with_the_time_of_the_record_that_shows_it() -> None:
    flush = flushed([trip(START, 0), trip(START + MINUTE, 4), beat(START + 2 * MINUTE, 6)])
    assert flush.losses == (Loss("r", 1, 3, START + MINUTE), Loss("r", 5, 6, START + 2 * MINUTE))
    assert flush.runs[0].tally.missing == 5


def test_the_first_manifest_and_the_end_of_a_run_are_passed_on() -> None:
    values = [beat(START, manifest=MANIFEST), beat(START, manifest=Manifest(source="again", period=(0, 1)))]
    flush = flushed([*values, beat(START, final=True)])
    assert flush.manifests == (("r", MANIFEST),)
    assert flush.finished == ("r",)
    assert flush.chunks == ()


def test_signs_of_life_move_nothing_but_a_row_does_even_if_the_watermark_stands() -> None:
    first = flushed([trip(START, None, None), beat(START), trip(START, 0)])
    assert first.moved == ("live", "r")
    values = [beat(START, 0), b"{", trip(START, None, None), trip(START, 0, "s", PULocationID=0)]
    assert flushed(values, first.committed()).moved == ("live",)


def test_a_run_that_only_a_rejected_record_names_is_counted_but_not_begun() -> None:
    flush = flushed([trip(START, 0, "s", PULocationID=0)])
    (run,) = flush.runs
    assert (run.run_id, run.state.max_time, run.tally) == ("s", None, Tally(invalid=1))
    assert decode_batch(Decoder(TRIPS), [Fake(0, trip(START, 0, "s", PULocationID=0))]).runs == ()


def test_a_run_has_begun_once_with_its_first_row_though_no_other_agrees_yet() -> None:
    first = flushed([trip(START, 0)])
    assert (first.runs[0].state.max_time, first.begun) == (None, ("r",))
    assert flushed([trip(START, 1), beat(START)], first.committed()).begun == ()


def test_a_run_begins_with_its_first_record_even_if_that_was_rejected() -> None:
    flush = flushed([b"{", trip(START, 0, PULocationID=0), trip(START, 1), beat(START, 1)])
    assert {run.run_id: run.first_offset for run in flush.runs} == {"": 0, "r": 1}


def test_what_is_kept_is_weighed_rows_and_dead_letters_alike() -> None:
    def size(*values: bytes | None) -> int:
        pending = Pending(TRIPS, Claim(PLACE, 1, 0, {}))
        batch = decode_batch(Decoder(TRIPS), messages(values))
        pending.add(batch, dict.fromkeys(batch.runs, RULES))
        return pending.size

    assert size(beat(START), None) == 0
    assert 50 < size(trip(START, 0)) < 500
    assert size(b"x" * 100_000) == 100_000


def test_offsets_with_holes_stay_with_their_records() -> None:
    batch = decode_batch(Decoder(TRIPS), [Fake(3, trip(START, 0)), Fake(7, trip(START, 1)), Fake(8, b"{")])
    assert batch.offsets.tolist() == [3, 7, 8]


def test_outcomes_are_neither_scored_nor_given_a_prediction() -> None:
    value = json.dumps({"kind": "outcome", "run_id": "r", "trip_id": "t", "pickup_at": START, "duration_min": 5.5})
    (packed,) = flushed([value.encode()], stream=OUTCOMES, score=None).chunks
    batch = chunk.decode(packed.payload)
    assert batch.schema == chunk.layout(OUTCOMES)
    assert batch["duration_min"].to_pylist() == [5.5]


@pytest.mark.parametrize("name", ["prediction", "score"])
def test_a_stream_may_bring_its_own_prediction(name: str) -> None:
    own = Records(
        topic="mine",
        kind="mine",
        id="id",
        time="at",
        fields=(Field(name=name, type="float", role="number"), Field(name="n", type="int", role="number")),
        prediction=name,
    )
    value = json.dumps({"id": "a", "at": START, name: 0.25, "n": 2**31 - 1}).encode()
    too_big = json.dumps({"id": "a", "at": START, name: 0.25, "n": 2**31}).encode()
    flush = flushed([value, too_big], stream=own, score=None)
    batch = chunk.decode(flush.chunks[0].payload)
    assert batch.schema == chunk.layout(own)
    assert batch["prediction"].to_pylist() == [0.25]
    assert [d.reason for d in flush.dead] == ["invalid"]


times = st.one_of(st.integers(0, 40), st.integers(0, 2_000)).map(lambda minutes: START + minutes * MINUTE)
runs = st.sampled_from(["r", "r", "r", "s", None])
log = st.lists(
    st.one_of(
        st.builds(trip, times, st.one_of(st.none(), st.integers(0, 15)), runs),
        st.builds(trip, times, st.integers(0, 15), runs, PULocationID=st.sampled_from([0, 1])),
        st.builds(
            beat, times, st.integers(-1, 15), st.sampled_from("rs"), final=st.sampled_from([False] * 9 + [True])
        ),
        st.sampled_from([b"", b"{", None, b"[1]"]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(
    values=log,
    flushes=st.sets(st.integers(1, 29), max_size=3),
    batches=st.sets(st.integers(1, 29), max_size=5),
    elsewhere=st.sampled_from([{"s"}, *[set[str]()] * 3]),
    default_run=st.sampled_from(["live", "s"]),
)
def test_however_the_log_is_cut_it_comes_to_what_the_oracle_reads(
    values: list[bytes | None], flushes: set[int], batches: set[int], elsewhere: set[str], default_run: str
) -> None:
    foreign = dict.fromkeys(elsewhere, "of another stream")
    rules = oracle.Rules(PANE, {"trips": LATENESS}, AHEAD)
    entries = [oracle.Entry("trips", 0, i, value) for i, value in enumerate(values)]
    expected = oracle.read(entries, {"trips": TRIPS}, rules, elsewhere=elsewhere, default_run=default_run)

    claim, found, dead = Claim(PLACE, 1, 0, {}), defaultdict(list), dict[Any, Any]()
    ends = [*sorted(f for f in flushes if f < len(values)), len(values)]
    for end in ends:
        start = claim.next_offset
        cuts = [b - start for b in batches]
        flush = flushed(
            values[start:end], claim, batches=cuts, foreign=foreign, reason="stream", default_run=default_run
        )
        claim = flush.committed()
        dead |= {("trips", 0, d.offset): (d.run_id, d.reason) for d in flush.dead}
        for packed in flush.chunks:
            offsets = chunk.decode(packed.payload)["offset"].to_pylist()
            for pane, first, count in zip(packed.pane_starts, packed.first_rows, packed.counts, strict=True):
                found[packed.run_id, "trips", pane] += offsets[first : first + count]

    assert found == {key: [offset for _, offset, _ in there] for key, there in expected.rows.items()}
    assert dead == expected.dead
    tallies = {(run.run_id, "trips", 0): Counter(vars(run.tally)) for run in claim.runs.values()}
    assert {key: +tally for key, tally in tallies.items()} == {k: +s.tally for k, s in expected.states.items()}
    assert sum(t.total() - t["missing"] for t in tallies.values()) == len(values)
