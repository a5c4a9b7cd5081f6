from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from producer import scenario
from producer.bend import bend
from producer.plan import Lane, Position, ReplayPlan
from producer.replay import LaneBatch, replay
from schemas.definition import Field, Records, Stream
from schemas.errors import RunConflict
from schemas.records import Manifest, decoder
from schemas.streams.taxi import OUTCOMES, STREAMS, TAXI, TRIPS
from tests.producer.trips import DAY, HOUR, MINUTE, START, Times, plainly, plan, table, tables

PERIOD = (START, START + 2 * HOUR)

# Quarter minutes give ties; times reach out of the period on both sides, and some trips end before they begin.
_pickups = st.integers(-40, 520).map(lambda quarter: START + quarter * 15_000)
_lengths = st.one_of(st.none(), st.integers(-8, 60).map(lambda q: q * 15_000), st.just(9 * DAY))
_times = st.lists(st.tuples(_pickups, _lengths), max_size=40).map(
    lambda trips: sorted(
        ((pickup, None if length is None else pickup + length) for pickup, length in trips), key=lambda t: t[0]
    )
)
_plans = st.builds(
    lambda partitions, chunk, grid: plan(PERIOD, partitions, chunk=chunk, grid_ms=grid),
    st.integers(1, 3),
    st.integers(1, 9),
    st.sampled_from([5 * MINUTE, 10 * MINUTE, 7 * MINUTE + 1]),
)


def sent(
    plan: ReplayPlan, times: Times, cut: int = 7, positions: Mapping[Lane, Position] | None = None
) -> dict[Lane, list[bytes]]:
    return values(s for batches in replay(plan, tables(times, cut), positions or {}) for s in batches)


def values(batches: Iterable[LaneBatch]) -> dict[Lane, list[bytes]]:
    lanes: dict[Lane, list[bytes]] = defaultdict(list)
    for batch in batches:
        lanes[batch.lane] += batch.values
    return dict(lanes)


@settings(max_examples=60, deadline=None)
@given(_plans, _times, st.integers(1, 50))
@example(plan(PERIOD), [], 1)
def test_the_sequence_is_what_the_rules_say_however_the_trips_are_cut(
    plan: ReplayPlan, times: Times, cut: int
) -> None:
    assert sent(plan, times, cut) == plainly(plan, times)


@settings(max_examples=40, deadline=None)
@given(_plans, _times, st.data())
def test_resuming_from_any_cut_of_each_lane_sends_exactly_what_is_missing(
    plan: ReplayPlan, times: Times, data: st.DataObject
) -> None:
    whole = plainly(plan, times)
    cuts = {lane: data.draw(st.integers(0, len(records)), str(lane)) for lane, records in whole.items()}
    rest = sent(plan, times, 11, positions_after(plan, whole, cuts))
    assert {lane: whole[lane][: cuts[lane]] + rest.get(lane, []) for lane in whole} == whole


@settings(max_examples=20, deadline=None)
@given(_plans, _times, st.data())
def test_a_beat_as_the_last_record_says_the_same_as_the_record_before_it(
    plan: ReplayPlan, times: Times, data: st.DataObject
) -> None:
    for batches in replay(plan, tables(times, 7), {}):
        for batch in batches:
            at = data.draw(st.integers(0, len(batch.values) - 1))
            stream = next(s for s in STREAMS if s.topic == batch.lane.topic)
            stand = Position(int(batch.seqs[at]), int(batch.heartbeats_at[at]))
            beat = json.loads(plan.heartbeat(stand.seq, stand.heartbeat_at))
            if not batch.final:
                assert plan.position(stream, json.loads(batch.values[at])) == stand
                assert plan.position(stream, beat) == stand


def positions_after(
    plan: ReplayPlan, whole: Mapping[Lane, list[bytes]], cuts: Mapping[Lane, int]
) -> dict[Lane, Position]:
    """Where each lane stands by the records before its cut."""
    streams, found = {stream.topic: stream for stream in STREAMS}, {}
    for lane, values in whole.items():
        records = [json.loads(value) for value in values[: cuts[lane]]]
        if records:
            heartbeat = [record for record in records if record["kind"] == "heartbeat"][-1]
            found[lane] = plan.position(streams[lane.topic], records[-1], heartbeat)
    return found


SHAKEN = """
[[drift]]
kind = "delayed"
by = "25m"
share = 0.4
starts_at = "20%"
ends_at = "90%"
[[drift]]
kind = "clock"
offset = "-50m"
share = 0.3
starts_at = "0%"
ends_at = "100%"
[[drift]]
kind = "clock"
offset = "7h"
share = 0.2
starts_at = "0%"
ends_at = "100%"
[[drift]]
kind = "duplicated"
share = 0.3
starts_at = "0%"
ends_at = "60%"
[[drift]]
kind = "lost"
share = 0.2
starts_at = "0%"
ends_at = "100%"
"""
"""Everything that moves records within the log."""


