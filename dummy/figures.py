"""The figures of a dummy run's windows, in the monitor's own types. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import sqrt
from zlib import crc32

import numpy as np
from msgspec.structs import replace

from dummy.plan import DAY, HOUR, LATENESS, PARTITIONS, Plan, Window, strength
from monitor.figures import (
    CATEGORY_METRICS,
    DRIFT,
    MEAN,
    MISSING,
    NEW,
    NUMBER_METRICS,
    OUTSIDE,
    QUANTILES,
    ColumnFigure,
    Config,
    Status,
    WindowFigures,
)
from schemas.chunk import PREDICTION
from schemas.definition import Stream
from schemas.taxi import STREAMS

CONFIG = Config()
_NORMAL = {0.05: -1.645, 0.25: -0.674, 0.5: 0.0, 0.75: 0.674, 0.95: 1.645}
_BY_TOPIC = {stream.topic: stream for stream in STREAMS}


@dataclass(frozen=True)
class Written:
    """A window as it is written.

    revision: how often it was computed again after it had closed. offsets: per partition.
    latency_ms, compute_ms: as the monitor measures them.
    """

    window: Window
    status: str
    revision: int
    figures: WindowFigures
    offsets: Mapping[str, tuple[int, int]]
    latency_ms: float
    compute_ms: float


def written(plan: Plan, window: Window) -> Written:
    """A window with its figures: the same for the same plan, whatever was asked before."""
    number = crc32(window.name.encode())
    rng = np.random.default_rng((plan.seed, number))
    return Written(
        window=window,
        status=_status(plan, window),
        revision=int(window.closed and number % 40 == 0),
        figures=_figures(plan, window, rng),
        offsets=_offsets(plan, window),
        latency_ms=round(float(rng.lognormal(5.2, 0.35)), 1),
        compute_ms=round(float(rng.lognormal(2.6, 0.3)), 1),
    )


def _status(plan: Plan, window: Window) -> str:
    """Of the smallest size the newest that is closed is provisional: as if a partition had fallen silent."""
    if not window.closed:
        return "open"
    if window.rows < CONFIG.min_rows:
        return "insufficient"
    newest = window.size == plan.sizes[0] and window.end + window.size + LATENESS[window.stream] > plan.now
    return "provisional" if newest and window.end <= plan.now else "final"


def _offsets(plan: Plan, window: Window) -> dict[str, tuple[int, int]]:
    """Where the rows might have lain: in each partition its share, at a place that grows with event time."""
    each = max(1, window.rows // PARTITIONS)
    first = (window.start - plan.start) // HOUR * 100
    return {str(partition): (first, first + each - 1) for partition in range(PARTITIONS)}


def _figures(plan: Plan, window: Window, rng: np.random.Generator) -> WindowFigures:
    stream = _BY_TOPIC[window.stream]
    bent = {s.columns: strength(s, window.start, window.end) for s in plan.stretches}
    level = max(bent.values(), default=0.0)
    columns = tuple(_columns(plan, window, stream, bent, rng))
    scores = [c for c in columns if c.metric == DRIFT and c.value is not None]
    missing = [c.value for c in columns if c.metric == MISSING and c.value is not None]
    drifted = sum(c.status == "drift" for c in scores)
    share = drifted / len(scores) if scores else None
    enough = window.rows >= CONFIG.min_rows
    found = WindowFigures(
        columns_tested=len(scores),
        columns_drifted=drifted,
        share_drifted=share,
        dataset_drift=None if share is None else share >= CONFIG.drift_share,
        prediction_drift=_score(columns, PREDICTION),
        target_drift=_score(columns, stream.label),
        share_missing=sum(missing) / len(missing) if missing else None,
        columns=columns,
        sampled=min(window.rows, CONFIG.max_rows),
        sufficient=enough,
    )
    return _labelled(found, window, level, rng) if stream.label is not None else found


def _labelled(found: WindowFigures, window: Window, level: float, rng: np.random.Generator) -> WindowFigures:
    """What only outcomes tell."""
    errors = _errors(level, rng) if found.sufficient else {}
    mae = ColumnFigure(PREDICTION, "mae", value=errors.get("mae"), status="ok" if errors else "insufficient")
    coverage = _coverage(window, rng)
    return replace(found, **errors, label_coverage=coverage, columns=(*found.columns, mae))


def _columns(
    plan: Plan,
    window: Window,
    stream: Stream,
    bent: Mapping[tuple[str, ...], float],
    rng: np.random.Generator,
) -> Iterator[ColumnFigure]:
    """In the monitor's order: numbers, categories, and the prediction that was made from them."""
    names, categories, optional = _fields(stream)
    calm = np.exp(rng.normal(-0.95, 0.33, len(names)))
    noise = rng.normal(0, 1 / sqrt(window.rows), len(names))
    broken = categories[-1:] if _unreadable(plan, window) else ()
    for name, quiet, wobble in zip(names, calm.tolist(), noise.tolist(), strict=True):
        metrics = CATEGORY_METRICS if name in categories else NUMBER_METRICS
        method = CONFIG.category_method if name in categories else CONFIG.number_method
        if name in broken:
            why = "string where numbers belong"
            yield ColumnFigure(name, DRIFT, method, status="failed", reason=why)
            yield from (ColumnFigure(name, metric, status="failed", reason=why) for metric in metrics[1:])
            continue
        shift = _shift(name, stream, bent)
        yield _drift(name, method, window.rows, quiet + shift)
        gone = min(1.0, abs(0.03 + wobble / 4) * (1 + shift)) if name in optional else 0.0
        known = {MISSING: gone, NEW: 0.004 * shift, OUTSIDE: 0.002 + 0.01 * shift}
        known |= _looks(name, shift / 4 + wobble)
        yield from (ColumnFigure(name, metric, value=known[metric]) for metric in metrics[1:])


