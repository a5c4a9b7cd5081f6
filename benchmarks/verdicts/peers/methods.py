"""What others raise on the same trips; one peer a process, in an environment of its own, with numpy in each.

    python methods.py PEER FOLDER

FOLDER holds `reference.npz`, `calm.npz`, and one file for each drift, bent from its beginning, all as `table.py`
writes them, and `onsets.json`. Writes FOLDER/PEER.json: of each method and variant the alarms, as event time in ms;
of detectors that go from row to row also the delay from each onset. Windows are days, as these packages suggest.
"""

# ruff: noqa: PLC0415 - each environment has one of them

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = Mapping[str, NDArray[Any]]
"""Column → values, in order of `at`, ms. Categories are text, numbers floats."""

Alarms = dict[str, dict[str, list[int]]]
"""Method → variant → ends of the windows with an alarm, ms."""

DAY = 86_400_000
FIXED = 0.1
"""Evidently's threshold of either distance, where the reference has more than 1,000 rows."""

ROWS = 100
"""Days with fewer are left out."""

TUTORIAL = (
    *("passenger_count", "trip_distance", "fare_amount", "total_amount"),
    *("PULocationID", "DOLocationID", "prediction"),
)
"""Columns of the batch tutorial: inputs of its model, and the prediction."""


def columns(table: Table) -> list[str]:
    """All but the time."""
    return [name for name in table if name != "at"]


def is_category(values: NDArray[Any]) -> bool:
    """Whether a column is one."""
    return values.dtype.kind == "U"


def days(table: Table) -> Iterator[tuple[int, Table]]:
    """The end of each day with rows, and its part of the table."""
    day = table["at"] // DAY
    for at in np.unique(day):
        rows = slice(*np.searchsorted(day, [at, at + 1]))
        if rows.stop - rows.start >= ROWS:
            yield int(at + 1) * DAY, {name: values[rows] for name, values in table.items()}


