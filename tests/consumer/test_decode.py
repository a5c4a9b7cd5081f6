from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consumer.decode import INVALID, UNDECODABLE, Decoder
from runtime.connections import ROOT
from schemas.definition import Records
from schemas.records import Heartbeat, Manifest, encode_heartbeat
from schemas.streams.taxi import OUTCOMES, TRIPS
from tests import oracle
from tests.consumer.fakes import TRIP as FOREIGN

TRIP: dict[str, Any] = {"kind": "trip", "run_id": "r", "seq": 0} | FOREIGN
BEAT = encode_heartbeat(Heartbeat(run_id="r", seq=0, at=1_643_673_600_000))


def trip(**changes: Any) -> bytes:
    return json.dumps(TRIP | changes).encode()


POISON: dict[str, tuple[bytes | None, str]] = {
    "null value": (None, UNDECODABLE),
    "empty": (b"", UNDECODABLE),
    "not JSON": (b"hello", UNDECODABLE),
    "truncated": (trip()[:-9], UNDECODABLE),
    "trailing": (trip() + b"}", UNDECODABLE),
    "not UTF-8": (b"\xff\xfe\x00", UNDECODABLE),
    "not UTF-8 inside": (trip().replace(b"t-1", b"t-\xff"), UNDECODABLE),
    "UTF-16": (trip().decode().encode("utf-16"), UNDECODABLE),
    "byte order mark before what is no JSON": (b"\xef\xbb\xbf{", UNDECODABLE),
    "byte order mark before another shape": (b"\xef\xbb\xbf" + trip(trip_id=5), INVALID),
    "two byte order marks": (2 * b"\xef\xbb\xbf" + trip(), UNDECODABLE),
    "half a passenger": (trip(passenger_count=1.5), INVALID),
    "integral but too large": (trip(passenger_count=256.0), INVALID),
    "integral in a text": (trip(trip_id=1.0), INVALID),
    "an integer in quotes": (trip(passenger_count="1"), INVALID),
    "NaN": (trip(trip_distance=float("nan")), UNDECODABLE),
    "infinite": (trip(trip_distance=float("inf")), UNDECODABLE),
    "deep": (b"[" * 200_000 + b"]" * 200_000, UNDECODABLE),
    "deep inside": (trip()[:-1] + b',"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", UNDECODABLE),
    "beyond float": (trip().replace(b"8.8", b"1e999"), INVALID),
    "huge integer": (trip(PULocationID=10**400), INVALID),
    "endless integer": (trip().replace(b"8.8", b"9" * 6_000), UNDECODABLE),
    "wrong type": (trip(trip_distance="far"), INVALID),
    "bool for a number": (trip(PULocationID=True), INVALID),
    "unknown zone": (trip(PULocationID=266), INVALID),
    "missing field": (json.dumps({"kind": "trip", "trip_id": "t"}).encode(), INVALID),
    "list": (b"[1, 2]", INVALID),
    "text": (b'"trip"', INVALID),
    "unknown kind": (trip(kind="ride"), INVALID),
    "kind is no text": (trip(kind=5), INVALID),
    "beyond 2100": (trip(pickup_at=4_102_444_800_001), INVALID),
    "before 1970": (trip(pickup_at=-1), INVALID),
    "time beyond 64 bits": (trip(pickup_at=2**70), INVALID),
    "bad run": (trip(run_id="a b"), INVALID),
    "NUL in run": (trip(run_id="a\x00b"), INVALID),
    "newline after run": (trip(run_id="a\n"), INVALID),
    "run is a number": (trip(run_id=5), INVALID),
    "heartbeat without run": (b'{"kind":"heartbeat","seq":1,"at":5}', INVALID),
    "half a surrogate": (trip().replace(b"t-1", b"\\ud800"), INVALID),
    "1 MB": (json.dumps({"kind": "trip", "padding": "x" * 1_000_000}).encode(), INVALID),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_rejected_and_its_neighbours_go_through(name: str) -> None:
    value, reason = POISON[name]
    decoded = Decoder(TRIPS).decode([trip(seq=0), value, BEAT, value, trip(seq=1)])
    assert [(r.place, r.reason) for r in decoded.rejected] == [(1, reason), (3, reason)]
    assert all(r.detail and "\x00" not in r.detail and len(r.detail) <= 500 for r in decoded.rejected)
    assert (decoded.places.tolist(), decoded.columns["seq"]) == ([0, 4], (0, 1))
    assert [place for place, _ in decoded.beats] == [2]


INTEGERS = (
    "seq",
    "pickup_at",
    "VendorID",
    "RatecodeID",
    "PULocationID",
    "passenger_count",
    "payment_type",
    "trip_type",
)


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("spelling", ["{}.0", "{}e0", "{}.000E0", "{}0e-1"])
def test_integral_floats_are_integers_in_every_field(name: str, spelling: str) -> None:
    number = 1_643_673_600_000 if name == "pickup_at" else 3
    value = trip(**{name: "@"}).replace(b'"@"', spelling.format(number).encode())
    decoded = Decoder(TRIPS).decode([value, trip(**{name: number})])
    assert decoded.rejected == ()
    assert [type(found) for found in decoded.columns[name]] == [int, int]
    assert set(decoded.columns[name]) == {number}


def test_the_readmes_records_are_a_trip_and_its_outcome() -> None:
    (block,) = re.findall(r"^```json\n(.+?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    first, second = block.strip().split("}\n")
    for records, text in ((TRIPS, first + "}"), (OUTCOMES, second)):
        value = json.dumps(json.loads(text)).encode()
        assert Decoder(records).decode([value]).rejected == (), text
        required = {records.id, records.time} | {f.name for f in records.kept if f.required}
        assert json.loads(text).keys() == required, "the least that is needed"


def test_a_record_as_pandas_writes_it_is_a_record() -> None:
    """TLC's own file by `to_json`: integers are floats, since there are rows without them."""
    codes = {"VendorID": 2, "RatecodeID": 1.0, "passenger_count": 1.0, "payment_type": 1.0, "trip_type": None}
    decoded = Decoder(TRIPS).decode([json.dumps(FOREIGN | codes).encode()] * 3)
    assert decoded.rejected == ()
    assert {name: decoded.columns[name] for name in codes} == {name: (value,) * 3 for name, value in codes.items()}


def test_heartbeats_and_manifests_may_be_spelled_with_floats_too() -> None:
    manifest = {"source": "s", "period": [0.0, 1e3], "speed": 2.0, "events": 7.0, "partitions": 4.0}
    record = {"kind": "heartbeat", "run_id": "r", "seq": -1.0, "at": 5.0, "manifest": manifest}
    ((_, found),) = Decoder(TRIPS).decode([json.dumps(record).encode()]).beats
    expected = Manifest(source="s", period=(0, 1_000), speed=2.0, events=7, partitions=4)
    assert found == Heartbeat(run_id="r", seq=-1, at=5, manifest=expected)


@pytest.mark.parametrize("value", [trip(), json.dumps(FOREIGN).encode(), BEAT, trip(passenger_count=1.0)])
def test_a_byte_order_mark_is_no_part_of_the_record(value: bytes) -> None:
    plain, marked = Decoder(TRIPS).decode([value]), Decoder(TRIPS).decode([b"\xef\xbb\xbf" + value])
    assert marked.rejected == ()
    assert (plain.columns, plain.beats) == (marked.columns, marked.beats)


@pytest.mark.parametrize(
    ("time", "advice"),
    [
        (1_643_673_600_000_000, "looks like microseconds: send milliseconds"),
        (1_643_673_600_000_000_000, "looks like nanoseconds: send milliseconds"),
        (1_643_673_600.25, "looks like seconds: send milliseconds"),
        ("2022-02-01T00:00:00Z", "send milliseconds since the epoch, as a number"),
    ],
)
def test_the_detail_of_a_time_in_another_unit_names_the_one_that_is_wanted(time: Any, advice: str) -> None:
    (rejected,) = Decoder(TRIPS).decode([trip(pickup_at=time)]).rejected
    assert (rejected.reason, rejected.run_id) == (INVALID, "r")
    assert rejected.detail.endswith(advice)


def test_no_unit_is_guessed_where_another_field_is_wrong() -> None:
    (rejected,) = Decoder(TRIPS).decode([trip(pickup_at=1_643_673_600, trip_distance="far")]).rejected
    assert "milliseconds" not in rejected.detail


def test_what_is_known_of_a_rejected_record_is_kept() -> None:
    (rejected,) = Decoder(TRIPS).decode([trip(trip_distance="far")]).rejected
    assert (rejected.run_id, rejected.time) == ("r", TRIP["pickup_at"])
    assert rejected.detail == "Expected `float`, got `str` - at `$.trip_distance`"


def test_a_rejected_record_of_a_hostile_run_is_of_no_run() -> None:
    (rejected,) = Decoder(TRIPS).decode([trip(trip_distance="far", run_id="a\x00b", pickup_at=10**18)]).rejected
    assert (rejected.run_id, rejected.time) == ("", None)


def test_records_without_kind_may_come_mixed_with_others() -> None:
    bare = json.dumps(FOREIGN).encode()
    decoded = Decoder(TRIPS).decode([bare, bare, trip(), BEAT, bare, b"{", bare])
    assert decoded.places.tolist() == [0, 1, 2, 4, 6]
    assert decoded.columns["run_id"] == (None, None, "r", None, None)
    assert [r.place for r in decoded.rejected] == [5]


def test_the_detail_of_a_record_without_kind_says_what_else_is_wrong_with_it() -> None:
    (rejected,) = Decoder(TRIPS).decode([json.dumps(FOREIGN | {"PULocationID": 0}).encode()]).rejected
    assert "PULocationID" in rejected.detail


def test_an_empty_batch_and_one_of_heartbeats_have_no_rows() -> None:
    assert len(Decoder(TRIPS).decode([]).places) == 0
    decoded = Decoder(OUTCOMES).decode([BEAT])
    assert (len(decoded.places), len(decoded.beats), decoded.columns["run_id"]) == (0, 1, ())


@pytest.mark.parametrize(
    "manifest",
    [
        {"source": "test", "period": [-(2**80), 2**80]},
        {"source": "x" * 900_000, "period": [0, 1]},
        {"source": "\x1b[31m", "period": "\x1b[31m"},
        {"period": [0, 1]},
        "a text",
    ],
    ids=lambda manifest: str(manifest)[:40],
)
def test_a_heartbeat_moves_the_clock_whatever_its_manifest_holds_and_says_what_is_wrong(manifest: Any) -> None:
    value = json.dumps(json.loads(BEAT) | {"manifest": manifest, "final": True}).encode()
    decoded = Decoder(TRIPS).decode([trip(), value, trip(seq=1)])
    assert (decoded.rejected, decoded.places.tolist()) == ((), [0, 2])
    ((place, beat),) = decoded.beats
    assert (place, beat.run_id, beat.at, beat.final) == (1, "r", 1_643_673_600_000, True)
    assert beat.manifest is not None
    assert beat.manifest.source.startswith("manifest refused: ")
    assert beat.manifest.source.isprintable()
    assert oracle.decoded(value, TRIPS)[0] is None


def test_a_heartbeat_with_more_wrong_than_its_manifest_is_rejected() -> None:
    broken = json.loads(BEAT) | {"manifest": {}, "at": -1}
    (rejected,) = Decoder(TRIPS).decode([json.dumps(broken).encode()]).rejected
    assert rejected.reason == INVALID


values = st.one_of(
    st.binary(max_size=40),
    st.none(),
    st.just(BEAT),
    st.just(json.dumps(FOREIGN).encode()),
    st.sampled_from([trip(pickup_at=1e12), trip(seq=1.0, passenger_count=1.5), b"\xef\xbb\xbf" + trip()]),
    st.sampled_from([value for value, _ in POISON.values() if value is not None and len(value) < 10_000]),
    st.builds(
        lambda cut, byte: trip()[:cut] + byte + trip()[cut + 1 :], st.integers(0, 230), st.binary(max_size=1)
    ),
)


@settings(deadline=None)
@given(st.lists(values, max_size=12))
def test_whatever_bytes_come_each_record_has_exactly_one_fate(batch: list[bytes | None]) -> None:
    decoded = Decoder(TRIPS).decode(batch)
    fates = [*decoded.places.tolist(), *(p for p, _ in decoded.beats), *(r.place for r in decoded.rejected)]
    assert sorted(fates) == list(range(len(batch)))
    for rejected in decoded.rejected:
        expected = oracle.decoded(batch[rejected.place], TRIPS)[0]
        assert expected in (rejected.reason, None)


def test_each_record_is_decoded_by_the_definition_of_its_run() -> None:
    """Valid by either, neither, and one of two definitions; records without a run are of the default one."""

    def with_most(passengers: int) -> Records:
        changed = (replace(f, high=passengers) if f.name == "passenger_count" else f for f in TRIPS.fields)
        return replace(TRIPS, fields=tuple(changed))

    tight, loose = with_most(3), with_most(500)
    runs = ("r", "tight", "loose", None)
    values = [trip(run_id=run, passenger_count=n) for n in (2, 9, 300, 999) for run in runs] + [b"{", BEAT, None]
    found = Decoder(TRIPS, "loose").decode(values, {"tight": tight, "loose": loose})
    by = {"r": Decoder(TRIPS), "tight": Decoder(tight), "loose": Decoder(loose), None: Decoder(loose)}
    expected = [by[run].decode([values[at]]) for at, run in enumerate(runs * 4)]
    assert found.places.tolist() == [at for at, alone in enumerate(expected) if len(alone.places)]
    assert found.columns["passenger_count"] == (2, 2, 2, 2, 9, 9, 9, 300, 300)
    rejected = {r.place: (r.reason, r.detail, r.run_id) for r in found.rejected}
    for at, alone in enumerate(expected):
        assert rejected.get(at) == next(((r.reason, r.detail, r.run_id) for r in alone.rejected), None)
    assert [place for place, _ in found.beats] == [17]
    assert {16, 18} < {*rejected}