@cache
def _fields(stream: Stream) -> tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]:
    """Names of the columns that are monitored, of the categories, and of what may be missing."""
    names = (*stream.numbers, *stream.categories, *([PREDICTION] if stream.label is None else []))
    return names, stream.categories, frozenset(field.name for field in stream.kept if not field.required)


def _unreadable(plan: Plan, window: Window) -> bool:
    """One column of one early day cannot be read: `failed`, and the other columns stand."""
    day = plan.at(0.2)
    return window.start < day + min(DAY, plan.now - day) and window.end > day


def _shift(name: str, stream: Stream, bent: Mapping[tuple[str, ...], float]) -> float:
    """In thresholds: what was injected into the column; the label moves half as far as what it follows from."""
    if name == stream.label:
        return max(bent.values(), default=0.0) / 2
    return max((by for columns, by in bent.items() if name in columns), default=0.0)


def _drift(name: str, method: str, rows: int, severity: float) -> ColumnFigure:
    """Thresholds fall with the rows, as calibrated ones do."""
    if rows < CONFIG.min_rows:
        why = f"{rows} values, {CONFIG.min_rows} needed"
        return ColumnFigure(name, DRIFT, method, status="insufficient", reason=why)
    threshold = 0.05 + 1.2 / sqrt(rows)
    status: Status = "drift" if severity >= 1 else "ok"
    return ColumnFigure(name, DRIFT, method, severity * threshold, threshold, severity, status)


def _looks(name: str, shift: float) -> dict[str, float]:
    """Quantiles and mean of a number: any, but always the same ones for the same column."""
    place = 4 + crc32(name.encode()) % 16
    middle, spread = place * (1 + shift), place / 4
    return {metric: middle + spread * _NORMAL[q] for metric, q in QUANTILES.items()} | {MEAN: middle}


def _errors(level: float, rng: np.random.Generator) -> dict[str, float]:
    """Of the prediction, in minutes: they grow with what was injected."""
    mae = 3.3 + 1.2 * level + float(rng.normal(0, 0.25))
    bias = 0.1 + 0.9 * level + float(rng.normal(0, 0.15))
    return {"mae": mae, "rmse": 1.55 * mae, "bias": bias, "r2": 0.78 - 0.12 * level + float(rng.normal(0, 0.02))}


def _coverage(window: Window, rng: np.random.Generator) -> float:
    """Share of the trips whose end is known: fewer while it is open."""
    return round(float(rng.uniform(0.955, 0.995) if window.closed else rng.uniform(0.55, 0.75)), 4)


def _score(columns: tuple[ColumnFigure, ...], name: str | None) -> float | None:
    return next((c.value for c in columns if c.column == name and c.metric == DRIFT), None)
