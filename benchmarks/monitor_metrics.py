"""What a window costs: the monitor's figures, with its summary and without, Evidently's preset, and plain numpy.

    python -m benchmarks.monitor_metrics              windows of 1,000 and 10,000 rows, 62,000 of reference
    python -m benchmarks.monitor_metrics --rounds 50

15 columns: 7 numbers, 8 categories. The floor is one plain function that computes the same figures with the
reference prepared, and nothing else: no Evidently, no types, no guard against bad columns. The summary, of which
alarms are made, counts the rows of a window of a day, hour by hour, and is encoded. Rounds are interleaved, so that
a disturbance of the machine falls on all. Median and best of wall time, median of CPU time.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import rel_entr

from monitor.drift.category import CategoryReference
from monitor.drift.columns import monitored
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.evidently.metrics import data_definition
from monitor.evidently.reference import Reference
from monitor.evidently.window_figures import event_figures
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.summary import encode, summarize_events
from schemas.figures import DRIFT, QUANTILES
from schemas.streams.taxi import TAXI, TRIPS
from storage.chunk import PREDICTION

DAY = 86_400_000
SIZES = (1_000, 10_000)
REFERENCE = 62_000
REAL = Path(os.environ.get("DRIFTLINE_DATA", "../shared/data/tlc"))


@dataclass
class Times:
    wall: list[float]
    cpu: list[float]

    def add(self, call: Callable[[], Any]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    reference, windows, source = tables()
    config = Config()
    prepared = Reference.from_table(reference, TAXI, config)
    print(f"{source}: reference {reference.num_rows:,} rows, {len(monitored(TRIPS))} columns, medians of {rounds}")
    print(
        f"{'rows':>7}  {'':15} {'ms':>9} {'best ms':>9} {'CPU ms':>9}   … and each as a multiple of the monitor's"
    )
    for size in SIZES:
        report(
            size, measured(windows.slice(windows.num_rows // 3, size).combine_chunks(), prepared, config, rounds)
        )


def tables() -> tuple[pa.Table, pa.Table, str]:
    """Reference and stream in the layout of the reference: real months where they are, else synthetic ones."""
    from models.reference import reference, valid  # noqa: PLC0415
    from models.taxi.train import durations  # noqa: PLC0415
    from producer.sources.selection import from_files, from_generator  # noqa: PLC0415
    from producer.sources.tlc import month_period  # noqa: PLC0415

    paths = [REAL / f"green_tripdata_{month}.parquet" for month in ("2022-01", "2022-02")]
    real = all(path.exists() for path in paths)
    sources = (
        [from_files([path]) for path in paths]
        if real
        else [from_generator(*month_period(month)) for month in ("2022-01", "2022-02")]
    )
    found = []
    for seed, source in enumerate(sources):
        trips = valid(pa.concat_tables(source.tables()), TRIPS)
        guess = 4 + 3 * trips["trip_distance"].to_numpy().clip(0, 30) ** 0.85
        guess += np.random.default_rng(seed).normal(0, 1, len(guess))
        found.append(reference(trips, TAXI, guess, durations(trips)))
    return found[0].slice(0, REFERENCE), found[1], "real trips" if real else "synthetic trips"


def measured(window: pa.Table, reference: Reference, config: Config, rounds: int) -> Mapping[str, Times]:
    preset = preset_of(window, reference)
    ready = prepare_floor(reference)
    day, layout = within_a_day(window), SummaryLayout.from_reference(reference.table, TAXI)

    def with_summary() -> Any:
        return event_figures(window, reference, config), encode(
            summarize_events(day, layout, TAXI, start=0, size=DAY)
        )

    calls: dict[str, Callable[[], Any]] = {
        "monitor": lambda: event_figures(window, reference, config),
        "with summary": with_summary,
        "numpy floor": lambda: floor(window, ready),
        "DataDriftPreset": preset,
    }
    agree(event_figures(window, reference, config), floor(window, ready))
    times = {name: Times([], []) for name in calls}
    for round_ in range(rounds + 1):
        if round_ == 1:  # the round before warmed the caches
            times = {name: Times([], []) for name in calls}
        times["DataDriftPreset"].add(preset)
        gc.collect()
        for _ in range(20):
            for name in ("monitor", "with summary", "numpy floor"):
                times[name].add(calls[name])
    return times


def report(size: int, times: Mapping[str, Times]) -> None:
    ours = times["monitor"]
    for name, found in times.items():
        numbers = (median(found.wall), min(found.wall), median(found.cpu))
        base = (median(ours.wall), min(ours.wall), median(ours.cpu))
        ratios = "".join(f" {number / of:9.2f}" for number, of in zip(numbers, base, strict=True))
        print(f"{size:7,}  {name:15}" + "".join(f" {1e3 * number:9.2f}" for number in numbers) + ratios)
    cpu = {name: median(found.cpu) for name, found in times.items()}
    for name in ("monitor", "with summary"):
        over_floor, under_preset = cpu[name] / cpu["numpy floor"], cpu["DataDriftPreset"] / cpu[name]
        print(
            f"{'':7}  {name} = {over_floor:.2f} x floor; DataDriftPreset = {under_preset:.0f} x it (medians of CPU)"
        )


def within_a_day(window: pa.Table) -> pa.Table:
    """The same rows, their event times spread over the first day of the epoch."""
    name = TRIPS.time
    return window.set_column(
        window.column_names.index(name), name, pa.array(np.arange(window.num_rows) * DAY // window.num_rows)
    )


def preset_of(window: pa.Table, reference: Reference) -> Callable[[], Any]:
    """Evidently's preset on the same columns; its reference Dataset is built once, as a monitor would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import Dataset, Report  # noqa: PLC0415
        from evidently.presets import DataDriftPreset  # noqa: PLC0415
    numbers, categories = [*TRIPS.numbers, PREDICTION], list(TRIPS.categories)
    kinds = data_definition(set(numbers), set(categories))

    def frame(table: pa.Table) -> Any:
        frame = table.select([*numbers, *categories]).to_pandas()
        frame[numbers] = frame[numbers].astype(float)
        return Dataset.from_pandas(frame.astype(dict.fromkeys(categories, object)), kinds)

    base = frame(reference.table)

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Report([DataDriftPreset(columns=[*numbers, *categories])]).run(frame(window), base).dict()

    return run