@settings(max_examples=60, deadline=None)
@given(_plans, _times, st.integers(1, 50), st.data())
def test_what_a_scenario_delays_is_in_order_of_sending_and_resumed_from_any_cut(
    plan: ReplayPlan, times: Times, cut: int, data: st.DataObject
) -> None:
    drifts = scenario.parse("shaken", SHAKEN, TAXI, PERIOD)
    whole = plainly(plan, times, bend(table(times), drifts))
    pieces = [bend(piece, drifts) for piece in tables(times, cut)]
    assert values(s for batches in replay(plan, pieces, {}) for s in batches) == whole
    cuts = {lane: data.draw(st.integers(0, len(records)), str(lane)) for lane, records in whole.items()}
    rest = values(s for batches in replay(plan, pieces, positions_after(plan, whole, cuts)) for s in batches)
    assert {lane: whole[lane][: cuts[lane]] + rest.get(lane, []) for lane in whole} == whole


@given(_times)
@settings(max_examples=20, deadline=None)
def test_clocks_never_go_back_within_a_lane_nor_from_one_list_to_the_next(times: Times) -> None:
    reached = START
    for batches in replay(plan(PERIOD, chunk=3), tables(times, 5), {}):
        for batch in batches:
            assert reached <= batch.clocks[0]
            assert (batch.clocks[1:] >= batch.clocks[:-1]).all()
        reached = max([reached, *(int(batch.clocks[-1]) for batch in batches)])


def test_the_start_of_the_first_lane_goes_out_alone_with_the_manifest() -> None:
    here = plan(PERIOD)
    first, others, *_ = replay(here, tables([(START, START)], 1), {})
    assert [batch.lane for batch in first] == [Lane("trips", 0)]
    assert decoder(TRIPS).decode(first[0].values[0]).manifest == here.manifest
    assert [s.lane for s in others] == [Lane("trips", 1), Lane("outcomes", 0), Lane("outcomes", 1)]


def test_every_record_passes_the_consumers_decoder() -> None:
    times = [(START + i * MINUTE, START + i * MINUTE + 600_000) for i in range(50)]
    for lane, records in sent(plan(PERIOD), times).items():
        for record in records:
            decoder(TRIPS if lane.topic == "trips" else OUTCOMES).decode(record)


def test_an_outcome_goes_to_the_partition_of_its_trip() -> None:
    lanes = sent(plan(PERIOD), [(START + i, START + i + 600_000) for i in range(40)])
    of = {t: {json.loads(v).get("trip_id") for v in lanes[Lane(t, 0)]} for t in ("trips", "outcomes")}
    assert of["trips"] == of["outcomes"] != {None}


def test_a_trip_without_drop_off_has_no_outcome() -> None:
    lanes = sent(plan(PERIOD, 1), [(START, None), (START + 1, START + 2)])
    assert [json.loads(v)["trip_id"] for v in lanes[Lane("outcomes", 0)] if b'"outcome"' in v] == ["t-0001"]


def test_the_outcome_of_a_trip_that_ends_before_it_begins_comes_at_its_pickup() -> None:
    pickup = START + 15 * MINUTE
    lane = sent(plan(PERIOD, 1), [(pickup, START + 5 * MINUTE), (START + HOUR, None)])[Lane("outcomes", 0)]
    assert [json.loads(v).get("at", "outcome") for v in lane[:4]] == [
        START,
        START + 10 * MINUTE,
        "outcome",
        START + 20 * MINUTE,
    ]


def test_stray_years_come_first_and_last_and_keep_the_heartbeats_within_the_period() -> None:
    times = [(0, 60_000), (START + HOUR, START + HOUR + 1), (START + 20 * 365 * DAY, START + 20 * 365 * DAY + 1)]
    lane = [json.loads(v) for v in sent(plan(PERIOD, 1), times)[Lane("trips", 0)]]
    assert [r["pickup_at"] for r in lane if r["kind"] == "trip"] == [pickup for pickup, _ in times]
    assert lane[1]["pickup_at"] == 0
    assert [r["at"] for r in lane if r["kind"] == "heartbeat"] == [
        START + minutes * MINUTE for minutes in range(0, 120, 10)
    ] + [START + 2 * HOUR - 1]


def test_a_source_that_gives_less_than_was_sent_is_refused() -> None:
    here = plan(PERIOD, 1)
    stand = {Lane("trips", 0): Position(5, START)}
    with pytest.raises(RunConflict, match="trips/0 has 6 records of this run, the source gives 1"):
        sent(here, [(START, START)], 1, stand)


def test_a_finished_lane_gets_nothing_more() -> None:
    here, times = plan(PERIOD), [(START + i, START + i + 600_000) for i in range(40)]
    whole = plainly(here, times)
    done = positions_after(here, whole, {lane: len(records) for lane, records in whole.items()})
    assert all(position.finished for position in done.values())
    assert sent(here, times, 7, done) == {}


def test_fields_may_be_called_clock_and_partition() -> None:
    parts = Records(
        topic="parts",
        kind="part",
        id="serial",
        time="made_at",
        fields=tuple(Field(name=name, type="int", role="number") for name in ("clock", "partition")),
    )
    made = ReplayPlan(Stream(name="parts", events=parts), "r", Manifest(source="test", period=PERIOD), 1)
    rows = [{"serial": str(n), "made_at": START + n, "clock": 7 * n, "partition": -n} for n in range(3)]
    found = values(s for batch in replay(made, [pa.Table.from_pylist(rows)], {}) for s in batch)
    records = [json.loads(value) for value in found[Lane("parts", 0)]]
    assert [(r["clock"], r["partition"]) for r in records if r["kind"] == "part"] == [(0, 0), (7, -1), (14, -2)]
