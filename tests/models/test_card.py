from __future__ import annotations

import msgspec

from models.card import definition_hash
from schemas.definition import decode, encode
from schemas.streams.taxi import TAXI


def test_a_model_is_bound_to_a_definition_however_it_was_stored() -> None:
    """As jsonb, where every bound is a float."""
    stored = decode(msgspec.json.decode(encode(TAXI)))
    assert [definition_hash(r) for r in stored.topics] == [definition_hash(r) for r in TAXI.topics]


def test_the_hash_of_a_definition_stays_that_of_artifacts_that_exist() -> None:
    assert definition_hash(TAXI.events) == "4ff711aad6f84b167b62e2a39e5ba0a9196acdb462b868c4120ededecc35503e"
    assert definition_hash(TAXI.labels) == "12b5def3b5f16720120e03e776b816642df11f65e5e4f08bf97be5d822baeda9"


def test_another_bound_is_another_definition() -> None:
    first, *others = TAXI.events.fields
    changed = msgspec.structs.replace(first, high=254.5)
    events = msgspec.structs.replace(TAXI.events, fields=(changed, *others))
    assert definition_hash(events) != definition_hash(TAXI.events)
