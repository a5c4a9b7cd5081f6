"""Which changes of a definition leave rows comparable, and which do not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.compatibility import incompatibility, same_bounds
from schemas.definition import Field, RunConfig, Stream, decode, encode
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS

KEPT = next(field for field in TRIPS.fields if field.role == "number" and field.required)
MINUTES = next(field for field in OUTCOMES.fields if field.name == OUTCOMES.label)


def with_field(**changes: Any) -> dict[str, Any]:
    return {"events": replace(TRIPS, fields=tuple(replace(f, **changes) if f == KEPT else f for f in TRIPS.fields))}


CARRIED = (*TRIPS.fields, Field(name="weather", type="str", role="carried"))


@pytest.mark.parametrize(
    "change",
    [
        with_field(low=-1.0, high=1e6),
        with_field(unit="km", description="of the trip", value_names=(("0", "none"),)),
        {"events": replace(TRIPS, fields=CARRIED)},
        {"unit": "s", "season_ms": 1, "segments": (KEPT.name,)},
        {"terms": RunConfig(pane_ms=60_000), "default_run": "mine"},
        {"labels": replace(OUTCOMES, known_at=None)},
    ],
    ids=["bounds", "texts", "a carried field", "of the stream", "terms", "when labels are known"],
)
def test_rows_of_both_definitions_can_stand_side_by_side(change: dict[str, Any]) -> None:
    changed = replace(TAXI, **change)
    assert changed.hash != TAXI.hash
    assert incompatibility("r", TAXI, changed) is None
    assert incompatibility("r", decode(encode(changed)), TAXI) is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (with_field(type="int"), f"column {KEPT.name}"),
        (with_field(role="category"), f"column {KEPT.name}"),
        (with_field(role="carried"), f"column {KEPT.name}"),
        (with_field(required=False), f"column {KEPT.name}"),
        (with_field(name="miles"), f"column miles and {KEPT.name}"),
        ({"events": replace(TRIPS, fields=TRIPS.fields[::-1])}, "order of the columns of events"),
        ({"events": replace(TRIPS, topic="rides")}, "topic of events"),
        ({"events": replace(TRIPS, kind="ride")}, "kind of events"),
        ({"events": replace(TRIPS, id="ride_id")}, "id of events"),
        ({"events": replace(TRIPS, time="begun_at")}, "time of events"),
        ({"events": replace(TRIPS, prediction=KEPT.name)}, "prediction of events"),
        ({"labels": replace(OUTCOMES, label=OUTCOMES.known_at)}, "label of labels"),
        ({"labels": replace(OUTCOMES, label_range=(2.0, 60.0))}, "label_range of labels"),
        ({"labels": None}, "set of topics"),
    ],
    ids=lambda what: what if isinstance(what, str) else "",
)
def test_rows_of_both_definitions_can_not_stand_side_by_side(change: dict[str, Any], what: str) -> None:
    expected = f"run r was begun when stream taxi had another {what}"
    assert incompatibility("r", TAXI, replace(TAXI, **change)) == expected
    assert incompatibility("r", replace(TAXI, **change), TAXI) == expected


def test_a_run_of_another_stream_is_that_whatever_its_columns() -> None:
    here = Stream(name="cabs", events=TRIPS, labels=OUTCOMES)
    assert incompatibility("r", TAXI, here) == "run r is of stream taxi, not of cabs as here"


def test_bounds_are_the_same_however_they_are_stored() -> None:
    assert same_bounds(decode(encode(TAXI)).events, TRIPS)
    assert not same_bounds(with_field(high=1e6)["events"], TRIPS)
