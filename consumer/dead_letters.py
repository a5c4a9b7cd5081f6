"""Dead letters: what is kept of a record that does not become a row. Pure."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Protocol

from consumer.decode import LAST_MOMENT, Rejected
from consumer.ledger import DeadLetter
from schemas.durations import misread_unit, moment
from schemas.text import printable

_NO_TIMESTAMP = 0
"""confluent_kafka.TIMESTAMP_NOT_AVAILABLE."""


class Message(Protocol):
    """The part of confluent_kafka.Message that the consumer needs."""

    def offset(self) -> int: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Any: ...
    def timestamp(self) -> tuple[int, int]: ...


def from_rejected(message: Message, found: Rejected) -> DeadLetter:
    """Make the dead letter of a record that could not be decoded, or is not valid."""
    return _dead_letter(message, found.run_id, found.reason, found.detail, found.time)


def from_mistimed(message: Message, run_id: str, reason: str, time: int, max_time: int | None) -> DeadLetter:
    """Make the dead letter of a valid record that came too late, or is too far ahead.

    Args:
        message: The record.
        run_id: Its run.
        reason: `late` or `future`.
        time: Its event time, ms.
        max_time: M before it, ms; None while M is unset.
    """
    # Not how far beyond: the same records, sent again, must leave the same dead letters.
    why = (
        "is far beyond the record's Kafka timestamp" if max_time is None else f"when {_iso(max_time)} had been seen"
    )
    return _dead_letter(message, run_id, reason, f"event time {_iso(time)} {why}{_unit(time, max_time)}", time)


def written_at(message: Message) -> int | None:
    """Return the record's Kafka timestamp, ms; None where it has none."""
    kind, ms = message.timestamp()
    return ms if kind != _NO_TIMESTAMP and 0 < ms <= LAST_MOMENT else None


def _unit(time: int, max_time: int | None) -> str:
    """Advise where one of the times looks as if it had another unit."""
    if advice := misread_unit(time):
        return f"; it {advice}"
    return f"; what had been seen {advice}" if max_time is not None and (advice := misread_unit(max_time)) else ""


def from_unscored(message: Message, run_id: str, reason: str, why: str, time: int) -> DeadLetter:
    """Make the dead letter of a valid record of which this consumer makes no row. time: its event time, ms."""
    return _dead_letter(message, run_id, reason, why, time)


def _dead_letter(message: Message, run_id: str, reason: str, detail: str, time: int | None) -> DeadLetter:
    return DeadLetter(
        run_id=run_id,
        offset=message.offset(),
        reason=reason,
        detail=detail,
        event_time=time,
        key=message.key(),
        raw=message.value(),
        headers=_headers(message),
    )


def _headers(message: Message) -> str | None:
    """A JSON array, one object a header: its `value` where that is plain text, else its bytes in `base64`."""
    try:
        headers = message.headers()
    except UnicodeDecodeError as error:  # the client cannot hand over names that are no UTF-8
        return json.dumps([{"unreadable": printable(str(error))}])
    return json.dumps([_header(name, value) for name, value in headers]) if headers else None


def _header(name: str, value: bytes | str | None) -> dict[str, str | None]:
    shown = printable(name, 10_000)
    if value is None:
        return {"name": shown, "value": None}
    raw = value.encode() if isinstance(value, str) else value
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:  # which jsonb cannot hold
        return {"name": shown, "base64": b64encode(raw).decode()}
    return {"name": shown, "value": text}


def _iso(ms: int) -> str:
    return moment(ms).replace(tzinfo=None).isoformat(timespec="milliseconds")
