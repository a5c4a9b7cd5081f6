"""The figures of a dummy run's windows, in the monitor's own types. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any
from zlib import crc32

import numpy as np

from local.dummy.plan import DAY, HOUR, LATENESS, PARTITIONS, DummyPlan, DummyWindow, strength
from monitor.drift.figures import Config, score_of, totals
from schemas.definition import Records
from schemas.figures import (
    CATEGORY_METRICS,
    DRIFT,
    MEAN,
    MISSING,
    NEW,
    NUMBER_METRICS,
    OUTSIDE,
    QUANTILES,
    ColumnFigure,
    ColumnStatus,
    WindowFigures,
)
from schemas.streams.taxi import STREAMS
from storage.chunk import PREDICTION

CONFIG = Config()
MAE = 3.3
"""Of the model before any drift, minutes."""
MAE_GROWTH = 1.2
"""What a drift of strength 1 adds to it."""

_PLACES = {metric: NormalDist().inv_cdf(q) for metric, q in QUANTILES.items()} | {MEAN: 0.0}
"""Of the metrics of a number, in standard deviations."""
_BY_ROLE = {stream.role: stream for stream in STREAMS}


@dataclass(frozen=True)
class DummyResult:
    """A window as it is written. more: columns of `window_result` that neither of the others tells."""

    window: DummyWindow
    status: str
    figures: WindowFigures
    more: Mapping[str, Any]


def written(plan: DummyPlan, window: DummyWindow) -> DummyResult:
    """Make a window with its figures; they depend only on the plan."""
    number = crc32(window.name.encode())
    rng = np.random.default_rng((plan.seed, number))
    latency, compute = rng.lognormal((5.2, 2.6), (0.35, 0.3)).round(1).tolist()
    first, each = (window.start - plan.start) // HOUR * 100, max(1, window.rows // PARTITIONS)
    more = {
        "revision": int(window.closed and number % 40 == 0),
        "offsets": {str(partition): (first, first + each - 1) for partition in range(PARTITIONS)},
        "latency_ms": latency if window.closed else None,
        "compute_ms": compute,
    }
    return DummyResult(window, _status(plan, window), _figures(plan, window, rng), more)


def _status(plan: DummyPlan, window: DummyWindow) -> str:
    """Of the smallest size the newest that is closed is provisional: as if a partition had fallen silent."""
    if not window.closed:
        return "open"
    if window.rows < CONFIG.min_rows:
        return "insufficient"
    newest = window.size == plan.sizes[0] and window.end + window.size + LATENESS[window.stream] > plan.now
    return "provisional" if newest and window.end <= plan.now else "final"


def _figures(plan: DummyPlan, window: DummyWindow, rng: np.random.Generator) -> WindowFigures:
    stream = _BY_ROLE[window.stream]
    stretches = (*plan.stretches, plan.unannounced)
    bent = dict.fromkeys((stretch.columns for stretch in stretches), 0.0)
    for stretch in stretches:  # the same columns may drift twice
        bent[stretch.columns] = max(bent[stretch.columns], strength(stretch, window.start, window.end))
    columns = [*_columns(plan, window, stream, bent, rng)]
    labelled: dict[str, Any] = {}
    level = max(bent.values())
    if stream.label is None and window.closed and window.rows >= CONFIG.min_rows:
        labelled = {"estimated_mae": MAE + MAE_GROWTH * level}
    if stream.label is not None:
        labelled = _labelled(window, level, rng)
        mae = labelled.get("mae")
        columns.append(ColumnFigure(PREDICTION, "mae", value=mae, status="ok" if mae else "insufficient"))
    return WindowFigures(
        **totals(columns, CONFIG.drift_share),
        prediction_drift=score_of(columns, PREDICTION),
        target_drift=score_of(columns, stream.label),
        columns=tuple(columns),
        sampled=min(window.rows, CONFIG.max_rows),
        sufficient=window.rows >= CONFIG.min_rows,
        **labelled,
    )


def _labelled(window: DummyWindow, level: float, rng: np.random.Generator) -> dict[str, Any]:
    """Make the figures that need labels. Errors grow with the injected drift; open windows have fewer labels."""
    mae, bias, r2 = rng.normal(
        (MAE + MAE_GROWTH * level, 0.1 + 0.9 * level, 0.78 - 0.12 * level), (0.25, 0.15, 0.02)
    ).tolist()
    found = {"label_coverage": round(float(rng.uniform(0.955, 0.995)) - 0.3 * (not window.closed), 4)}
    errors = {"mae": mae, "rmse": 1.55 * mae, "bias": bias, "r2": r2}
    return found | errors if window.rows >= CONFIG.min_rows else found


def _columns(
    plan: DummyPlan,
    window: DummyWindow,
    stream: Records,
    bent: Mapping[tuple[str, ...], float],
    rng: np.random.Generator,
) -> Iterator[ColumnFigure]:
    """In the monitor's order: numbers, categories, and the prediction that was made from them."""
    categories = stream.categories
    names = (*stream.numbers, *categories, *([PREDICTION] if stream.label is None else []))
    optional = {field.name for field in stream.kept if not field.required}
    calm = np.exp(rng.normal(-0.95, 0.33, len(names))).tolist()
    noise = rng.normal(0, 1 / sqrt(window.rows), len(names)).tolist()
    broken = categories[-1:] if _unreadable(plan, window) else ()
    for name, quiet, wobble in zip(names, calm, noise, strict=True):
        category = name in categories
        metrics = CATEGORY_METRICS if category else NUMBER_METRICS
        method = CONFIG.category_method if category else CONFIG.number_method
        if name in broken:
            for metric in metrics:
                by = method if metric == DRIFT else None
                yield ColumnFigure(name, metric, by, status="failed", reason="string where numbers belong")
            continue
        shift = max((by for columns, by in bent.items() if name in columns), default=0.0)
        if name == stream.label:  # moves half as far as what it follows from
            shift = max(bent.values()) / 2
        yield _drift(name, method, window.rows, quiet + shift)
        gone = min(1.0, abs(0.03 + wobble / 4) * (1 + shift)) if name in optional else 0.0
        known = {MISSING: gone, NEW: 0.004 * shift, OUTSIDE: 0.002 + 0.01 * shift}
        place = 4 + crc32(name.encode()) % 16  # any, but always the same for the same column
        known |= {metric: place * (1 + shift / 4 + wobble + at / 4) for metric, at in _PLACES.items()}
        yield from (ColumnFigure(name, metric, value=known[metric]) for metric in metrics[1:])


def _unreadable(plan: DummyPlan, window: DummyWindow) -> bool:
    """One column of one early day cannot be read: `failed`, and the other columns stand."""
    day = plan.at(0.2)
    return window.start < day + min(DAY, plan.now - day) and window.end > day


def _drift(name: str, method: str, rows: int, severity: float) -> ColumnFigure:
    """Thresholds fall with the rows, as calibrated ones do."""
    if rows < CONFIG.min_rows:
        why = f"{rows} values, {CONFIG.min_rows} needed"
        return ColumnFigure(name, DRIFT, method, status="insufficient", reason=why)
    threshold = 0.05 + 1.2 / sqrt(rows)
    status: ColumnStatus = "drift" if severity >= 1 else "ok"
    return ColumnFigure(name, DRIFT, method, severity * threshold, threshold, severity, status)
