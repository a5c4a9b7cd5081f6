"""Raw records → columns. A batch is decoded and validated as a whole; only records that fail are examined alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from consumer import formats
from schemas.definition import Records
from schemas.durations import misread_unit
from schemas.records import (
    LIVE,
    Heartbeat,
    Manifest,
    decoder,
    is_run_id,
    lenient_decoder,
    record_type,
    untagged_decoder,
)
from schemas.text import printable

Ints = npt.NDArray[np.int64]
Decode = Callable[[Any], Any]
Placed = tuple[int, Heartbeat]

UNDECODABLE, INVALID = "undecodable", "invalid"

LAST_MOMENT = 253_402_300_799_999  # the year 9999: beyond it an event time is not worth repeating


@dataclass(frozen=True)
class Rejected:
    """A value that is no valid record.

    Attributes:
        place: In its batch.
        reason: `undecodable` or `invalid`.
        detail: What is wrong with it, and what to do.
        run_id: '' where it names none.
        time: Its event time, ms; None where it has none that can be repeated.
    """

    place: int
    reason: str
    detail: str
    run_id: str = ""
    time: int | None = None


@dataclass(frozen=True)
class Decoded:
    """What a batch holds.

    Attributes:
        places: Of the data records in the batch, ascending, shape (data records,).
        columns: Their values, field by field, None where one is missing; `run_id` and `seq` too.
        names: The distinct values of their `run_id`, None among them where one has none.
        beats: Place and heartbeat, ascending.
        rejected: Ascending.
    """

    places: Ints
    columns: Mapping[str, Sequence[Any]]
    names: frozenset[str | None]
    beats: tuple[Placed, ...]
    rejected: tuple[Rejected, ...]


class Decoder:
    """Decodes batches of one topic's records.

    Attributes:
        default_run: The run of records that name none.
    """

    def __init__(self, records: Records, default_run: str = LIVE) -> None:
        self.default_run = default_run
        self._records = records
        self._data = record_type(records, any_run=True)
        self._tagged: Decode = decoder(records, any_run=True).decode
        self._untagged: Decode = untagged_decoder(records, any_run=True).decode
        self._lenient: Decode = lenient_decoder(records, any_run=True)

    def decode(self, values: Sequence[bytes | None], earlier: Mapping[str, Records] = {}) -> Decoded:
        """Decode a batch. Never raises, whatever the values hold.

        Args:
            values: Of the records.
            earlier: Runs that are judged by another definition with the same columns, and that definition.
        """
        found = self._each(values)
        if earlier:
            found = self._by_run(found, values, {run: Decoder(records) for run, records in earlier.items()})
        kinds = [*map(type, found)]
        if kinds.count(self._data) == len(kinds) > 0:
            decoded = self._decoded(found, np.arange(len(found)), (), ())
        else:
            decoded = self._sorted(enumerate(found))
        # The one check that the decoder leaves out: what a run may be called, once per name.
        wrong = {name for name in decoded.names if name is not None and not is_run_id(name)}
        return self._without(wrong, found) if wrong else decoded

    def _each(self, values: Sequence[bytes | None]) -> list[Any]:
        """Decode each value to its data record, Heartbeat or Rejected.

        Works at the speed of `map` up to a value that fails, examines that one, and goes on after it with the
        decoder that fitted last: records without `kind`, of somebody else's producer, follow one another.
        """
        found: list[Any] = []
        left, decode = iter(values), self._tagged
        while len(found) < len(values):
            try:
                found.extend(map(decode, left))  # what came before a failure stays in the list
            except Exception as error:  # whatever a hostile record can raise: it must never stop its neighbours
                found.append(self._one(len(found), values[len(found)]))
                if "kind`" in str(error):
                    decode = self._untagged if decode is self._tagged else self._tagged
        return found

    def _one(self, place: int, value: bytes | None) -> Any:
        """Decode a value that failed with one of the decoders: the result depends on nothing but the value."""
        try:
            return self._lenient(value or b"")
        except Exception as error:  # as in `_each`
            return self._without_manifest(value, error) or self._rejected(place, value, error)

    def _by_run(
        self, found: Sequence[Any], values: Sequence[bytes | None], others: Mapping[str, Decoder]
    ) -> list[Any]:
        """What was found, with the records of some runs decoded by the decoders of these."""
        deciding = [others.get(record.run_id or self.default_run, self) for record in found]
        return [
            record if other is self or type(record) is Heartbeat else other._one(place, values[place])
            for place, (record, other) in enumerate(zip(found, deciding, strict=True))
        ]

    def _sorted(self, found: Iterable[tuple[int, Any]]) -> Decoded:
        data, places, beats, rejected = [], [], [], []
        for place, record in found:
            if type(record) is Rejected:
                rejected.append(record)
            elif type(record) is Heartbeat:
                beats.append((place, record))
            else:
                data.append(record)
                places.append(place)
        return self._decoded(data, np.array(places, np.int64), tuple(beats), tuple(rejected))

    def _decoded(
        self, data: Sequence[Any], places: Ints, beats: tuple[Placed, ...], rejected: tuple[Rejected, ...]
    ) -> Decoded:
        fields = self._data.__struct_fields__
        values = zip(*map(msgspec.structs.astuple, data), strict=True) if data else [()] * len(fields)
        columns = dict(zip(fields, values, strict=True))
        return Decoded(places, columns, frozenset(columns["run_id"]), beats, rejected)

    def _without(self, wrong: set[str], found: Sequence[Any]) -> Decoded:
        """Reject the records of runs with these names."""
        return self._sorted(
            (place, _misnamed(place, r, self._records) if getattr(r, "run_id", None) in wrong else r)
            for place, r in enumerate(found)
        )

    def _without_manifest(self, value: bytes | None, why: Exception) -> Heartbeat | None:
        """Decode a heartbeat whose manifest alone is wrong: it moves the clock all the same, and says why."""
        if not value or b'"manifest"' not in value:
            return None
        try:
            record = json.loads(value.decode("utf-8-sig"), parse_constant=_refuse)
            beat = self._lenient(json.dumps({**record, "manifest": None}).encode())
        except Exception:  # there is more wrong with it
            return None
        if type(beat) is not Heartbeat:
            return None
        manifest = Manifest(source=printable(f"manifest refused: {why}"), period=(beat.at, beat.at))
        return msgspec.structs.replace(beat, manifest=manifest)

    def _rejected(self, place: int, value: bytes | None, error: Exception) -> Rejected:
        try:
            record = json.loads((value or b"").decode("utf-8-sig"), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return Rejected(place, UNDECODABLE, printable(formats.describe_undecodable(value) or str(error)))
        detail = printable(formats.describe_json(record) or str(error))
        if not isinstance(record, dict):
            return Rejected(place, INVALID, detail)
        run_id, time = record.get("run_id"), record.get(self._records.time, record.get("at"))
        named = run_id if isinstance(run_id, str) and is_run_id(run_id) else ""
        if detail.endswith((f"`$.{self._records.time}`", "`$.at`")):
            detail += _unit(time)
        return Rejected(place, INVALID, detail, named, _event_time(time))


def _misnamed(place: int, record: Any, records: Records) -> Rejected:
    detail = f"no run may be called {printable(record.run_id, 140)!r} - at `$.run_id`"
    return Rejected(place, INVALID, detail, "", getattr(record, records.time))


def _event_time(time: Any) -> int | None:
    """Of an invalid record, where it has one that can be repeated."""
    if isinstance(time, bool) or not isinstance(time, int | float):
        return None
    return int(time) if 0 <= time <= LAST_MOMENT else None


def _unit(time: Any) -> str:
    """What to do about an event time that is invalid."""
    if isinstance(time, str):
        return ": send milliseconds since the epoch, as a number"
    advice = misread_unit(time) if isinstance(time, int | float) else None
    return f": it {advice}" if advice else ""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
