from __future__ import annotations

import json

import pyarrow as pa

from producer import encode
from schemas.streams.taxi import TRIPS
from tests.partitioning import partition_of
from tests.producer.trips import FIELDS, START, table


def test_a_record_is_one_object_in_the_order_of_its_definition_with_kind_first() -> None:
    (value,) = encode.records(TRIPS, table([(START, None)]), "run-1", [7])
    assert list(json.loads(value).items()) == [
        ("kind", "trip"),
        ("run_id", "run-1"),
        ("seq", 7),
        ("trip_id", "t-0000"),
        ("pickup_at", START),
        *FIELDS.items(),
    ]


def test_whole_numbers_stay_whole_beside_missing_ones() -> None:
    rows = pa.concat_tables(
        [table([(START, None)], passenger_count=None), table([(START, None)], passenger_count=3)]
    )
    without, having = (json.loads(value) for value in encode.records(TRIPS, rows, "run-1", [0, 1]))
    assert "passenger_count" not in without
    assert repr(having["passenger_count"]) == "3"


def test_decimals_survive_to_the_last_bit() -> None:
    numbers = [0.1 + 0.2, 1e-300, 90_420.0, -0.0, 1 / 3]
    rows = pa.concat_tables([table([(START, None)], trip_distance=number) for number in numbers])
    values = encode.records(TRIPS, rows, "run-1", range(len(numbers)))
    assert [repr(json.loads(value)["trip_distance"]) for value in values] == [repr(number) for number in numbers]


def test_text_is_escaped_and_utf8() -> None:
    (value,) = encode.records(TRIPS, table([(START, None)], store_and_fwd_flag='"ü\n'), "run-1", [0])
    assert json.loads(value.decode())["store_and_fwd_flag"] == '"ü\n'


def test_partitions_are_those_of_the_contract() -> None:
    ids = pa.chunked_array([[f"green-2022-02-{n:07d}" for n in range(100)], ["x", "ü", ""]])
    found = encode.partitions(ids, 7).tolist()
    assert found == [partition_of(key, 7) for key in encode.keys(ids)]
    assert set(found) == set(range(7))
