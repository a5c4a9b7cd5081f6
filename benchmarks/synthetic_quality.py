"""How true the synthetic trips are: their marginals, and a real model's error on them, beside the real ones.

    python -m benchmarks.synthetic_quality

Wants TLC's green 2022-01 and 2022-02 in DRIFTLINE_DATA (default ../shared/data/tlc).
Exit code 0: within the bounds. 1: out of bounds. 2: the real files are not there, nothing was compared.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models import reference as references
from models.taxi import train
from producer.sources import tlc
from producer.sources.selection import from_files
from producer.sources.synthetic import generate
from producer.sources.synthetic.demand import DAY
from runtime.connections import ROOT
from schemas.errors import SourceUnusable
from schemas.streams.taxi import TRIPS

DATA = Path(os.environ.get("DRIFTLINE_DATA", ROOT / "../shared/data/tlc"))
SEED = 7
MOST_PSI, MOST_MAE = 0.1, 0.15
FLOOR = 1e-4
"""Shares below count as this: a value seen once on one side only is not drift."""

NUMBERS = (*TRIPS.numbers, "duration_min")
ZONES = ("PULocationID", "DOLocationID")

Values = NDArray[Any]


def psi(reference: Values, current: Values) -> float:
    """Population Stability Index, in nats: 0 when identical, unbounded above.

    reference, current: shares of the same bins, shape (bins,).
    """
    expected, found = np.maximum(reference, FLOOR), np.maximum(current, FLOOR)
    return float(((found - expected) * np.log(found / expected)).sum())


def by_deciles(reference: Values, current: Values) -> float:
    """PSI of numbers, in the reference's deciles (equal ones merged) and null."""
    inner = np.unique(np.nanquantile(reference, np.arange(1, 10) / 10))

    def shares(values: Values) -> Values:
        bins = np.where(np.isnan(values), len(inner) + 1, np.searchsorted(inner, values, side="left"))
        return np.bincount(bins.astype(int), minlength=len(inner) + 2) / len(values)

    return psi(shares(reference), shares(current))


def by_value(reference: Values, current: Values, *, top: int | None = None, least: float = 0.0) -> float:
    """PSI of categories (-1 where null), and all others together.

    top: only so many of the reference's commonest. least: only those of at least this share there.
    """
    values, counts = np.unique(np.nan_to_num(reference, nan=-1), return_counts=True)
    common = np.argsort(-counts, kind="stable")[:top]
    common = values[common[counts[common] >= least * len(reference)]]

    def shares(column: Values) -> Values:
        listed = (np.nan_to_num(column, nan=-1)[:, None] == common).mean(axis=0)
        return np.array([*listed, 1 - listed.sum()])

    return psi(shares(reference), shares(current))


