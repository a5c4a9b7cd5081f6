"""Records as they travel: one JSON object each, UTF-8, its key the record's id.

Every record says in its body what it is (`kind`), which run it is of and its place in its partition (`seq`).
`seq` counts the data records of one run, topic and partition: 0, 1, 2… A heartbeat does not count: it carries
the `seq` of the last data record before it (-1 before the first), so that the same trips have the same
numbers whenever heartbeats happened to be sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from inspect import cleandoc
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta
from msgspec.structs import replace

from schemas.definition import Field, Records
from schemas.text import LONGEST

LIVE = "live"
"""The run of records that name none: somebody else's producer. Without `seq` there is no duplicate check."""

HEARTBEAT = "heartbeat"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_ID = 128
"""Characters of a record's id."""

MAX_TIME = 4_102_444_800_000
"""2100-01-01: an event time beyond is invalid."""

_RUN_ID = r"^[A-Za-z0-9._:-]+$(?!\n)"  # in Python, though not in JSON Schema, `$` lets the end of a line follow
_OF_RUN = f"Name of the run. A data record without one is of the run `{LIVE}`."
RunId = Annotated[str, Meta(min_length=1, max_length=128, pattern=_RUN_ID, description=_OF_RUN)]
_AnyRunId = Annotated[str, Meta(min_length=1, max_length=128)]
_COUNTED = (
    "Number of the data record within its run, topic and partition: 0, 1, 2 … Without it duplicates are kept."
)
Seq = Annotated[int, Meta(ge=0, le=2**53, description=_COUNTED)]
Time = Annotated[
    int, Meta(ge=0, le=MAX_TIME, description="Event time, milliseconds since 1970-01-01T00:00:00 UTC.")
]
Id = Annotated[
    str,
    Meta(
        min_length=1, max_length=MAX_ID, description="Id, also the record's key. A trip and its outcome share it."
    ),
]
_Text = Annotated[str, Meta(max_length=LONGEST)]
_Name = Annotated[str, Meta(max_length=200)]


