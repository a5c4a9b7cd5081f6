"""How often a calm month is flagged: windows of 2022-02 and 2022-03 against 2022-01, without a drift in any.

    python -m benchmarks.calm

Of windows with enough rows, the share of cells (a window's column) that are beyond their threshold, and the share
of windows that have such a cell: by Evidently's fixed thresholds, by thresholds for a number of rows, and by those
for a window's size, slot of the week and number of rows. Real trips where DRIFTLINE_DATA has them (default
`../shared/data/tlc`), else synthetic ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from benchmarks.models import months
from models import reference as references
from models.artifact import Model
from models.taxi.train import durations, train
from monitor.drift.figures import Config
from monitor.evidently.reference import Reference, Span
from monitor.evidently.window_figures import event_figures
from producer.source import Source
from schemas.figures import DRIFT, WindowFigures
from schemas.streams.taxi import TAXI, TRIPS

HOUR = 3_600_000
SIZES = {"1 h": HOUR, "6 h": 6 * HOUR, "1 d": 24 * HOUR}
CONFIG = Config()


def windows(source: Source, table: pa.Table, size: int) -> Iterator[tuple[Span, pa.Table]]:
    """Tumbling windows over the source's period; those with too few rows are left out."""
    starts = [*range(*source.period, size), source.period[1]]
    edges = np.searchsorted(table[TRIPS.time].to_numpy(), starts)
    for start, (first, last) in zip(starts, pairwise(edges), strict=False):
        if last - first >= CONFIG.min_rows:
            yield Span(start, size), table.slice(first, last - first)


def scored(source: Source, model: Model) -> pa.Table:
    """The trips of a month as the monitor has them, and their labels."""
    rows = references.valid(pa.concat_tables(source.tables()), TRIPS)
    predictions = model.predict(references.columns(rows, TRIPS))
    return references.reference(rows, TAXI, predictions, durations(rows))


def flagged(found: list[WindowFigures]) -> tuple[float, float]:
    """Shares of cells, and of windows."""
    cells = [[c.status == "drift" for c in w.columns if c.metric == DRIFT and c.value is not None] for w in found]
    return sum(map(sum, cells)) / sum(map(len, cells)), sum(map(any, cells)) / len(cells)


def main() -> None:
    known, *calm = months()
    with TemporaryDirectory() as folder:
        trips = pa.concat_tables(known.tables())
        model = train(trips, out=Path(folder) / "model", source=known.name, period=known.period)
        tables = [(source, scored(source, model)) for source in calm]
        fixed, drawn = (
            Reference.from_table(model.reference(), TAXI, CONFIG, calibrated=calibrated)
            for calibrated in (False, True)
        )
    print(f"{' and '.join(source.name for source in calm)} against {known.name}\n")
    print("| size | threshold by | windows | cells flagged | windows flagged |\n|---|---|---:|---:|---:|")
    for size, length in SIZES.items():
        cut = [window for source, table in tables for window in windows(source, table, length)]
        for name, found in {
            "fixed": [event_figures(rows, fixed, CONFIG) for _, rows in cut],
            "rows": [event_figures(rows, drawn, CONFIG) for _, rows in cut],
            "size, slot, rows": [event_figures(rows, drawn, CONFIG, span) for span, rows in cut],
        }.items():
            cells, any_cell = flagged(found)
            print(f"| {size} | {name} | {len(found)} | {cells:.1%} | {any_cell:.0%} |", flush=True)


if __name__ == "__main__":
    main()
