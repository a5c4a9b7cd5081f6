"""What people put on a topic that takes JSON, made by the programs that make it where Python has them."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import pickle
import zlib

import msgspec
import pyarrow as pa
import pytest

from consumer import formats
from consumer.decode import INVALID, UNDECODABLE, Decoder
from schemas.streams.taxi import TRIPS
from tests.consumer.fakes import TRIP

TEXT = json.dumps(TRIP)
JSON = TEXT.encode()
FRAME = b"\x00" + (4711).to_bytes(4)
PROTOBUF = b"\x0a\x03t-1\x10\x80\xa8\xe3\xae\xeb\x2f\x18\x4a\x29" + 8 * b"\x3f"
AVRO = b"\x06t-1\x80\xd0\xc6\xdd\xd6\x5f\x94\x01\x96\x01"
CBOR = b"\xa2\x67trip_id\x63t-1\x69pickup_at\x1b\x00\x00\x01\x7e\xb2\x9a\x38\x00"
BSON = b"\x16\x00\x00\x00\x02trip_id\x00\x04\x00\x00\x00t-1\x00\x00"
CONNECT = {"schema": {"type": "struct"}, "payload": TRIP}
DEBEZIUM = {"before": None, "after": TRIP, "op": "c", "ts_ms": 1}

TABLE: list[tuple[bytes | None, str, str, str]] = [
    (None, UNDECODABLE, "tombstone", "plain JSON object"),
    (b"", UNDECODABLE, "empty", "plain JSON object"),
    (b" \n", UNDECODABLE, "empty", "plain JSON object"),
    (gzip.compress(JSON), UNDECODABLE, "gzip", "compression.type"),
    (zlib.compress(JSON, 1), UNDECODABLE, "zlib", "compression.type"),
    (zlib.compress(JSON), UNDECODABLE, "zlib", "compression.type"),
    (zlib.compress(JSON, 9), UNDECODABLE, "zlib", "compression.type"),
    (bz2.compress(JSON), UNDECODABLE, "bzip2", "compression.type"),
    (lzma.compress(JSON), UNDECODABLE, "xz", "compression.type"),
    (pa.compress(JSON, "zstd", asbytes=True), UNDECODABLE, "Zstandard", "compression.type"),
    (pa.compress(JSON, "lz4", asbytes=True), UNDECODABLE, "LZ4", "compression.type"),
    (b"\xff\x06\x00\x00sNaPpY" + JSON, UNDECODABLE, "Snappy", "compression.type"),
    (b"\x82SNAPPY\x00\x00\x00\x00\x01" + JSON, UNDECODABLE, "Snappy", "compression.type"),
    (TEXT.encode("utf-16"), UNDECODABLE, "UTF-16", "UTF-8"),
    (TEXT.encode("utf-16-le"), UNDECODABLE, "UTF-16", "UTF-8"),
    (TEXT.encode("utf-16-be"), UNDECODABLE, "UTF-16", "UTF-8"),
    (b"\xfe\xff" + TEXT.encode("utf-16-be"), UNDECODABLE, "UTF-16", "UTF-8"),
    (TEXT.encode("utf-32"), UNDECODABLE, "UTF-32", "UTF-8"),
    (TEXT.encode("utf-32-le"), UNDECODABLE, "UTF-32", "UTF-8"),
    (TEXT.encode("utf-32-be"), UNDECODABLE, "UTF-32", "UTF-8"),
    (TEXT.replace("t-1", "café").encode("latin-1"), UNDECODABLE, "8-bit encoding", "UTF-8"),
    (FRAME + JSON, UNDECODABLE, "JSON in the framing of the Schema Registry (schema 4711)", "without the registry"),
    (FRAME + AVRO, UNDECODABLE, "Avro in the framing of the Schema Registry (schema 4711)", "plain JSON object"),
    (FRAME + b"\x00" + PROTOBUF, UNDECODABLE, "Protobuf in the framing of the Schema", "plain JSON object"),
    (b"Obj\x01\x04\x14avro.codec", UNDECODABLE, "an Avro file", "plain JSON object"),
    (b"\xc3\x01" + 8 * b"\x07" + AVRO, UNDECODABLE, "single-object", "plain JSON object"),
    (PROTOBUF, UNDECODABLE, "Protobuf", "plain JSON object"),
    (msgspec.msgpack.encode(TRIP), UNDECODABLE, "MessagePack", "plain JSON object"),
    (msgspec.msgpack.encode({str(n): n for n in range(40)}), UNDECODABLE, "MessagePack", "plain JSON object"),
    (CBOR, UNDECODABLE, "CBOR", "plain JSON object"),
    (b"\xd9\xd9\xf7" + CBOR, UNDECODABLE, "CBOR", "plain JSON object"),
    (BSON, UNDECODABLE, "BSON", "plain JSON object"),
    (pickle.dumps(TRIP), UNDECODABLE, "pickle", "plain JSON object"),
    (b"\xac\xed\x00\x05sr\x00", UNDECODABLE, "Java", "value.serializer"),
    (b"PAR1\x15\x04", UNDECODABLE, "Parquet", "plain JSON object"),
    (b"ARROW1\x00\x00", UNDECODABLE, "Arrow", "plain JSON object"),
    (b"PK\x03\x04\x14\x00", UNDECODABLE, "ZIP", "plain JSON object"),
    (b'<?xml version="1.0"?><trip/>', UNDECODABLE, "XML", "plain JSON object"),
    (str(TRIP).encode(), UNDECODABLE, "repr() of a Python dict", "json.dumps"),
    (json.dumps(TRIP | {"tip_amount": float("nan")}).encode(), UNDECODABLE, "NaN", "null"),
    (JSON + b"\n" + JSON, UNDECODABLE, "several JSON objects", "of its own"),
    (base64.b64encode(JSON), UNDECODABLE, "Base64", "without Base64"),
    (json.dumps(TEXT).encode(), INVALID, "encoded twice", "once"),
    (json.dumps([TRIP, TRIP]).encode(), INVALID, "array", "of its own"),
    (json.dumps(CONNECT).encode(), INVALID, "Kafka Connect", "value.converter.schemas.enable=false"),
    (json.dumps(DEBEZIUM).encode(), INVALID, "Debezium", "ExtractNewRecordState"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "reason", "looks", "do"), TABLE, ids=[row[2] for row in TABLE])
def test_a_dead_letter_says_what_the_value_is_and_what_to_do(
    value: bytes | None, reason: str, looks: str, do: str
) -> None:
    decoded = Decoder(TRIPS).decode([JSON, value, JSON])
    (rejected,) = decoded.rejected
    assert (rejected.place, rejected.reason, decoded.places.tolist()) == (1, reason, [0, 2])
    assert looks in rejected.detail
    assert do in rejected.detail
    assert rejected.detail.isprintable()


@pytest.mark.parametrize(
    "value", [b"hello", b"{", b"{'", b"\x00", b"\x00\x00", b"\x8f", b"\n", b"\xff", b"\x80\x04"]
)
def test_short_values_are_guessed_at_without_harm(value: bytes) -> None:
    (rejected,) = Decoder(TRIPS).decode([value]).rejected
    assert rejected.reason == UNDECODABLE
    assert rejected.detail


@pytest.mark.parametrize("value", [b"hello", b'{"a": 1,}', b'{"trip_id": "t-1"', b"\n\nwell", b"[1", b"12 monkeys"])
def test_nothing_is_guessed_of_broken_json_and_plain_text(value: bytes) -> None:
    assert formats.describe_undecodable(value) is None


@pytest.mark.parametrize("value", [PROTOBUF + b"\x0a", PROTOBUF[:-1], PROTOBUF[:5], PROTOBUF + b"\x07\x00"])
def test_protobuf_is_what_fits_to_the_last_byte(value: bytes) -> None:
    assert formats.describe_undecodable(value) is None
