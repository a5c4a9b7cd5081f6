"""One day of trips: every kind of ride, refunds, order, ids, as one canonical table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from producer.sources.synthetic.demand import DAY, HOUR, KINDS, Demand, pickups, weekday_of
from producer.sources.synthetic.fares_agreed import Negotiated, Prebooked, Token
from producer.sources.synthetic.fares_dispatched import EVERY_S, Dispatched
from producer.sources.synthetic.fares_metered import Aborted, Street
from producer.sources.synthetic.money import PARTS, Columns
from producer.sources.synthetic.places import Network
from producer.sources.synthetic.rides import Hailed, Traffic
from producer.sources.synthetic.tables import Bools, Choice, Floats, Ints, happens
from schemas.streams.taxi import TRIPS

_ARROW = {"int": pa.int64(), "float": pa.float64(), "str": pa.string()}
_MONEY = (*PARTS, "tip_amount", "total_amount")
_UNKNOWN_TO_DISPATCHERS = frozenset(
    ("store_and_fwd_flag", "RatecodeID", "passenger_count", "payment_type", "trip_type", "congestion_surcharge")
)
PART = 16_384
"""Rides drawn at a time, 700 bytes each."""
_SMALL_FARE = 6.0
"""USD: street rides above are hardly ever refunded."""


class Kind(Protocol):
    """One of the populations that the trips are a mixture of."""

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Columns: ...


@dataclass(frozen=True)
class Refunds:
    """share: of a kind's rides by vendor 2 that are followed by a refund. payment: types of the refund's record."""

    share: Floats
    payment: Choice

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Refunds:
        """Make it from the parameters in `params.json`."""
        odd = params["anomalies"]
        return cls(
            np.array([odd["refund"].get(kind, 0.0) for kind in KINDS]), Choice.from_weights(odd["refund_payment"])
        )

    def add(self, rng: np.random.Generator, columns: Columns) -> Columns:
        """Add a second record of each refunded ride: the same key and ride, negative amounts, no tip."""
        chosen = happens(rng, self.share[columns["kind"]], len(columns["kind"])) & _refundable(columns)
        untipped = np.round(columns["total_amount"] - columns["tip_amount"], 2)
        columns["total_amount"] = np.where(chosen, untipped, columns["total_amount"])
        columns["tip_amount"] = np.where(chosen, 0.0, columns["tip_amount"])
        twins = {name: values[chosen] for name, values in columns.items()}
        twins |= {name: 0.0 - twins[name] for name in _MONEY}  # 0 - 0 is 0, where -0.0 would show in JSON
        twins["payment_type"] = self.payment.draw(rng, int(chosen.sum()))
        return {name: np.concatenate([values, twins[name]]) for name, values in columns.items()}


def _refundable(columns: Columns) -> Bools:
    street = columns["kind"] == KINDS.index("street")
    fares = columns["fare_amount"]
    return np.asarray((columns["VendorID"] == 2) & (fares > 0) & (~street | (fares <= _SMALL_FARE)))


@dataclass(frozen=True)
class People:
    """Number of passengers, and whether the record waited in the cab for a connection (vendor 1 only)."""

    passengers: Mapping[str, Choice]
    waited: float

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> People:
        """Make it from the parameters in `params.json`."""
        passengers = {name: Choice.from_weights(shares) for name, shares in params["passengers"].items()}
        return cls(passengers, params["stored_and_forwarded"]["1"])

    def add(self, rng: np.random.Generator, columns: Columns) -> Columns:
        """Add the columns `passenger_count` and `store_and_fwd_flag`."""
        size = len(columns["kind"])
        first = columns["VendorID"] == 1
        count = np.where(first, self.passengers["1"].draw(rng, size), self.passengers["2"].draw(rng, size))
        for name in ("prebooked", "negotiated"):
            there = np.flatnonzero(columns["kind"] == KINDS.index(name))
            count[there] = self.passengers[name].draw(rng, len(there))
        return columns | {"passenger_count": count, "store_and_fwd_flag": first & happens(rng, self.waited, size)}


@dataclass(frozen=True)
class City:
    """All distributions that days are drawn from. parts: of the week, as `Routes` numbers them, shape (7, 24)."""

    demand: Demand
    parts: Ints
    kinds: tuple[Kind, ...]
    refunds: Refunds
    people: People

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> City:
        """Make it from the parameters in `params.json`."""
        network, traffic = Network.from_params(params), Traffic.from_params(params)
        return cls(
            demand=Demand.from_params(params),
            parts=np.array([[int(part) for part in day] for day in params["slots"]]),
            kinds=(
                Street.from_params(params, network, traffic),
                Aborted.from_params(params, network),
                Prebooked.from_params(params, network, traffic),
                Negotiated.from_params(params, network, traffic),
                Token.from_params(params, network),
                Dispatched.from_params(params, network, traffic),
            ),
            refunds=Refunds.from_params(params),
            people=People.from_params(params),
        )

    def day(self, day: int, *, seed: int, volume: float) -> Iterator[pa.Table]:
        """Draw all trips of a day, sorted by pickup; a busy day in tables of some hours each.

        Args:
            day: Days since the epoch.
            seed: The same seed, volume and day give the same trips.
            volume: 1 is the real number of trips.
        """
        rng = np.random.default_rng(np.random.SeedSequence([seed, day]))
        rides = self.demand.counts(rng, weekday_of(day), volume)
        parts, number = _parts(rides), 0
        for hours in parts:
            columns = self._drawn(rng, weekday_of(day), np.where(hours, rides, 0))
            columns = self.refunds.add(rng, self.people.add(rng, columns))
            order = np.argsort(columns["since_midnight"], kind="stable")
            most = len(order) if len(parts) == 1 else 2 * int(rides.sum())  # a refund each
            numbers = range(number, number + len(order))
            yield _table(day, seed, {name: values[order] for name, values in columns.items()}, numbers, most)
            number = numbers.stop

    def _drawn(self, rng: np.random.Generator, weekday: int, rides: Ints) -> Columns:
        """Draw the trips of one table. rides: number for each kind and hour, shape (kinds, 24)."""
        blocks = []
        for number, counts in enumerate(rides):
            since = pickups(rng, counts, every_s=EVERY_S if KINDS[number] == "dispatched" else 1)
            block = self.kinds[number].draw(rng, Hailed(weekday, since, self.parts[weekday][since // HOUR]))
            blocks.append(block | {"since_midnight": since, "kind": np.full(len(since), number)})
        names = {name for block in blocks for name in block}
        return {name: np.concatenate([_or_zero(block, name) for block in blocks]) for name in names}


def _or_zero(block: Columns, name: str) -> Any:
    return block[name] if name in block else np.zeros(len(block["kind"]))


def _parts(rides: Ints) -> list[Bools]:
    """Group the hours so that each group has about PART rides at most. rides: shape (kinds, 24)."""
    hourly = rides.sum(axis=0)
    part = np.cumsum(hourly) // PART if hourly.sum() > PART else np.zeros(24)
    return [part == number for number in np.unique(part)]


def _table(day: int, seed: int, columns: Columns, numbers: range, most: int) -> pa.Table:
    pickup_at = day * DAY + columns["since_midnight"]
    ride = np.maximum(np.round(columns["minutes"] * 60), 0).astype(np.int64)
    date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
    dispatched = columns["kind"] == KINDS.index("dispatched")
    fields = {
        TRIPS.id: trip_ids(f"syn{seed}-{date}-", numbers, most),
        TRIPS.time: pa.array(pickup_at),
        "dropoff_at": pa.array(pickup_at + ride * 1_000),
    }
    for field in TRIPS.fields:
        unknown = dispatched if field.name in _UNKNOWN_TO_DISPATCHERS else None
        fields[field.name] = _array(columns[field.name], unknown, _ARROW[field.type])
    return pa.table(fields)


def _array(values: Any, unknown: Bools | None, kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        yes_no = pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int8), mask=unknown), ["N", "Y"])
        return yes_no.cast(kind)
    return pa.array(values.astype(kind.to_pandas_dtype(), copy=False), mask=unknown)


def trip_ids(prefix: str, which: range, most: int) -> pa.Array:
    """Make ids from `prefix` and a number with at least six digits, enough for `most` ids, without a loop."""
    count, digits = len(which), max(6, len(str(most - 1)))
    numbers = np.arange(which.start, which.stop)[:, None] // 10 ** np.arange(digits - 1, -1, -1) % 10
    width = len(prefix) + digits
    text = np.empty((count, width), dtype=np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), dtype=np.uint8)
    text[:, len(prefix) :] = numbers + ord("0")
    ends = np.arange(count + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(text))
