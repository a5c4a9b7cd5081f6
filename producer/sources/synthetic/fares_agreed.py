"""Rides whose fare was agreed beforehand: prebooked, negotiated, or only rung up; and those of a dispatcher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from producer.sources.synthetic.fares_metered import CARD, surcharges
from producer.sources.synthetic.money import NEGOTIATED, Columns, Tips, Tolls, rounded_fares, settle
from producer.sources.synthetic.places import Network
from producer.sources.synthetic.rides import Driving, Hailed, Rides, Standing, Traffic
from producer.sources.synthetic.tables import Choice, Floats, Quantiles, happens

_ADDS_SURCHARGE = 1 / 3
"""Of negotiated rides that the congestion surcharge is due on, the share that shows it."""


@dataclass(frozen=True)
class AgreedFare:
    """The logarithm of the fare is a line through those of miles and minutes, and a residual (one table)."""

    start: float
    log_miles: float
    log_minutes: float
    residual: Quantiles

    @classmethod
    def from_params(cls, params: Mapping[str, Any], name: str) -> AgreedFare:
        """Make it from the parameters in `params.json`."""
        line = params["kinds"][name]["log_fare"]
        residual = Quantiles.from_tables(params["probabilities"], [line["residual"]])
        return cls(line["start"], line["log_miles"], line["log_minutes"], residual)

    def draw(self, rng: np.random.Generator, rides: Rides) -> Floats:
        """Draw fares before rounding, > 0."""
        line = self.start + self.log_miles * np.log(rides.miles)
        line += self.log_minutes * np.log(np.clip(rides.minutes, 1, 200))
        return np.asarray(np.exp(line + self.residual.draw(rng, 0, len(rides))))


@dataclass(frozen=True)
class Prebooked:
    """Vendor 1's, at a fixed price, mostly a whole total: no meter ran, so their distance is 0. Nobody tips.

    whole: share of totals (before tolls) that are whole dollars.
    """

    driving: Driving
    agreed: AgreedFare
    tolls: Tolls
    payment: Choice
    whole: float

    @classmethod
    def from_params(cls, params: Mapping[str, Any], network: Network, traffic: Traffic) -> Prebooked:
        """Make it from the parameters in `params.json`."""
        kind = params["kinds"]["prebooked"]
        return cls(
            Driving.from_params(params, "prebooked", network, traffic),
            AgreedFare.from_params(params, "prebooked"),
            Tolls.from_params(params, "prebooked"),
            Choice.from_weights(kind["payment"]),
            kind["whole_total"],
        )

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Columns:
        """Draw the records of rides that are about to begin: columns by name, shape (rides,)."""
        rides = self.driving.draw(rng, hailed)
        size = len(rides)
        fare, whole = self.agreed.draw(rng, rides), happens(rng, self.whole, size)
        columns: Columns = {
            "VendorID": 1,
            "RatecodeID": 1.0,
            "payment_type": self.payment.draw(rng, size),
            "trip_type": 1.0,
            "trip_distance": 0.0,
            "minutes": rides.minutes,
            "fare_amount": np.where(whole, np.round(fare) + 0.2, np.round(fare, 2)),
            "mta_tax": 0.5,
            "improvement_surcharge": 0.3,
            "tolls_amount": self.tolls.draw(rng, self.driving.traffic.bins(rides.miles)),
        }
        return settle(rng, columns, rides)


@dataclass(frozen=True)
class Paper:
    """What rides of rate code 5 have in common: who drives, how it is paid, which taxes were rung up, tips."""

    vendor: Choice
    payment: Choice
    trip_type: Choice
    mta_tax: Choice
    improvement_surcharge: Choice
    tips: Tips

    @classmethod
    def from_params(cls, params: Mapping[str, Any], name: str) -> Paper:
        """Make it from the parameters in `params.json`."""
        kind = params["kinds"][name]
        return cls(
            vendor=Choice.from_weights(kind["vendor"]),
            payment=Choice.from_weights(kind["payment"]),
            trip_type=Choice.from_weights(kind["trip_type"]),
            mta_tax=Choice.from_weights(kind["mta_tax"]),
            improvement_surcharge=Choice.from_weights(kind["improvement_surcharge"]),
            tips=Tips.from_params(params, name),
        )

    def settle(self, rng: np.random.Generator, rides: Rides, columns: Columns) -> Columns:
        """Add vendor, payment, taxes, tips and totals to the records of rides."""
        size = len(rides)
        payment = self.payment.draw(rng, size)
        columns |= {
            "VendorID": self.vendor.draw(rng, size),
            "RatecodeID": float(NEGOTIATED),
            "payment_type": payment,
            "trip_type": self.trip_type.draw(rng, size),
            "minutes": rides.minutes,
            "mta_tax": self.mta_tax.draw(rng, size),
            "improvement_surcharge": self.improvement_surcharge.draw(rng, size),
        }
        return settle(rng, columns, rides, self.tips, payment == CARD)


@dataclass(frozen=True)
class Negotiated:
    """Rate code 5, and a ride: a round fare. free: share of fares of 0. lost: of distances not recorded."""

    driving: Driving
    agreed: AgreedFare
    rounded_to: Mapping[str, float]
    tolls: Tolls
    paper: Paper
    free: float
    lost: float

    @classmethod
    def from_params(cls, params: Mapping[str, Any], network: Network, traffic: Traffic) -> Negotiated:
        """Make it from the parameters in `params.json`."""
        kind = params["kinds"]["negotiated"]
        return cls(
            Driving.from_params(params, "negotiated", network, traffic),
            AgreedFare.from_params(params, "negotiated"),
            kind["rounded_to"],
            Tolls.from_params(params, "negotiated"),
            Paper.from_params(params, "negotiated"),
            kind["free"],
            kind["zero_miles"],
        )

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Columns:
        """Draw the records of rides that are about to begin: columns by name, shape (rides,)."""
        rides = self.driving.draw(rng, hailed)
        size = len(rides)
        fare = rounded_fares(rng, self.agreed.draw(rng, rides), self.rounded_to)
        columns: Columns = {
            "fare_amount": np.where(happens(rng, self.free, size), 0.0, fare),
            "congestion_surcharge": surcharges(rng, self.driving.network, rides)
            * happens(rng, _ADDS_SURCHARGE, size),
            "tolls_amount": self.tolls.draw(rng, self.driving.traffic.bins(rides.miles)),
            "trip_distance": np.where(happens(rng, self.lost, size), 0.0, np.round(rides.miles, 2)),
        }
        return self.paper.settle(rng, rides, columns)


@dataclass(frozen=True)
class Token:
    """Rate code 5, rung up within a minute: the ride, if there was one, is not in the record."""

    standing: Standing
    fare: Choice
    paper: Paper

    @classmethod
    def from_params(cls, params: Mapping[str, Any], network: Network) -> Token:
        """Make it from the parameters in `params.json`."""
        fare = Choice.from_weights(params["kinds"]["token"]["fare"])
        return cls(Standing.from_params(params, "token", network), fare, Paper.from_params(params, "token"))

    def draw(self, rng: np.random.Generator, hailed: Hailed) -> Columns:
        """Draw the records of rides that are about to begin: columns by name, shape (rides,)."""
        rides = self.standing.draw(rng, hailed)
        columns = {"fare_amount": self.fare.draw(rng, len(rides)), "trip_distance": np.round(rides.miles, 2)}
        return self.paper.settle(rng, rides, columns)