def columns_of(trips: pa.Table) -> dict[str, Values]:
    """Every field of a trip, and duration, hour and weekday. Null is NaN; the flag is 1 where it is Y."""
    found: dict[str, Values] = {}
    for field in TRIPS.fields:
        column = trips[field.name].combine_chunks()
        if pa.types.is_string(column.type):
            column = pc.equal(column, "Y").cast(pa.int8())
        found[field.name] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    pickup = trips[TRIPS.time].to_numpy()
    found["duration_min"] = (trips["dropoff_at"].to_numpy() - pickup) / 60_000
    hours = pickup // 3_600_000
    return found | {"hour": hours % 24, "weekday": (hours // 24 + 3) % 7}


def marginals(reference: pa.Table, current: pa.Table) -> Iterator[tuple[str, float]]:
    """(column, PSI) of every column; zones twice: the 20 busiest, and all with at least 0.1 % of the trips."""
    theirs, ours = columns_of(reference), columns_of(current)
    for name in theirs:
        if name in NUMBERS:
            yield name, by_deciles(theirs[name], ours[name])
        elif name in ZONES:
            yield f"{name} (top 20)", by_value(theirs[name], ours[name], top=20)
            yield f"{name} (0.1 %)", by_value(theirs[name], ours[name], least=0.001)
        else:
            yield name, by_value(theirs[name], ours[name])


def real(month: str) -> pa.Table:
    """TLC's green trips of a month, without the stray years. Raises SourceUnusable where the file is not there."""
    file = from_files([DATA / f"green_tripdata_{month}.parquet"])
    trips = pa.concat_tables(file.tables())
    pickup = trips[TRIPS.time].to_numpy()
    return trips.filter(pa.array((pickup >= file.period[0]) & (pickup < file.period[1])))


def synthetic(month: str, seed: int = SEED) -> pa.Table:
    return pa.concat_tables(generate(*tlc.month_period(month), seed=seed)).combine_chunks()


@dataclass(frozen=True)
class DurationModel:
    """A model of trip durations, with its error in minutes, for trips of 1 to 60 minutes."""

    model: Any

    @classmethod
    def from_trips(cls, trips: pa.Table) -> DurationModel:
        columns, minutes = _learnable(trips)
        return cls(train.fit("default", columns, minutes))

    def mae(self, trips: pa.Table) -> float:
        columns, minutes = _learnable(trips)
        return float(np.abs(self.model.predict(columns) - minutes).mean())


def _learnable(trips: pa.Table) -> tuple[dict[str, Values], Values]:
    trips = references.valid(trips, TRIPS)
    minutes = train.durations(trips)
    inside = (minutes >= train.MINUTES[0]) & (minutes <= train.MINUTES[1])
    return {name: column[inside] for name, column in references.columns(trips, TRIPS).items()}, minutes[inside]


def rows_per_second(volume: float, days: int) -> float:
    """Synthetic trips per second of processor time, on one core, once the parameters are read."""
    start, _ = tlc.month_period("2022-01")
    begun = time.process_time()
    rows = sum(int(table.num_rows) for table in generate(start, start + days * DAY, seed=SEED, volume=volume))
    return rows / (time.process_time() - begun)


def show_marginals(
    console: Console, january: pa.Table, february: pa.Table, ours: tuple[pa.Table, pa.Table]
) -> bool:
    """A table of PSI by column; True when every synthetic one is within the bound."""
    pairs = {
        "synthetic 2022-01": (january, ours[0]),
        "real 2022-02": (january, february),
        "synthetic 2022-02 to synthetic 2022-01": ours,
    }
    found = [dict(marginals(*pair)) for pair in pairs.values()]
    table = Table("column", *pairs, title="PSI to real 2022-01, but for the last column")
    for name in found[0]:
        table.add_row(name, *(f"{column[name]:.4f}" for column in found))
    console.print(table)
    return max(found[0].values()) <= MOST_PSI


def show_errors(console: Console, january: pa.Table, february: pa.Table, ours: tuple[pa.Table, pa.Table]) -> bool:
    """A table of errors; True when the real model's is nearly the same on synthetic trips as on real ones."""
    table = Table("model of", "on real 2022-02", "on synthetic 2022-02", "ratio", title="MAE, minutes")
    ratios = []
    for name, trips in (("real 2022-01", january), ("synthetic 2022-01", ours[0])):
        model = DurationModel.from_trips(trips)
        on_real, on_ours = model.mae(february), model.mae(ours[1])
        ratios.append(on_ours / on_real)
        table.add_row(name, f"{on_real:.3f}", f"{on_ours:.3f}", f"{ratios[-1]:.3f}")
    console.print(table)
    return abs(ratios[0] - 1) <= MOST_MAE


def main() -> int:
    console = Console(width=110)
    try:
        january, february = real("2022-01"), real("2022-02")
    except SourceUnusable as error:
        console.print(f"nothing to compare with, SKIPPED: {error}")
        return 2
    ours = synthetic("2022-01"), synthetic("2022-02")
    true = show_marginals(console, january, february, ours)
    useful = show_errors(console, january, february, ours)
    for volume, days in ((1.0, 31), (100.0, 3)):
        console.print(f"volume {volume:g}: {rows_per_second(volume, days):,.0f} trips a second and core")
    console.print(
        f"PSI at most {MOST_PSI}: {'yes' if true else 'NO'}. MAE within 15 %: {'yes' if useful else 'NO'}."
    )
    return 0 if true and useful else 1


if __name__ == "__main__":
    sys.exit(main())
