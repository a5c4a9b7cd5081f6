"""Guess the format of values that are not JSON records, for the details of dead letters. Pure.

A guess goes by the first bytes, and by the whole value where that costs little. Each says what to change at the
producer, since nothing can be read from such a value here.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import msgspec

_PLAIN = "send each record as one plain JSON object in UTF-8"
_COMPRESSED = "do not compress values: set the producer's compression.type instead"

_MAGIC = (
    (b"\x1f\x8b", "gzip", _COMPRESSED),
    (b"\x28\xb5\x2f\xfd", "Zstandard", _COMPRESSED),
    (b"\x04\x22\x4d\x18", "LZ4", _COMPRESSED),
    (b"\xff\x06\x00\x00sNaPpY", "Snappy", _COMPRESSED),
    (b"\x82SNAPPY\x00", "Snappy", _COMPRESSED),
    (b"BZh", "bzip2", _COMPRESSED),
    (b"\xfd7zXZ\x00", "xz", _COMPRESSED),
    (b"x\x01", "zlib", _COMPRESSED),
    (b"x\x5e", "zlib", _COMPRESSED),
    (b"x\x9c", "zlib", _COMPRESSED),
    (b"x\xda", "zlib", _COMPRESSED),
    (b"PK\x03\x04", "a ZIP archive", _PLAIN),
    (b"Obj\x01", "an Avro file", _PLAIN),
    (b"\xc3\x01", "Avro (single-object encoding)", _PLAIN),
    (b"PAR1", "a Parquet file", _PLAIN),
    (b"ARROW1", "an Arrow file", _PLAIN),
    (
        b"\xac\xed\x00\x05",
        "a serialized Java object",
        "set the producer's value.serializer to one that writes JSON",
    ),
    (b"\xd9\xd9\xf7", "CBOR", _PLAIN),
    (b"<", "XML", _PLAIN),
)

_UTF = (  # 32 before 16, whose patterns it also has
    ("UTF-32", "utf-32-le", b"\xff\xfe\x00\x00"),
    ("UTF-32", "utf-32-be", b"\x00\x00\xfe\xff"),
    ("UTF-16", "utf-16-le", b"\xff\xfe"),
    ("UTF-16", "utf-16-be", b"\xfe\xff"),
)


def describe_undecodable(value: bytes | None) -> str | None:
    """Describe a value that cannot be decoded as JSON.

    Returns:
        What it looks like, and what to do; None without a guess.
    """
    if value is None:
        return f"there is no value: a tombstone, as for deleted rows, is no record; {_PLAIN}"
    if not value.strip():
        return f"the value is empty: {_PLAIN}"
    guess, do = _utf(value) or _framed(value) or _magic(value) or _binary(value) or _text(value) or ("", "")
    return f"looks like {guess}: {do}" if guess else None


def describe_json(record: Any) -> str | None:
    """Describe a JSON value that is no valid record.

    Returns:
        What it looks like, and what to do; None without a guess.
    """
    if isinstance(record, str) and _is_json(record):
        return "looks like JSON encoded twice, a string that holds the record: encode it once"
    if isinstance(record, list):
        return "looks like several records in an array: send each as a Kafka record of its own"
    if not isinstance(record, dict):
        return None
    if record.keys() == {"schema", "payload"}:
        return "looks like Kafka Connect's JSON with its schema: set value.converter.schemas.enable=false"
    if {"op", "after"} <= record.keys():
        return "looks like a change event of Debezium: unwrap it with ExtractNewRecordState"
    return None


Guess = tuple[str, str] | None


def _utf(value: bytes) -> Guess:
    for name, codec, bom in _UTF:
        marked = value.startswith(bom)
        head = value[:64].removeprefix(bom).decode(codec, "ignore").lstrip()
        if marked or (head.startswith("{") and b"\x00" in value[:4]):
            return name, "encode values as UTF-8"
    return None


def _framed(value: bytes) -> Guess:
    """The Schema Registry's framing: a zero, four bytes of the schema's id, the payload."""
    if value[0] or len(value) < 6:
        return None
    number, payload = int.from_bytes(value[1:5]), value[5:]
    if _is_json(payload):
        kind, do = "JSON", "use a serializer of plain JSON, without the registry"
    elif payload[0] == 0 and _is_protobuf(payload[1:]):
        kind, do = "Protobuf", _PLAIN
    else:
        kind, do = "Avro", _PLAIN
    return f"{kind} in the framing of the Schema Registry (schema {number})", do


def _magic(value: bytes) -> Guess:
    return next(((name, do) for magic, name, do in _MAGIC if value.startswith(magic)), None)


def _binary(value: bytes) -> Guess:
    if value[:1] == b"\x80" and value[1:2] in b"\x02\x03\x04\x05" and value.endswith(b"."):
        return "a pickled Python object", _PLAIN
    if 0x80 <= value[0] <= 0x8F or value[0] in (0xDE, 0xDF):
        return ("MessagePack", _PLAIN) if _is_message_pack(value) else None
    if 0xA0 <= value[0] <= 0xBF:
        return "CBOR", _PLAIN
    if int.from_bytes(value[:4], "little") == len(value) and value[-1] == 0:
        return "BSON", _PLAIN
    return ("Protobuf", _PLAIN) if _is_protobuf(value) else None


def _text(value: bytes) -> Guess:
    try:
        text = value.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return (
            ("JSON in an 8-bit encoding such as Latin-1", "encode values as UTF-8") if value[:1] == b"{" else None
        )
    if text.startswith("{'"):
        return "the repr() of a Python dict", "write it with json.dumps()"
    if text.startswith("{"):
        return _object(text)
    if text.startswith("eyJ") and _is_json(_decoded(text)):
        return "JSON in Base64", "send it as it is, without Base64"
    return None


def _object(text: str) -> Guess:
    """Of text that begins like a record. json.loads accepts NaN and Infinity where JSON does not."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if end == len(text):
        return "JSON with NaN or Infinity, which JSON has not", "send null"
    if text[end:].lstrip().startswith("{"):
        return "several JSON objects in one value", "send each as a Kafka record of its own"
    return None


def _is_json(value: bytes | str) -> bool:
    """Whether it is a JSON object."""
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _is_message_pack(value: bytes) -> bool:
    try:
        return isinstance(msgspec.msgpack.decode(value), dict)
    except Exception:  # whatever a hostile value can raise
        return False


def _is_protobuf(value: bytes) -> bool:
    """Whether it is a row of at least two fields as Protobuf writes them, to the last byte."""
    at = fields = 0
    while at < len(value):
        tag, at = _varint(value, at)
        kind = tag & 7
        if not 0 < tag >> 3 < 1 << 20 or kind not in (0, 1, 2, 5):
            return False
        length, at = _varint(value, at) if kind in (0, 2) else (0, at)
        at += {0: 0, 1: 8, 2: length, 5: 4}[kind]
        fields += 1
    return at == len(value) and fields > 1


def _varint(value: bytes, at: int) -> tuple[int, int]:
    """The number that begins there and the place behind it; one beyond the value's end where it is cut off."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(value):
            break
        byte, at = value[at], at + 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    return 0, len(value) + 1
