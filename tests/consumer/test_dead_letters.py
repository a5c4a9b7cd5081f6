from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from consumer.dead_letters import from_mistimed, from_rejected, written_at
from consumer.decode import Rejected
from tests.consumer.fakes import START, Fake


def headers(extra: Any) -> Any:
    text = from_rejected(Fake(7, b"raw", b"key", extra), Rejected(0, "invalid", "why")).headers
    return None if text is None else json.loads(text)


def test_a_dead_letter_keeps_the_record_as_it_came() -> None:
    letter = from_rejected(Fake(7, b"\x00\xff", b"\x00"), Rejected(0, "invalid", "why", "r", START))
    assert (letter.offset, letter.raw, letter.key, letter.run_id, letter.event_time) == (
        7,
        b"\x00\xff",
        b"\x00",
        "r",
        START,
    )
    assert (letter.reason, letter.detail) == ("invalid", "why")


def test_a_late_trip_says_when_it_was_and_what_had_been_seen() -> None:
    letter = from_mistimed(Fake(7, b"raw"), "r", "late", START, START + 3_600_000)
    assert letter.detail == "event time 2022-02-01T00:00:00.000 when 2022-02-01T01:00:00.000 had been seen"


@pytest.mark.parametrize("none", [None, []])
def test_no_headers_are_null(none: Any) -> None:
    assert headers(none) is None


def test_headers_keep_their_order_and_may_repeat_or_be_null() -> None:
    assert headers([("b", b"1"), ("a", None), ("b", b"")]) == [
        {"name": "b", "value": "1"},
        {"name": "a", "value": None},
        {"name": "b", "value": ""},
    ]


@pytest.mark.parametrize("hostile", [b"\x00", b"\xff\xfe", b"a\x00b", b"\xed\xa0\x80"])
def test_header_bytes_that_json_cannot_hold_are_kept_as_base64(hostile: bytes) -> None:
    ((header),) = headers([("n", hostile)])
    assert b64decode(header["base64"]) == hostile


def test_header_names_are_made_printable() -> None:
    assert headers([("a\x1b[31m\x00", b"")])[0]["name"] == "a\\x1b[31m\\x00"


def test_headers_that_the_client_cannot_hand_over_are_marked_unreadable() -> None:
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    assert "0xff" in headers(error)[0]["unreadable"]


def detail(reason: str, time: int, reach: int | None, written_at: int | None = None) -> str:
    return from_mistimed(Fake(0, b"", written_at=written_at), "r", reason, time, reach).detail


def test_a_letter_of_the_future_says_what_it_was_judged_by() -> None:
    far, start = "2053-10-10T01:46:40.000", "2022-02-01T00:00:00.000"
    assert detail("future", START + 10**12, START) == f"event time {far} when {start} had been seen"
    beyond = f"event time {far} is far beyond the record's Kafka timestamp"
    assert detail("future", START + 10**12, None, START) == beyond


def test_times_in_another_unit_are_named_whichever_came_first() -> None:
    assert detail("late", START // 1_000, START).endswith("; it looks like seconds: send milliseconds")
    assert detail("future", START, START // 1_000).endswith(
        "; what had been seen looks like seconds: send milliseconds"
    )
    assert "looks like" not in detail("late", START - 10**9, START)


@pytest.mark.parametrize("absent", [None, 0, -1])
def test_a_kafka_timestamp_may_be_absent(absent: int | None) -> None:
    assert written_at(Fake(0, b"", written_at=absent)) is None
    assert written_at(Fake(0, b"", written_at=START)) == START