def evidently(reference: Table, variants: Mapping[str, Table], folder: Path) -> Alarms:
    """Each column's own drift test; any of the tutorial's columns, and at least half of all columns."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    names = columns(reference)
    categories = [name for name in names if is_category(reference[name])]
    definition = DataDefinition(
        numerical_columns=[name for name in names if name not in categories], categorical_columns=categories
    )

    def dataset(table: Table) -> Any:
        return Dataset.from_pandas(pd.DataFrame({n: table[n] for n in names}), data_definition=definition)

    base = dataset(reference)
    remembered: dict[tuple[str, bytes], bool] = {}

    def moved(part: Table) -> set[str]:
        keys = {name: (name, part[name].tobytes()) for name in names}
        fresh = [name for name in names if keys[name] not in remembered]
        if fresh:
            report = Report([ValueDrift(column=name) for name in fresh])
            values = [metric["value"] for metric in report.run(dataset(part), base).dict()["metrics"]]
            remembered.update({keys[n]: value >= FIXED for n, value in zip(fresh, values, strict=True)})
        return {name for name in names if remembered[keys[name]]}

    found: Alarms = {"Evidently, the tutorial's columns": {}, "Evidently, its default (half of all columns)": {}}
    for variant, table in variants.items():
        drifted = {end: moved(part) for end, part in days(table)}
        by_any, by_half = found.values()
        by_any[variant] = [end for end, moved in drifted.items() if moved & {*TUTORIAL}]
        by_half[variant] = [end for end, moved in drifted.items() if 2 * len(moved) >= len(names)]
    return found


def nannyml(reference: Table, variants: Mapping[str, Table], folder: Path) -> Alarms:
    """Any column's alert, by day; with its defaults, and beyond three standard deviations."""
    import pandas as pd
    from nannyml import UnivariateDriftCalculator  # type: ignore[import-not-found]
    from nannyml.thresholds import StandardDeviationThreshold  # type: ignore[import-not-found]

    names = columns(reference)
    categories = [name for name in names if is_category(reference[name])]

    def frame(table: Table) -> Any:
        made = pd.DataFrame({name: table[name] for name in names})
        return made.assign(at=pd.to_datetime(table["at"], unit="ms"))

    choices: dict[str, dict[str, Any]] = {
        "NannyML, defaults": {},
        "NannyML, mean ± 3 sd of the reference's days": {
            "continuous_methods": ["wasserstein"],
            "thresholds": {"jensen_shannon": StandardDeviationThreshold(std_lower_multiplier=None)},
        },
    }
    found: Alarms = {}
    for method, options in choices.items():
        calculator = UnivariateDriftCalculator(
            column_names=names,
            treat_as_categorical=categories,
            timestamp_column_name="at",
            chunk_period="D",
            **options,
        ).fit(frame(reference))
        found[method] = {}
        for variant, table in variants.items():
            result = calculator.calculate(frame(table)).filter(period="analysis").to_df()
            alerts = result.loc[:, [key for key in result.columns if key[-1] == "alert"]].any(axis=1)
            starts = pd.to_datetime(result["chunk"]["chunk"]["start_date"]).astype("datetime64[ms]").astype("int64")
            found[method][variant] = [int(at // DAY + 1) * DAY for at in starts[alerts.to_numpy()]]
    return found


def popmon(reference: Table, variants: Mapping[str, Table], folder: Path) -> Alarms:
    """Any red traffic light, by day."""
    import pandas as pd
    import popmon as package  # type: ignore[import-not-found]
    from popmon.config import Settings  # type: ignore[import-not-found]

    def frame(table: Table) -> Any:
        made = pd.DataFrame({name: table[name] for name in columns(reference)})
        return made.assign(at=pd.to_datetime(table["at"], unit="ms"))

    found: dict[str, list[int]] = {}
    for variant, table in variants.items():
        settings = Settings(time_axis="at", reference_type="external")
        report = package.df_stability_report(
            frame(table), settings=settings, time_width="1d", reference=frame(reference)
        )
        lights = report.datastore["traffic_lights"]
        red: set[int] = set()
        for light in lights.values():
            at = pd.to_datetime(light.index[(light >= 2).any(axis=1)]).astype("datetime64[ms]").astype("int64")
            red |= {int(each // DAY + 1) * DAY for each in at}
        found[variant] = sorted(red)
    return {"popmon, red": found}


def driftdep(reference: Table, variants: Mapping[str, Table], folder: Path) -> Alarms:
    """Block permutation of each number, 5 % for all of them together, against the newest week of the reference."""
    import driftdep as package  # type: ignore[import-not-found]

    newest = reference["at"] >= reference["at"][-1] - 7 * DAY
    numbers = [name for name in columns(reference) if not is_category(reference[name])]
    known = {name: reference[name][newest] for name in numbers}
    known = {name: values[np.isfinite(values)] for name, values in known.items()}
    level, remembered = 0.05 / len(numbers), dict[tuple[str, bytes], bool]()

    def chance(name: str, values: NDArray[Any], resamples: int) -> float:
        now = values[np.isfinite(values)]
        return float(package.drift_test(known[name], now, statistic="ks", n_resamples=resamples, rng=7).pvalue)

    def moved(name: str, values: NDArray[Any]) -> bool:
        key = name, values.tobytes()
        if key not in remembered:
            # The first 19 of 199 permutations are the same: whoever exceeds the level by them alone does so by all.
            lower_bound = chance(name, values, 19) * 20 / 200
            remembered[key] = lower_bound <= level and chance(name, values, 199) <= level
        return remembered[key]

    return {
        "driftdep, block permutation": {
            variant: [end for end, part in days(table) if any(moved(name, part[name]) for name in numbers)]
            for variant, table in variants.items()
        }
    }


def river(reference: Table, variants: Mapping[str, Table], folder: Path) -> Alarms:
    """ADWIN and KSWIN on the absolute error, label by label; each begins anew after an alarm, as they do."""
    from river.drift import ADWIN, KSWIN  # type: ignore[import-not-found]

    onsets = sorted(json.loads((folder / "onsets.json").read_text(encoding="utf-8")))
    makers: dict[str, Callable[[], Any]] = {"river, ADWIN": ADWIN, "river, KSWIN": lambda: KSWIN(seed=7)}
    streams = {name: _errors(table) for name, table in variants.items()}
    found: Alarms = {}
    for method, make in makers.items():
        alarms, detectors = _watched(make(), streams["calm"], onsets)
        found[method] = {"calm": alarms}
        for variant in streams.keys() - {"calm"}:
            delays = [
                _delay(deepcopy(one), streams[variant], at) for at, one in zip(onsets, detectors, strict=True)
            ]
            found[method][variant] = delays
    return found


Errors = tuple[NDArray[Any], NDArray[Any]]
"""Times at which labels come, in order, and absolute errors."""


def _errors(table: Table) -> Errors:
    known = np.isfinite(table["error"])
    at = (table["at"] + table["duration_min"] * 60_000)[known]
    order = np.argsort(at, kind="stable")
    return at[order].astype(np.int64), np.abs(table["error"][known])[order]


def _watched(detector: Any, calm: Errors, onsets: list[int]) -> tuple[list[int], list[Any]]:
    """The alarms on a stream, and the detector as it was at each onset; these ascend."""
    found: list[int] = []
    copies: list[Any] = []
    for at, error in zip(*calm, strict=True):
        while len(copies) < len(onsets) and at >= onsets[len(copies)]:
            copies.append(deepcopy(detector))
        detector.update(float(error))
        if detector.drift_detected:
            found.append(int(at))
    return found, copies


def _delay(detector: Any, bent: Errors, onset: int) -> int:
    """Ms from the onset to the first alarm within a week; -1 if there is none."""
    after = slice(*np.searchsorted(bent[0], [onset, onset + 7 * DAY]))
    for at, error in zip(bent[0][after], bent[1][after], strict=True):
        detector.update(float(error))
        if detector.drift_detected:
            return int(at) - onset
    return -1


PEERS = {peer.__name__: peer for peer in (evidently, nannyml, popmon, driftdep, river)}


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    tables = {path.stem: dict(np.load(path)) for path in sorted(folder.glob("*.npz"))}
    reference = tables.pop("reference")
    found = PEERS[name](reference, tables, folder)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