class Injected(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the run that a scenario bends: event time, ms since the epoch, end exclusive.

    columns: whose values are changed; none if records are lost, repeated or sent at another time.
    kind: of the drift, such as `scale`. segment: the records it is of, '' for all. change: what it does to them.
    """

    starts_at: Time
    ends_at: Time
    label: _Text
    columns: Annotated[tuple[_Name, ...], Meta(max_length=500)] = ()
    kind: _Name = ""
    segment: _Name = ""
    change: _Name = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a run, carried by its first heartbeat on every partition.

    period: event time that the replay covers, ms since the epoch, end exclusive.
    speed: event seconds per wall second; None for as fast as possible.
    events: number of data records in the topic of events; None if not known beforehand.
    A manifest beyond these bounds is refused; the heartbeat that carries it is not.
    """

    source: _Text
    period: tuple[Time, Time]
    speed: Annotated[float, Meta(ge=0, le=1e15)] | None = None
    events: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    partitions: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    scenario: _Name | None = None
    injected: Annotated[tuple[Injected, ...], Meta(max_length=1_000)] = ()


class Heartbeat(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=HEARTBEAT, gc=False, omit_defaults=True
):
    """Moves the watermark of its partition to `at` though no data came.

    seq: of the last data record of this run in this partition; -1 before the first.
    final: nothing of this run follows in this partition: the watermark moves past every window.
    """

    run_id: RunId
    seq: Annotated[int, Meta(ge=-1, le=2**53, description="That of the last data record before it; -1: none.")]
    at: Time
    final: bool = False
    manifest: Manifest | None = None


_INT32 = (-(2**31), 2**31 - 1)


def bounded_fields(records: Records) -> tuple[Field, ...]:
    """Return the fields that are validated, with their bounds: id, time and the kept fields.

    A kept integer is stored in an int32 column of a chunk; without bounds of its own it has those of the column.
    """
    return (
        Field(name=records.id, type="str", role="carried", low=1, high=MAX_ID),
        Field(name=records.time, type="int", role="carried", low=0, high=MAX_TIME),
        *(_within_int32(field) if field.type == "int" else field for field in records.kept),
    )


def _within_int32(field: Field) -> Field:
    low, high = _INT32
    return replace(
        field, low=low if field.low is None else field.low, high=high if field.high is None else field.high
    )


def _type_of(field: Field) -> Any:
    bounds: dict[str, Any] = {k: v for k, v in (("ge", field.low), ("le", field.high)) if v is not None}
    if field.type == "int":
        whole: dict[str, Any] = {k: int(v) for k, v in bounds.items()}
        kind: Any = Annotated[int, Meta(**whole)]
    elif field.type == "float":
        kind = Annotated[float, Meta(**bounds)]
    else:
        names = {"ge": "min_length", "le": "max_length"}
        lengths: dict[str, Any] = {names[k]: int(v) for k, v in bounds.items()}
        kind = Annotated[str, Meta(**lengths)]
    return kind if field.required else kind | None


def written_fields(records: Records) -> tuple[str, ...]:
    """Return the names of a record's fields after `kind`, in the order in which our producer writes them."""
    return ("run_id", "seq", records.id, records.time, *(field.name for field in records.fields))


def _carried(field: Field) -> Any:
    return Annotated[Any, Meta(description=f"A {field.type} that rides along: it is neither checked nor kept.")]


@cache
def record_type(stream: Records, *, every_field: bool = False, any_run: bool = False) -> Any:
    """Build the msgspec Struct of one data record of a stream from its definition.

    `run_id` and `seq` may be missing (None); the record is then of the run `live`.

    Args:
        stream: The definition of the records.
        every_field: Include fields that are merely carried, which may hold anything; for the exported JSON Schema.
        any_run: Leave the pattern of `run_id` unchecked. Checking it costs more than half as much as the rest of a
            record (0.45 of 1.25 µs), so a reader of millions calls `is_run_id` once per run instead.
    """
    types = {field.name: _type_of(field) for field in bounded_fields(stream)[2:]}
    if every_field:
        types = {field.name: types.get(field.name) or _carried(field) for field in stream.fields}
    optional = {field.name for field in stream.fields if not field.required or field.role == "carried"}
    # In the order of `written_fields`: msgspec finds a field fastest where it expects it.
    layout: list[Any] = [
        ("run_id", (_AnyRunId if any_run else RunId) | None, None),
        ("seq", Seq | None, None),
        (stream.id, Id),
        (stream.time, Time),
        *((name, kind, *((None,) if name in optional else ())) for name, kind in types.items()),
    ]
    return msgspec.defstruct(
        stream.kind.capitalize(), layout, tag_field="kind", tag=stream.kind, frozen=True, gc=False, kw_only=True
    )


def is_run_id(text: str) -> bool:
    """Return whether a run may have this name."""
    return len(text) <= 128 and re.fullmatch(_RUN_ID, text) is not None


@cache
def decoder(stream: Records, *, any_run: bool = False) -> msgspec.json.Decoder[Any]:
    """Return a decoder of the records of a stream: data records and Heartbeats.

    Its `decode(bytes)` raises msgspec.ValidationError (a DecodeError) with the path of the invalid field, or
    msgspec.DecodeError for what is not JSON.
    """
    return msgspec.json.Decoder(record_type(stream, any_run=any_run) | Heartbeat)


@cache
def untagged_decoder(stream: Records, *, any_run: bool = False) -> msgspec.json.Decoder[Any]:
    """As `decoder`, for records without `kind`: data records of other producers."""
    return msgspec.json.Decoder(record_type(stream, any_run=any_run))


@cache
def lenient_decoder(stream: Records, *, any_run: bool = False) -> Callable[[bytes], Any]:
    """Return a function that decodes any valid record, for those that `decoder` rejects.

    It accepts records without `kind`, integers as `1.0` or `1e0`, as pandas writes a column of integers with gaps
    and as JSON Schema allows, and a byte order mark. It is several times slower, so it is tried last. Raises as
    `decoder`.
    """
    tagged, bare = decoder(stream, any_run=any_run).decode, untagged_decoder(stream, any_run=any_run).decode
    data = record_type(stream, any_run=any_run)
    either = data | Heartbeat
    integers = ("seq", stream.time, *(field.name for field in stream.kept if field.type == "int"))

    def decode(value: bytes) -> Any:
        complaint = _complaint(tagged, value)
        if isinstance(complaint, Exception) and "missing required field `kind`" in str(complaint):
            complaint = _complaint(bare, value)
        if not isinstance(complaint, Exception):
            return complaint
        if value.startswith(BYTE_ORDER_MARK) or "got `float`" in str(complaint):
            return spelled_otherwise(value)
        raise complaint

    def spelled_otherwise(value: bytes) -> Any:
        found = msgspec.json.decode(value.removeprefix(BYTE_ORDER_MARK))
        if not isinstance(found, dict):
            return msgspec.convert(found, either)
        if found.get("kind") == HEARTBEAT:
            return msgspec.convert(_whole(found), either)
        found |= {name: _whole(found[name]) for name in integers if name in found}
        return msgspec.convert(found, either if "kind" in found else data)

    return decode


def _complaint(decode: Callable[[bytes], Any], value: bytes) -> Any:
    """Return the record, or the exception that decoding it raises."""
    try:
        return decode(value)
    except Exception as error:  # whatever a hostile record can raise
        return error


def _whole(value: Any) -> Any:
    """Return the value with integral floats as integers, at any depth."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def encode(record: dict[str, Any]) -> bytes:
    """One record as JSON bytes; NaN becomes null. `kind` comes first, for readability."""
    return orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_heartbeat(beat: Heartbeat) -> bytes:
    """Encode a heartbeat as JSON bytes."""
    return msgspec.json.encode(beat)


def json_schema(stream: Records) -> dict[str, Any]:
    """Return the JSON Schema of a topic's records, for producers in other languages."""
    schema = msgspec.json.schema(record_type(stream, every_field=True) | Heartbeat)
    schema["$defs"][stream.kind.capitalize()]["required"].remove("kind")  # may be missing, see `untagged_decoder`
    return described(schema)


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema with its descriptions indented as Python 3.13 does by itself."""
    for definition in schema["$defs"].values():
        if text := definition.get("description"):
            definition["description"] = cleandoc(text)
    return schema
