"""Which model? Error on the months after the one learnt from, against rows a second on one thread.

    python -m benchmarks.models

Real trips of 2022-01 (learnt from), 2022-02 and 2022-03 (compared with) where DRIFTLINE_DATA has them (default
`../shared/data/tlc`), else synthetic ones; it says which. March was not looked at while the model was chosen.
Rows a second include the features, from columns as the consumer has them; batches are taken in turn from the whole
month, so that caches are as cold as they would be.
"""

from __future__ import annotations

import os

from schemas.streams.taxi import TRIPS

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import skops.io

from models import storage
from models.columns import Columns, Floats
from models.reference import columns, valid
from models.taxi import boosting, linear
from models.taxi.features import features
from models.taxi.train import MINUTES, SEED, durations, error_metrics
from producer.source import Source
from producer.sources.selection import from_files, from_generator
from schemas.durations import moment_ms

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("DRIFTLINE_DATA", ROOT / "../shared/data/tlc"))

BATCHES = (5_000, 20_000)
ROUNDS = 7


@dataclass(frozen=True)
class Candidate:
    """A fitted model. predict: columns → minutes, features included. size: bytes of its skops file."""

    name: str
    predict: Callable[[Columns], Floats]
    size: int


def main() -> None:
    sources = months()
    known, (trips, truth), later = map(_learnable, sources)
    print(f"learnt from {sources[0].name}: {len(known[1]):,} trips of 1 to 60 minutes")
    print(f"compared with {sources[1].name}: {len(truth):,}, and {sources[2].name}: {len(later[1]):,}")
    print(f"one thread, best of {ROUNDS} rounds; errors in minutes\n")
    print(
        "| model | MAE | RMSE | bias | MAE in March | "
        + " | ".join(f"rows/s at {n:,}" for n in BATCHES)
        + " | file |"
    )
    print("|---|---|---|---|---|" + "---|" * len(BATCHES) + "---|", flush=True)
    for candidate in candidates(*known):
        off = error_metrics(candidate.predict(trips) - truth, (0, 0))
        march = error_metrics(candidate.predict(later[0]) - later[1], (0, 0)).mae
        speeds = " | ".join(_millions(rows_a_second(candidate, trips, size)) for size in BATCHES)
        figures = f"{off.mae:.2f} | {off.rmse:.2f} | {off.bias:+.2f} | {march:.2f}"
        print(f"| {candidate.name} | {figures} | {speeds} | {candidate.size / 1e3:,.0f} kB |", flush=True)


def months(data: Path = DATA) -> list[Source]:
    """January, February and March 2022, real if they are there."""
    paths = [data / f"green_tripdata_2022-{month}.parquet" for month in ("01", "02", "03")]
    if all(path.is_file() for path in paths):
        return [from_files([path]) for path in paths]
    print(f"no real trips in {data}: SYNTHETIC ones instead, so the errors say little", flush=True)
    starts = [moment_ms(f"2022-0{month}-01") for month in (1, 2, 3, 4)]
    return [from_generator(*period, seed=SEED + n) for n, period in enumerate(pairwise(starts))]


def candidates(trips: Columns, truth: Floats) -> Iterator[Candidate]:
    """From the simplest to the dearest, and ours."""
    mean = truth.mean()
    yield Candidate("mean of all trips", lambda batch: np.full(len(batch["pickup_at"]), mean), 0)
    tutorial = linear.fit(trips, truth)
    yield Candidate(
        "tutorial's linear regression (leak: reads the fare)", tutorial.predict, _size(tutorial.arrays())
    )
    for trees, rate in ((10, 0.3), (30, 0.2), (100, 0.1), (300, 0.05)):
        yield _trees(f"boosting, {trees} trees × 31 leaves", trips, truth, trees=trees, rate=rate, groups=None)
    yield _trees(f"three groups of features, {boosting.TREES} trees", trips, truth)
    tables = boosting.fit(features(trips), truth, MINUTES, SEED).tables()
    yield Candidate("**the same as three tables (default)**", tables.predict, len(storage.dump(tables.arrays())))


def _trees(name: str, trips: Columns, truth: Floats, **options: object) -> Candidate:
    fitted = boosting.fit(features(trips), truth, MINUTES, SEED, **options)  # type: ignore[arg-type]
    return Candidate(name, lambda batch: fitted.predict(features(batch)), _size(fitted.trees))


def _size(estimator: object) -> int:
    sink = io.BytesIO()
    skops.io.dump(estimator, sink, compression=8)
    return len(sink.getvalue())


def rows_a_second(candidate: Candidate, trips: Columns, size: int) -> float:
    """The best of several rounds through all trips, in whole batches of this size."""
    rows = len(trips["pickup_at"]) // size * size
    batches = [{name: column[at : at + size] for name, column in trips.items()} for at in range(0, rows, size)]
    return rows / min(_seconds(candidate, batches) for _ in range(ROUNDS))


def _seconds(candidate: Candidate, batches: Sequence[Columns]) -> float:
    start = time.thread_time()  # not the wall's: other work on the machine must not count
    for batch in batches:
        candidate.predict(batch)
    return time.thread_time() - start


def _millions(rate: float) -> str:
    return f"{rate / 1e6:,.0f}M" if rate > 1e7 else f"{rate / 1e6:.2f}M"


def _learnable(source: Source) -> tuple[Columns, Floats]:
    """Trips of 1 to 60 minutes inside the source's month."""
    whole = valid(pa.concat_tables(source.tables()), TRIPS)
    took, pickup = durations(whole), whole["pickup_at"].to_numpy()
    keep = (took >= MINUTES[0]) & (took <= MINUTES[1]) & (pickup >= source.period[0]) & (pickup < source.period[1])
    return {name: column[keep] for name, column in columns(whole, TRIPS).items()}, took[keep]


if __name__ == "__main__":
    main()
