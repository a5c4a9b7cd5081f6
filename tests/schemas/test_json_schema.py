from __future__ import annotations

import json
from pathlib import Path

import pytest

from producer import encode
from schemas.json.__main__ import HERE, schemas
from schemas.records import Heartbeat, encode_heartbeat
from schemas.taxi import OUTCOMES, STREAMS, TRIPS
from tests.producer.trips import START, table


@pytest.mark.parametrize(("path", "text"), schemas().items(), ids=lambda value: getattr(value, "name", ""))
def test_the_exported_schema_is_that_of_the_code(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `python -m schemas.json`"


def test_there_is_one_schema_a_topic_and_no_other() -> None:
    assert sorted(p.name for p in HERE.glob("*.json")) == sorted(f"{s.topic}.schema.json" for s in STREAMS)


def test_what_the_producer_sends_is_what_the_schema_names() -> None:
    definition = json.loads((HERE / "trips.schema.json").read_text())["$defs"]["Trip"]
    (value,) = encode.records(TRIPS, table([(START, START)]), "run-1", [0])
    assert set(json.loads(value)) == set(definition["properties"])
    assert set(definition["required"]) <= set(json.loads(value))


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.topic)
def test_a_topic_holds_its_records_and_heartbeats(stream: object) -> None:
    name = "trips" if stream is TRIPS else "outcomes" if stream is OUTCOMES else ""
    schema = json.loads((HERE / f"{name}.schema.json").read_text())
    beat = json.loads(encode_heartbeat(Heartbeat(run_id="run-1", seq=-1, at=START, final=True)))
    assert set(schema["discriminator"]["mapping"]) == {"heartbeat", name.removesuffix("s")}
    assert set(beat) <= set(schema["$defs"]["Heartbeat"]["properties"])
