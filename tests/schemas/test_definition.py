from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from models.card import definition_hash as bound
from schemas.definition import Field, Records, RunConfig, Segment, Stream, decode, encode
from schemas.errors import UsageError
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS

MODELS_ARE_BOUND_TO = "4ff711aad6f84b167b62e2a39e5ba0a9196acdb462b868c4120ededecc35503e"
"""Of trips, in the card of every artifact that was ever made."""

PARTS = Records(
    topic="parts",
    kind="part",
    id="serial",
    time="made_at",
    fields=(
        Field(name="width", type="float", role="number", unit="mm"),
        Field(name="guess", type="float", role="number"),
    ),
    prediction="guess",
)


def test_a_model_is_bound_to_the_same_hash_as_ever() -> None:
    assert bound(TRIPS) == MODELS_ARE_BOUND_TO


@pytest.mark.parametrize("stream", [TAXI, Stream(name="parts", events=PARTS)], ids=lambda stream: stream.name)
def test_a_definition_comes_back_from_json_as_it_was(stream: Stream) -> None:
    again = decode(encode(stream))
    from_jsonb = decode(msgspec.json.decode(encode(stream)))
    assert again == from_jsonb == stream
    assert again.hash == from_jsonb.hash == stream.hash
    assert hash(again) == hash(stream)


def test_whatever_changes_in_a_definition_changes_its_hash() -> None:
    changes = [
        {"name": "cab"},
        {"labels": None},
        {"unit": "s"},
        {"segments": ("VendorID", Segment(column="payment_type", name="service", present="metered"))},
        {"terms": RunConfig(pane_ms=60_000)},
        {"events": replace(TRIPS, fields=TRIPS.fields[:-1])},
    ]
    hashes = {replace(TAXI, **change).hash for change in changes}
    assert len(hashes | {TAXI.hash}) == len(changes) + 1


def test_what_is_there_for_display_is_no_part_of_what_a_model_is_bound_to() -> None:
    plain = tuple(replace(field, unit=None, value_names=(), description="of it") for field in TRIPS.fields)
    assert bound(replace(TRIPS, fields=plain)) == bound(TRIPS)
    assert bound(replace(TRIPS, fields=(replace(plain[0], high=9.0), *plain[1:]))) != bound(TRIPS)


def test_roles_follow_from_the_label() -> None:
    assert [records.role for records in TAXI.topics] == ["events", "labels"]
    assert TAXI.records("events") is TRIPS
    assert TAXI.records("labels") is OUTCOMES
    alone = Stream(name="parts", events=PARTS)
    assert alone.topics == (PARTS,)
    assert not alone.needs_model
    with pytest.raises(KeyError):
        alone.records("labels")


def test_a_prediction_that_comes_in_the_record_may_be_called_so() -> None:
    named = replace(PARTS, fields=(replace(PARTS.fields[1], name="prediction"),), prediction="prediction")
    assert named.numbers == ()


def test_a_prediction_that_comes_in_the_record_is_no_column_beside_itself() -> None:
    assert PARTS.numbers == ("width",)


def test_units_and_names_of_values_are_the_fields_own_and_the_streams_of_label_and_prediction() -> None:
    assert [TAXI.unit_of(name) for name in ("fare_amount", "duration_min", "prediction", "VendorID", "none")] == [
        "$",
        "min",
        "min",
        None,
        None,
    ]
    assert TAXI.value_names("DOLocationID")["1"] == "Newark Airport"
    assert TAXI.value_names("fare_amount") == {}


@pytest.mark.parametrize(
    "broken",
    [
        lambda: replace(TAXI, labels=TRIPS),
        lambda: replace(TAXI, events=OUTCOMES),
        lambda: replace(TAXI, labels=replace(OUTCOMES, topic="trips")),
        lambda: replace(TAXI, segments=("colour",)),
        lambda: replace(TAXI, segments=("extra",)),
        lambda: replace(TAXI, segments=("VendorID", Segment(column="VendorID", top=2))),
        lambda: replace(TAXI, segments=(Segment(column="VendorID", name="a=b"),)),
        lambda: replace(TAXI, segments=(Segment(column="VendorID", top=0),)),
        lambda: replace(PARTS, time="serial"),
        lambda: replace(PARTS, id="width"),
        lambda: replace(PARTS, id="run_id"),
        lambda: replace(PARTS, time="offset"),
        lambda: replace(PARTS, id="driftline:partition"),
        lambda: replace(PARTS, fields=(*PARTS.fields, Field(name="prediction", type="float", role="number"))),
        lambda: replace(PARTS, fields=(*PARTS.fields, Field(name="prediction", type="float", role="carried"))),
        lambda: replace(OUTCOMES, time="prediction"),
        lambda: replace(PARTS, prediction="score"),
        lambda: replace(OUTCOMES, label="delay"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(broken: object) -> None:
    with pytest.raises(UsageError):
        broken()  # type: ignore[operator]
