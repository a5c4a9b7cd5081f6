"""Rides hailed in the street, and those that ended before they began: the meter's fares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from producer.sources.synthetic.money import (
    JFK,
    NEWARK,
    SURCHARGE,
    Columns,
    Meter,
    Tips,
    Tolls,
    rush_and_night,
    settle,
)
from producer.sources.synthetic.places import Network, ends_of, starts_of
from producer.sources.synthetic.rides import Driving, Hailed, Rides, Standing, Traffic
from producer.sources.synthetic.tables import Bools, Choice, Floats, Ints, Quantiles, happens

CARD, CASH, NO_CHARGE, DISPUTED = 1.0, 2.0, 3.0, 4.0


def logistic(params: Mapping[str, Any]) -> Floats:
    """A probability by hour and zone, shape (24, 265), from what each adds to its log odds."""
    return np.asarray(1 / (1 + np.exp(-np.add.outer(params["hour"], params["start_zone"]))))


def surcharges(rng: np.random.Generator, network: Network, rides: Rides) -> Floats:
    """Draw the congestion surcharge of each ride, USD."""
    return np.where(happens(rng, network.surcharged[rides.pairs], len(rides)), SURCHARGE, 0.0)


@dataclass(frozen=True)
class Street:
    """Hailed in the street and metered: nine in ten of all that have a payment type.

    vendor_1, by_card: probability by hour and start zone, shape (24, 265).
    ratecodes: by end zone, 0 for all others.
    uncollected: of vendor 1, by payment type (those of vendor 2 come as refunds).
    lost: share of rides whose distance was not recorded. stuck: of vendor 2 whose clock ran for a day.
    """

    driving: Driving
    meter: Meter
    tolls: Tolls
    tips: Tips
    vendor_1: Floats
    by_card: Floats
    ratecodes: Mapping[int, Choice]
    uncollected: Mapping[float, float]
    lost: float
    stuck: float
    stuck_minutes: tuple[float, float]

    @classmethod
    def from_params(cls, params: Mapping[str, Any], network: Network, traffic: Traffic) -> Street:
        """Make it from the parameters in `params.json`."""
        kind, odd = params["kinds"]["street"], params["anomalies"]
        codes = kind["ratecode_by_end_zone"]
        return cls(
            driving=Driving.from_params(params, "street", network, traffic, seen=True),
            meter=Meter.from_params(params),
            tolls=Tolls.from_params(params, "street"),
            tips=Tips.from_params(params, "street"),
            vendor_1=logistic(kind["vendor1"]),
            by_card=logistic(kind["card"]),
            ratecodes={
                0 if zone == "other" else int(zone): Choice.from_weights(shares) for zone, shares in codes.items()
            },
            uncollected={float(payment): share for payment, share in params["disputed"].items()},
            lost=kind["zero_miles"],
            stuck=odd["stuck_meter"],
            stuck_minutes=(odd["stuck_minutes"][0], odd["stuck_minutes"][1]),
        )

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Columns:
        """Draw the records of rides that are about to begin: columns by name, shape (rides,)."""
        rides = self.driving.draw(rng, hailed)
        first = happens(rng, self.vendor_1[hailed.hours, starts_of(rides.pairs) - 1], len(rides))
        ratecode = self._ratecode(rng, ends_of(rides.pairs))
        payment = self._payment(rng, rides, first)
        columns = self._tariff(rng, rides, first, ratecode)
        columns |= {"VendorID": 2 - first, "RatecodeID": ratecode, "payment_type": payment, "trip_type": 1.0}
        columns["trip_distance"] = self._shown_miles(rng, rides)
        columns["minutes"] = self._shown_minutes(rng, rides, first)
        return settle(rng, columns, rides, self.tips, payment == CARD)

    def _tariff(self, rng: np.random.Generator, rides: Rides, first: Bools, ratecode: Ints) -> Columns:
        congestion = surcharges(rng, self.driving.network, rides)
        congestion[(ratecode == JFK) | (ratecode == NEWARK)] = 0.0
        repeated = np.where(first, congestion, 0.0)  # vendor 1 shows it in the extra as well, but charges it once
        return {
            "fare_amount": self.meter.fares(rng, rides.miles, rides.minutes, ratecode),
            "extra": np.where(ratecode == 1, rush_and_night(rides.hailed.weekday, rides.hailed.hours), 0.0)
            + repeated,
            "mta_tax": np.where(ratecode == NEWARK, 0.0, 0.5),
            "improvement_surcharge": 0.3,
            "congestion_surcharge": congestion,
            "tolls_amount": self.tolls.draw(rng, self.driving.traffic.bins(rides.miles)),
            "hidden": -repeated,
        }

    def _ratecode(self, rng: np.random.Generator, ends: Ints) -> Ints:
        codes = self.ratecodes[0].draw(rng, len(ends))
        for zone, choice in self.ratecodes.items():
            there = np.flatnonzero(ends == zone)
            codes[there] = choice.draw(rng, len(there))
        return codes.astype(np.int64)

    def _payment(self, rng: np.random.Generator, rides: Rides, first: Bools) -> Floats:
        by_card = happens(rng, self.by_card[rides.hailed.hours, starts_of(rides.pairs) - 1], len(rides))
        payment = np.where(by_card, CARD, CASH)
        chance = np.where(first, rng.random(len(rides)), 1.0)
        for kind, share in self.uncollected.items():
            payment[(chance >= 0) & (chance < share)] = kind
            chance -= share
        return payment

    def _shown_miles(self, rng: np.random.Generator, rides: Rides) -> Floats:
        return np.where(happens(rng, self.lost, len(rides)), 0.0, np.maximum(np.round(rides.miles, 2), 0.01))

    def _shown_minutes(self, rng: np.random.Generator, rides: Rides, first: Bools) -> Floats:
        stuck = happens(rng, self.stuck, len(rides)) & ~first
        return np.where(stuck, rng.uniform(*self.stuck_minutes, len(rides)), rides.minutes)


@dataclass(frozen=True)
class Aborted:
    """Started and stopped again within a minute or so, mostly at the least fare.

    tipping: share of those who pay by card. tips: odd sums, one table, USD.
    """

    standing: Standing
    vendor: Choice
    payment: Choice
    ratecode: Choice
    fare: Choice
    tipping: float
    tips: Quantiles

    @classmethod
    def from_params(cls, params: Mapping[str, Any], network: Network) -> Aborted:
        """Make it from the parameters in `params.json`."""
        kind = params["kinds"]["aborted"]
        return cls(
            standing=Standing.from_params(params, "aborted", network),
            vendor=Choice.from_weights(kind["vendor"]),
            payment=Choice.from_weights(kind["payment"]),
            ratecode=Choice.from_weights(kind["ratecode"]),
            fare=Choice.from_weights(kind["fare"]),
            tipping=1 - kind["tips"]["none"],
            tips=Quantiles.from_tables(params["probabilities"], [kind["tips"]["dollars"]]),
        )

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Columns:
        """Draw the records of rides that are about to begin: columns by name, shape (rides,)."""
        rides = self.standing.draw(rng, hailed)
        size = len(rides)
        ratecode, payment = self.ratecode.draw(rng, size), self.payment.draw(rng, size)
        fare = np.select([ratecode == JFK, ratecode == NEWARK], [52.0, 20.0], self.fare.draw(rng, size))
        tipped = happens(rng, self.tipping, size) & (payment == CARD)
        columns: Columns = {
            "VendorID": self.vendor.draw(rng, size),
            "RatecodeID": ratecode,
            "payment_type": payment,
            "trip_type": 1.0,
            "trip_distance": np.round(rides.miles, 2),
            "minutes": rides.minutes,
            "fare_amount": fare,
            "extra": np.where(ratecode == 1, rush_and_night(hailed.weekday, hailed.hours), 0.0),
            "mta_tax": np.where(ratecode == NEWARK, 0.0, 0.5),
            "improvement_surcharge": 0.3,
            "tip_amount": np.where(tipped, np.round(self.tips.draw(rng, 0, size), 2), 0.0),
        }
        return settle(rng, columns, rides)
