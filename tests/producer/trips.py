"""Trips for the producer's tests, and its sequence said once more in plain Python."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from producer.bend import SENT
from producer.plan import Lane, ReplayPlan
from producer.sources.canonical import SCHEMA, with_durations
from schemas.records import Heartbeat, Manifest, encode_heartbeat
from schemas.streams.taxi import OUTCOMES, STREAMS, TAXI, TRIPS
from tests.partitioning import partition_of

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_643_673_600_000
"""2022-02-01."""

FIELDS: dict[str, Any] = {
    "VendorID": 2,
    "store_and_fwd_flag": "N",
    "RatecodeID": 1,
    "PULocationID": 43,
    "DOLocationID": 238,
    "passenger_count": 1,
    "trip_distance": 1.16,
    "fare_amount": 5.5,
    "extra": 0.5,
    "mta_tax": 0.5,
    "tip_amount": 1.02,
    "tolls_amount": 0.0,
    "improvement_surcharge": 0.3,
    "total_amount": 7.82,
    "payment_type": 1,
    "trip_type": 1,
    "congestion_surcharge": 0.0,
}

Times = Sequence[tuple[int, int | None]]
"""(pickup, drop-off or None) of each trip, ms since the epoch."""


def table(times: Times, first: int = 0, **fields: Any) -> pa.Table:
    """Canonical trips with these times, all other fields the same."""
    rows = [
        {**FIELDS, **fields, "trip_id": f"t-{number:04d}", "pickup_at": pickup, "dropoff_at": dropoff}
        for number, (pickup, dropoff) in enumerate(times, first)
    ]
    return with_durations(pa.Table.from_pylist(rows, schema=SCHEMA))


def tables(times: Times, cut: int) -> list[pa.Table]:
    """The same trips in tables of `cut` rows."""
    return [table(times[at : at + cut], first=at) for at in range(0, len(times), cut)]


def plan(period: tuple[int, int], partitions: int = 2, **options: int) -> ReplayPlan:
    return ReplayPlan(
        TAXI, "run-1", Manifest(source="test", period=period, partitions=partitions), partitions, **options
    )


def plainly(plan: ReplayPlan, times: Times, bent: pa.Table | None = None) -> dict[Lane, list[bytes]]:
    """What each lane must hold, in order: first heartbeat, data and scheduled heartbeats, final heartbeat.

    bent: the same trips, but for what a scenario did to them.
    """
    low, high = plan.manifest.period
    events: dict[str, list[tuple[int, dict[str, Any]]]] = {TRIPS.topic: [], OUTCOMES.topic: []}
    for row in (table(times) if bent is None else bent).to_pylist():
        pickup, dropoff, late = (
            row["pickup_at"],
            row["dropoff_at"],
            row.get(SENT, row["pickup_at"]) - row["pickup_at"],
        )
        trip = {k: row[k] for k in ("trip_id", "pickup_at", *(f.name for f in TRIPS.fields))}
        events["trips"].append((min(max(pickup + late, low), high - 1), trip))
        if row["duration_min"] is not None:
            outcome = {k: row[k] for k in ("trip_id", "pickup_at", "dropoff_at", "duration_min")}
            events["outcomes"].append((min(max(pickup + late, dropoff + late, low), high - 1), outcome))
    last = max((clock for happened in events.values() for clock, _ in happened), default=low)
    grid = range((low // plan.grid_ms + 1) * plan.grid_ms, last + 1, plan.grid_ms)
    lanes: dict[Lane, list[bytes]] = defaultdict(list)
    for stream in STREAMS:
        happened = sorted(events[stream.topic], key=lambda pair: pair[0])
        for p in range(plan.partitions):
            mine = [(c, r) for c, r in happened if partition_of(r["trip_id"].encode(), plan.partitions) == p]
            lane, seq = lanes[Lane(stream.topic, p)], -1
            lane.append(_beat(plan, -1, low, manifest=plan.manifest))
            for clock, _, record in sorted(
                [(c, 1, r) for c, r in mine] + [(g, 0, {}) for g in grid], key=lambda e: e[:2]
            ):
                if record:
                    seq += 1
                    head = {"kind": stream.kind, "run_id": plan.run_id, "seq": seq}
                    lane.append(compact({**head, **{k: v for k, v in record.items() if v is not None}}))
                else:
                    lane.append(_beat(plan, seq, clock))
            lane.append(_beat(plan, seq, last, final=True))
    return dict(lanes)


def compact(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def _beat(plan: ReplayPlan, seq: int, at: int, **more: Any) -> bytes:
    return encode_heartbeat(Heartbeat(run_id=plan.run_id, seq=seq, at=at, **more))
