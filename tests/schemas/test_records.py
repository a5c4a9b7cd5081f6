from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from schemas import records
from schemas.streams.taxi import OUTCOMES, TRIPS

TRIP: dict[str, Any] = {
    "kind": "trip",
    "run_id": "r",
    "seq": 0,
    "trip_id": "t-1",
    "pickup_at": 1_643_673_600_000,
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 1.2,
    "fare_amount": 7.5,
    "extra": 0.5,
    "mta_tax": 0.5,
    "tip_amount": 0.0,
    "tolls_amount": 0.0,
    "improvement_surcharge": 0.3,
    "total_amount": 8.8,
}


def trip(**changes: Any) -> bytes:
    return records.encode(TRIP | changes)


def test_a_trip_decodes_to_the_fields_of_its_definition() -> None:
    decoded = records.decoder(TRIPS).decode(trip(passenger_count=2))
    assert (decoded.trip_id, decoded.seq, decoded.passenger_count, decoded.RatecodeID) == ("t-1", 0, 2, None)


def test_carried_fields_are_neither_decoded_nor_checked() -> None:
    assert not hasattr(records.decoder(TRIPS).decode(trip(mta_tax="free")), "mta_tax")


@pytest.mark.parametrize(
    "changes",
    [
        {"PULocationID": 266},
        {"PULocationID": 0},
        {"trip_distance": -0.1},
        {"trip_distance": "1.2"},
        {"trip_distance": float("nan")},
        {"passenger_count": 1.5},
        {"pickup_at": -1},
        {"pickup_at": records.MAX_TIME + 1},
        {"trip_id": ""},
        {"seq": -1},
        {"run_id": "with space"},
        {"run_id": "evil\n"},
        {"kind": "ride"},
    ],
    ids=str,
)
def test_what_the_definition_forbids_is_invalid(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        records.decoder(TRIPS).decode(trip(**changes))


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"\xff\xfe", trip()[:-5], b"NaN"], ids=str)
def test_what_is_not_json_cannot_be_decoded(raw: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        records.decoder(TRIPS).decode(raw)
    assert not isinstance(caught.value, msgspec.ValidationError)


def test_a_record_of_another_producer_needs_neither_kind_nor_run_nor_seq() -> None:
    foreign = {k: v for k, v in TRIP.items() if k not in ("kind", "run_id", "seq")}
    decoded = records.untagged_decoder(TRIPS).decode(records.encode(foreign))
    assert (decoded.run_id, decoded.seq) == (None, None)


def test_a_heartbeat_and_its_manifest_survive_the_wire() -> None:
    manifest = records.Manifest(
        source="synthetic",
        period=(0, 10),
        speed=600.0,
        injected=(records.Injected(starts_at=1, ends_at=2, label="km", columns=("trip_distance",)),),
    )
    beat = records.Heartbeat(run_id="r", seq=-1, at=5, manifest=manifest)
    for stream in (TRIPS, OUTCOMES):
        assert records.decoder(stream).decode(records.encode_heartbeat(beat)) == beat


def test_an_outcome_may_be_negative_because_tlc_has_such() -> None:
    raw = {"kind": "outcome", "run_id": "r", "seq": 0, "trip_id": "t", "pickup_at": 1, "duration_min": -3.5}
    assert records.decoder(OUTCOMES).decode(records.encode(raw)).duration_min == -3.5


@pytest.mark.parametrize("run_id", ["evil\n", "", "a b", "x" * 129, "\x1b[31m", "ü", "a\x00"])
@pytest.mark.parametrize("stream", [TRIPS, OUTCOMES], ids=lambda stream: stream.topic)
def test_no_record_names_a_run_that_the_board_would_refuse(stream: Any, run_id: str) -> None:
    beat = records.encode({"kind": "heartbeat", "run_id": run_id, "seq": 0, "at": 0})
    with pytest.raises(msgspec.ValidationError):
        records.decoder(stream).decode(beat)
    assert not records.is_run_id(run_id)


MANIFEST: dict[str, Any] = {"source": "test", "period": [0, 1], "injected": []}
STRETCH: dict[str, Any] = {"starts_at": 0, "ends_at": 1, "label": "km", "columns": ["fare_amount"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"period": [-(2**80), 2**80]},
        {"period": [0, records.MAX_TIME + 1]},
        {"source": "x" * 900_000},
        {"scenario": "x" * 201},
        {"speed": -1},
        {"events": 2**64},
        {"partitions": 2**31},
        {"injected": [STRETCH] * 1_001},
        {"injected": [STRETCH | {"starts_at": -1}]},
        {"injected": [STRETCH | {"ends_at": 2**64}]},
        {"injected": [STRETCH | {"label": "x" * 501}]},
        {"injected": [STRETCH | {"columns": ["x"] * 501}]},
        {"injected": [STRETCH | {"columns": ["x" * 201]}]},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_manifest_has_bounds(changes: dict[str, Any]) -> None:
    records.decoder(TRIPS).decode(_beat(MANIFEST))
    with pytest.raises(msgspec.ValidationError):
        records.decoder(TRIPS).decode(_beat(MANIFEST | changes))


def _beat(manifest: dict[str, Any]) -> bytes:
    return json.dumps({"kind": "heartbeat", "run_id": "r", "seq": 0, "at": 0, "manifest": manifest}).encode()