Ready = Mapping[str, tuple[Any, ...]]


def prepare_floor(reference: Reference) -> Ready:
    ready: dict[str, tuple[Any, ...]] = {}
    for name, column in reference.columns.items():
        if isinstance(column, NumberReference) and name in {*TRIPS.numbers, PREDICTION}:
            ready[name] = (column.values, *column.steps, column.area, column.norm, column.low, column.high)
        elif isinstance(column, CategoryReference):
            numeric = name != "store_and_fwd_flag"
            labels = np.array([float(v) if numeric else v for v in column.labels], float if numeric else object)
            order = np.argsort(labels)
            ready[name] = (labels[order], column.counts[order] / column.count)
    return ready


def floor(window: pa.Table, ready: Ready) -> dict[tuple[str, str], float]:
    """The same figures, in plain numpy."""
    figures: dict[tuple[str, str], float] = {}
    rows = window.num_rows
    for name, prepared in ready.items():
        if len(prepared) > 2:
            _number_floor(name, window[name].chunk(0), rows, prepared, figures)
        else:
            _category_floor(name, window[name].chunk(0), rows, prepared, figures)
    return figures


def _number_floor(
    name: str, column: pa.Array, rows: int, prepared: tuple[Any, ...], figures: dict[tuple[str, str], float]
) -> None:
    values, support, share, area, area_at, norm, low, high = prepared
    y = column.to_numpy(zero_copy_only=False).astype(np.float64)
    y.sort()
    n = rows - column.null_count
    y = y[:n]
    figures[name, "missing_share"] = column.null_count / rows
    below, inside = y.searchsorted(low, "left"), y.searchsorted(high, "right")
    figures[name, "out_of_range_share"] = (n - inside + below) / n
    for metric, q in QUANTILES.items():
        at = q * (n - 1)
        left = int(at)
        figures[name, metric] = y[left] + (y[min(left + 1, n - 1)] - y[left]) * (at - left)
    figures[name, "mean"] = np.add.reduce(y) / n
    y[:below], y[inside:] = low, high
    at = support[1:].searchsorted(y, "right")
    to_y = area[at] + (y - support[at]) * share[at]
    k = np.arange(1, n)
    place = -(-k * len(values) // n) - 1
    a, b, to_a, to_b = y[:-1], y[1:], to_y[:-1], to_y[1:]
    q, to_q = values[place].clip(a, b), area_at[place].clip(to_a, to_b)
    between = np.add.reduce(k / n * ((q - a) - (b - q)) - ((to_q - to_a) - (to_b - to_q)))
    after = (values[-1] - y[-1]) - (area[-1] - to_y[-1])
    figures[name, DRIFT] = (to_y[0] + between + after) / norm


def _category_floor(
    name: str, column: pa.Array, rows: int, prepared: tuple[Any, ...], figures: dict[tuple[str, str], float]
) -> None:
    labels, p = prepared
    n = rows - column.null_count
    column = column.drop_null() if column.null_count else column
    if labels.dtype == object:
        counted = column.value_counts()
        values, counts = counted.field(0).to_numpy(zero_copy_only=False), counted.field(1).to_numpy()
    else:
        values, counts = np.unique(column.to_numpy(), return_counts=True)
    at = labels.searchsorted(values)
    hit = labels.take(at, mode="clip") == values
    q = np.zeros(len(p))
    q[at[hit]] = counts[hit] / n
    new = 1.0 - np.add.reduce(counts[hit]) / n
    m = (p + q) / 2
    total = np.add.reduce(rel_entr(p, m)) + np.add.reduce(rel_entr(q, m)) + new * np.log(2.0)
    figures[name, "missing_share"], figures[name, "new_share"] = 1 - n / rows, new
    figures[name, DRIFT] = np.sqrt(max(total, 0.0) / 2)


def agree(ours: Any, plain: Mapping[tuple[str, str], float]) -> None:
    """A floor that computes something else is none. Raises AssertionError."""
    known = {(c.column, c.metric): c.value for c in ours.columns}
    assert known.keys() == plain.keys(), known.keys() ^ plain.keys()
    for key, value in plain.items():
        assert abs(known[key] - value) <= 1e-9, key


if __name__ == "__main__":
    main()
