from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from consumer.decode import Decoder
from producer import encode
from schemas.definition import Records
from schemas.json.__main__ import HERE, schemas
from schemas.records import Heartbeat, encode_heartbeat
from schemas.streams.taxi import OUTCOMES, STREAMS, TRIPS
from schemas.topics import ALARMS
from tests import logs
from tests.producer.trips import START, table


@pytest.mark.parametrize(("path", "text"), schemas().items(), ids=lambda value: getattr(value, "name", ""))
def test_the_exported_schema_is_that_of_the_code(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `python -m schemas.json`"


def test_there_is_one_schema_a_topic_and_no_other() -> None:
    assert sorted(p.name for p in HERE.glob("*.json")) == sorted(
        f"{topic}.schema.json" for topic in (ALARMS, *(s.topic for s in STREAMS))
    )


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.topic)
def test_ids_times_and_numbers_are_described(stream: Records) -> None:
    known = json.loads((HERE / f"{stream.topic}.schema.json").read_text(encoding="utf-8"))["$defs"]
    described = {
        stream.kind.capitalize(): {"run_id", "seq", stream.id, stream.time},
        "Heartbeat": {"run_id", "seq", "at"},
        "Injected": {"starts_at", "ends_at"},
    }
    for name, fields in described.items():
        for field in fields:
            assert "description" in json.dumps(known[name]["properties"][field]), (name, field)
    assert "milliseconds since 1970" in json.dumps(known[stream.kind.capitalize()]["properties"][stream.time])


def test_what_the_producer_sends_is_what_the_schema_names() -> None:
    definition = json.loads((HERE / "trips.schema.json").read_text())["$defs"]["Trip"]
    (value,) = encode.records(TRIPS, table([(START, START)]), "run-1", [0])
    assert set(json.loads(value)) == set(definition["properties"])
    assert set(definition["required"]) <= set(json.loads(value))


DATA = {
    "trips": logs.trip_of(logs.trips(1, 1)[0]) | {"kind": "trip", "run_id": "r", "seq": 0},
    "outcomes": logs.outcome_of(logs.trips(1, 1)[0]) | {"kind": "outcome", "run_id": "r", "seq": 0},
}
INJECTED = {"starts_at": 1, "ends_at": 2, "label": "x", "columns": ["a"]}
MANIFEST = {"source": "s", "period": [0, 1], "speed": 2.5, "trips": 3, "partitions": 4, "injected": [INJECTED]}
BEAT = {"kind": "heartbeat", "run_id": "r", "seq": -1, "at": START, "final": False, "manifest": MANIFEST}
WHOLE = [
    "0",
    "-0",
    "1",
    "1.0",
    "1e0",
    "1.0E3",
    "10E-1",
    "-0.0",
    "74.0",
    "1e2",
    "9007199254740992.0",
    "1643674821000.0",
]
OTHER = [
    "1.5",
    "-1",
    "-1.0",
    "255.0",
    "256.0",
    "1e22",
    "9007199254740994",
    "4102444800000.0",
    "4102444800001.0",
    "-1e9",
]
REST = [
    "null",
    "true",
    "false",
    '""',
    '"1"',
    '"N"',
    '"r"',
    '"a b"',
    '"\\u00e9"',
    "[]",
    "[1.0, 2.0]",
    "[0, 1, 2]",
    "{}",
]
LONG = [
    f'"{"x" * 128}"',
    f'"{"x" * 129}"',
    f'"{"é" * 128}"',
    '"\\ud83d\\ude00"',
    json.dumps(MANIFEST),
    '"trip"',
    '"heartbeat"',
]


def spellings(record: dict[str, Any], path: tuple[Any, ...] = ()) -> Iterator[str]:
    """The record with each of its values, at any depth, spelled or set otherwise, or missing."""
    for key, value in record.items() if isinstance(record, dict) else enumerate(record):
        for text in (*WHOLE, *OTHER, *REST, *LONG):
            changed = copy.copy(record)
            changed[key] = "@"
            yield json.dumps(changed).replace('"@"', text)
        if isinstance(value, dict | list):
            for inner in spellings(value):
                changed = copy.copy(record)
                changed[key] = "@"
                yield json.dumps(changed).replace('"@"', inner)
        if isinstance(record, dict):
            yield json.dumps({k: v for k, v in record.items() if k != key})


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.topic)
def test_what_the_schema_calls_valid_is_decoded_and_nothing_else(stream: Records) -> None:
    schema = json.loads((HERE / f"{stream.topic}.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)
    values = [*spellings(DATA[stream.topic]), *spellings(BEAT)]
    decoded = Decoder(stream).decode([value.encode() for value in values])
    rejected = {r.place: r.detail for r in decoded.rejected}
    manifests = {place: beat.manifest.source for place, beat in decoded.beats if beat.manifest}
    rejected |= {place: reason for place, reason in manifests.items() if reason.startswith("manifest refused")}
    valid = [validator.is_valid(json.loads(value)) for value in values]
    assert [(v, rejected.get(i)) for i, v in enumerate(values) if valid[i] is (i in rejected)] == []
    assert 250 < sum(valid) < len(values) - 250


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.topic)
def test_a_topic_holds_its_records_and_heartbeats(stream: object) -> None:
    name = "trips" if stream is TRIPS else "outcomes" if stream is OUTCOMES else ""
    schema = json.loads((HERE / f"{name}.schema.json").read_text())
    beat = json.loads(encode_heartbeat(Heartbeat(run_id="run-1", seq=-1, at=START, final=True)))
    assert set(schema["discriminator"]["mapping"]) == {"heartbeat", name.removesuffix("s")}
    assert set(beat) <= set(schema["$defs"]["Heartbeat"]["properties"])
