"""Laws that every shipped scenario obeys, on synthetic trips of a month."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from msgspec.structs import replace

from producer import encode, scenario, scenarios
from producer.bend import HAPPENED, SENT, bend
from producer.drift import Condition, Drift, IsMissing
from producer.replay import replay
from producer.scenario import Scenario
from producer.sources.canonical import with_durations
from producer.sources.selection import from_generator
from schemas.records import Heartbeat, Manifest, decoder, encode_heartbeat
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from tests.producer.trips import DAY, START, plan

PERIOD = (START, START + 28 * DAY)
LABELS_ONLY = {"slower-traffic", "rush-hours", "lost-labels"}
RESIZING = {"duplicated-events", "lost-events"}
REORDERING = {"delayed-events", "wrong-clock"}

every_scenario = pytest.mark.parametrize("name", scenarios.shipped())


@cache
def trips() -> pa.Table:
    """Some 6,500 trips, shaped like the real ones."""
    source = from_generator(*PERIOD, seed=3, volume=0.1)
    return with_durations(pa.concat_tables(source.tables()).combine_chunks())


@cache
def shipped(name: str) -> Scenario:
    return scenarios.load(name, TAXI, PERIOD)


@cache
def bent(name: str) -> pa.Table:
    return bend(trips(), shipped(name))


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return list(table.drop_columns([n for n in (HAPPENED, SENT) if n in table.column_names]).to_pylist())


def by_id(table: pa.Table) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(table):
        found.setdefault(row[TRIPS.id], []).append(row)
    return found


@cache
def changed(name: str) -> list[dict[str, Any]]:
    """The trips, as they were, that the scenario changed, lost, repeated or delayed; in event order."""
    after, table = by_id(bent(name)), bent(name)
    ids = table[TRIPS.id].to_pylist() if SENT in table.column_names else ()
    late = (
        {
            i
            for i, at, sent in zip(ids, table[HAPPENED].to_pylist(), table[SENT].to_pylist(), strict=True)
            if at != sent
        }
        if ids
        else set()
    )
    return [row for row in rows(trips()) if after.get(row[TRIPS.id]) != [row] or row[TRIPS.id] in late]


def fulfils(row: dict[str, Any], where: dict[str, Condition]) -> bool:
    """The conditions once more, for one record."""
    for name, condition in where.items():
        if isinstance(condition, IsMissing):
            if row[name] is not None:
                return False
        elif row[name] not in (condition if isinstance(condition, tuple) else (condition,)):
            return False
    return True


@cache
def intervals(name: str) -> list[tuple[int, int]]:
    return [(i.starts_at, i.ends_at) for i in scenario.injected(shipped(name))]


def inside(name: str, at: int) -> bool:
    return any(start <= at < end for start, end in intervals(name))


def shows(drift: Drift, row: dict[str, Any]) -> bool:
    """Whether a change of this record can be seen: 1.1 × 0 is 0, and what is missing stays so."""
    if not drift.columns:
        return True
    own = [drift.columns[0]] if drift.kind in ("scale", "unit_change", "shift", "noise") else drift.columns
    return any(row[column] not in ((None, 0) if drift.kind != "missing" else (None,)) for column in own)


def test_the_groups_below_are_those_that_the_scenarios_are_in() -> None:
    labels = {field.name for field in OUTCOMES.fields}
    found = {name: shipped(name) for name in scenarios.shipped()}
    of_labels = {n for n, s in found.items() if {c for d in s.drifts for c in d.columns} - labels == set()}
    assert of_labels - RESIZING - REORDERING == LABELS_ONLY
    assert {n for n, s in found.items() if s.resizes} == RESIZING
    assert {n for n, s in found.items() if s.reorders} == REORDERING


@every_scenario
def test_it_says_what_it_does(name: str) -> None:
    found = shipped(name)
    assert found.name == name
    assert found.description
    assert all(drift.label for drift in found.drifts)
    truth = scenario.injected(found)
    manifest = Manifest(source="x", period=PERIOD, scenario=name, injected=truth)
    heartbeat = decoder(TRIPS).decode(encode_heartbeat(Heartbeat(run_id="r", seq=-1, at=0, manifest=manifest)))
    assert heartbeat.manifest.injected == truth
    assert all((injected.kind, bool(injected.change)) == (found.drifts[0].kind, True) for injected in truth)


@every_scenario
def test_what_is_outside_of_its_ground_truth_is_untouched(name: str) -> None:
    first = min(start for start, _ in intervals(name))
    before = trips().filter(pa.array(trips()[TRIPS.time].to_numpy() < first))
    assert before.num_rows > 1_000
    assert rows(bent(name))[: before.num_rows] == rows(before)
    assert all(inside(name, row[TRIPS.time]) for row in changed(name))


@every_scenario
def test_its_ground_truth_begins_with_the_first_record_it_may_change(name: str) -> None:
    (drift,) = shipped(name).drifts
    may = [
        r for r in rows(trips()) if inside(name, r[TRIPS.time]) and fulfils(r, drift.conditions) and shows(drift, r)
    ]
    if drift.share == 1 and not drift.ramp:
        assert changed(name) == may
    else:
        grown = 1 - drift.ramp / (drift.ends_at - drift.starts_at) / 2
        assert abs(len(changed(name)) / len(may) - drift.share * grown) < 0.04
    for start, end in intervals(name):
        there = [r[TRIPS.time] for r in changed(name) if start <= r[TRIPS.time] < end]
        assert there, "nothing is changed in what it calls a drift"
        assert there[0] < start + (end - start) / 3


@every_scenario
def test_it_changes_the_columns_that_it_names_and_no_others(name: str) -> None:
    after, named = by_id(bent(name)), {c for i in scenario.injected(shipped(name)) for c in i.columns}
    if shipped(name).drifts[0].kind == "clock":
        named = {"pickup_at", "dropoff_at"}
    moved = {c for row in changed(name) for new in after.get(row[TRIPS.id], []) for c in row if new[c] != row[c]}
    assert moved == named


@every_scenario
def test_the_same_seed_gives_the_same_and_another_seed_other_records(name: str) -> None:
    assert bend(trips(), scenarios.load(name, TAXI, PERIOD)).equals(bent(name))
    drift = shipped(name).drifts[0]
    chance = drift.share < 1 or drift.ramp or drift.kind == "noise"
    assert bend(trips(), replace(shipped(name), seed=1)).equals(bent(name)) != bool(chance)


@every_scenario
def test_a_record_alone_is_bent_as_in_a_table_of_any_kind(name: str) -> None:
    """The producer's tables, single records, batches and data frames all go through the same door."""
    moved = shipped(name).moved(START + DAY // 2, 3 * DAY // 2)
    part = trips().slice(0, 450)
    whole = bend(part, moved)
    for cut in (1, 170):
        assert pa.concat_tables(bend(part.slice(at, cut), moved) for at in range(0, len(part), cut)).equals(whole)
    batches = [bend(batch, moved) for batch in part.combine_chunks().to_batches(200)]
    assert pa.Table.from_batches(batches).equals(whole)
    pd.testing.assert_frame_equal(bend(part.to_pandas(), moved), whole.to_pandas())
    assert bend(part, shipped(name), onset=START + DAY // 2, lasts=3 * DAY // 2).equals(whole)


@every_scenario
def test_what_is_in_the_log_is_what_the_table_holds(name: str) -> None:
    pieces = [bend(trips().slice(at, 999), shipped(name)) for at in range(0, len(trips()), 999)]
    sent: dict[str, list[dict[str, Any]]] = {TRIPS.topic: [], OUTCOMES.topic: []}
    for batches in replay(plan(PERIOD, 1), pieces, {}):
        for batch in batches:
            decode = decoder(TRIPS if batch.lane.topic == TRIPS.topic else OUTCOMES).decode
            assert all(decode(value) is not None for value in batch.values)
            sent[batch.lane.topic] += [r for r in map(json.loads, batch.values) if r["kind"] != "heartbeat"]
    table = bent(name)
    at = table[SENT if SENT in table.column_names else TRIPS.time].to_numpy()
    ordered = rows(table.take(pa.array(np.argsort(np.clip(at, *PERIOD), kind="stable"))))
    names = (TRIPS.id, TRIPS.time, *(f.name for f in TRIPS.fields))
    assert [{n: r.get(n) for n in names} for r in sent[TRIPS.topic]] == [{n: r[n] for n in names} for r in ordered]
    assert [r["seq"] for r in sent[TRIPS.topic]] == list(range(len(ordered)))
    labels = [(r[TRIPS.id], r["duration_min"]) for r in ordered if r["duration_min"] is not None]
    assert sorted((r[TRIPS.id], r["duration_min"]) for r in sent[OUTCOMES.topic]) == sorted(labels)


@pytest.mark.parametrize("name", sorted(LABELS_ONLY))
def test_where_only_labels_are_bent_the_events_are_the_same_bytes(name: str) -> None:
    def events(table: pa.Table) -> list[bytes]:
        return encode.records(TRIPS, table, "r", range(len(table)))

    assert events(bent(name)) == events(trips())
    assert changed(name)


def test_records_that_are_sent_twice_stand_side_by_side_with_numbers_of_their_own() -> None:
    ids = bent("duplicated-events")[TRIPS.id].to_pylist()
    twice = [i for i, following in pairwise(ids) if i == following]
    assert len(ids) == len(trips()) + len(twice) == len(set(ids)) + len(twice)
    assert len(twice) > 100
