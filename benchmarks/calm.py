"""How often a calm month raises a finger: windows of 2022-02 against 2022-01, without drift in either.

    python -m benchmarks.calm

Share of windows with enough rows that are flagged, by Evidently's fixed thresholds and by ours, which are drawn
from the reference. Real trips where DRIFTLINE_DATA has them (default `../shared/data/tlc`), else synthetic ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from benchmarks.models import months
from models import reference as references
from models.taxi.train import durations, train
from monitor.drift.figures import Config
from monitor.evidently.reference import Reference
from monitor.evidently.window_figures import event_figures
from producer.source import Source
from schemas.figures import DRIFT, WindowFigures
from schemas.streams.taxi import TAXI, TRIPS

HOUR = 3_600_000
SIZES = {"1 h": HOUR, "6 h": 6 * HOUR, "1 d": 24 * HOUR}
SHOWN = ("prediction", "PULocationID", "DOLocationID", "trip_distance", "tip_amount")


def windows(source: Source, table: pa.Table, size: int) -> Iterator[pa.Table]:
    """Tumbling windows over the source's period; those without rows are left out."""
    times = table[TRIPS.time].to_numpy()
    edges = np.searchsorted(times, [*range(*source.period, size), source.period[1]])
    for first, last in pairwise(edges):
        if last > first:
            yield table.slice(first, last - first)


def flagged(found: list[WindowFigures]) -> list[float]:
    """Shares of windows: data set, any column, each of SHOWN."""
    hits = Counter[str]()
    for figures in found:
        drifted = {c.column for c in figures.columns if c.metric == DRIFT and c.status == "drift"}
        hits.update([*drifted, *["any"] * bool(drifted), *["data set"] * bool(figures.dataset_drift)])
    return [hits[name] / len(found) for name in ("data set", "any", *SHOWN)]


def main() -> None:
    known, calm, _ = months()
    with TemporaryDirectory() as folder:
        trips = pa.concat_tables(known.tables())
        model = train(trips, out=Path(folder) / "model", source=known.name, period=known.period)
        rows = references.valid(pa.concat_tables(calm.tables()), TRIPS)
        table = references.reference(rows, TAXI, model.predict(references.columns(rows, TRIPS)), durations(rows))
        config = Config()
        by = {
            name: Reference.from_table(model.reference(), TAXI, config, calibrated=calibrated)
            for name, calibrated in (("fixed", False), ("drawn", True))
        }
    print(f"{calm.name} against {known.name}\n")
    print("| size | thresholds | windows | data set | any column | " + " | ".join(SHOWN) + " |")
    print("|---|---|---:" + "|---:" * (2 + len(SHOWN)) + "|")
    for size, length in SIZES.items():
        for name, reference in by.items():
            found = [event_figures(window, reference, config) for window in windows(calm, table, length)]
            enough = [figures for figures in found if figures.sufficient]
            shares = " | ".join(f"{share:.1%}" for share in flagged(enough))
            print(f"| {size} | {name} | {len(enough)} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
