"""The details of one window: all its figures, column by column, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from board.database import Reader
from board.http_errors import NotFound
from board.runs import choose_size, find_run
from schemas.definition import EVENTS, LABELS, Stream
from schemas.durations import duration_text, moment
from schemas.figures import DRIFT, ESTIMATED, MEAN, MISSING, NEW, OUTSIDE, QUANTILES
from storage.chunk import PREDICTION

FIGURES = (
    "end", "status", "revision", "rows", "sampled", "columns_tested", "columns_drifted", "share_drifted",
    "dataset_drift", "prediction_drift", "share_missing", "mae", "rmse", "bias", "r2", "target_drift",
    "label_coverage", "joined_rows", "latency_ms", "compute_ms", "closed_at", "written_at", "offsets", "late",
    "dead_letters", "estimated_mae",
)  # fmt: skip
DRIFT_FIELDS = ("method", "value", "threshold", "severity", "status", "reason")
GRACE_MS = 1_000
"""Grace of a moment of wall time: a panel's pixel is no millisecond."""


async def read_window(reader: Reader, run_id: str, size_s: int, start: int) -> dict[str, Any]:
    """Read a window, without the state of its report, as JSON takes it.

    Args:
        reader: A snapshot of the database.
        run_id: The run.
        size_s: Seconds.
        start: Event time, ms.

    Raises:
        NotFound: There is no such run or window.
    """
    run = await find_run(reader, run_id)
    where = {"run": run_id, "size_s": size_s, "start": moment(start)}
    results = {role: dict(zip(FIGURES, row, strict=True)) for role, *row in await reader.rows("figures", **where)}
    if not results:
        raise NotFound("there is no such window", "see the board for those that are")
    figures = await reader.rows("column_figures", **where)
    if LABELS in results:
        results[LABELS]["remark"] = no_error(figures, run.stream)
    if EVENTS in results:
        results[EVENTS]["unestimated"] = unestimated(figures)
    previous, following = await reader.row("neighbours", **where)
    end = start + 1_000 * size_s
    injected = await reader.rows("injected_in", run=run_id, start=where["start"], end=moment(end))
    events = results.get(EVENTS)
    shown = events or next(iter(results.values()))
    return {
        "run": run_id,
        "size": duration_text(1_000 * size_s),
        "start": start,
        "end": end,
        "previous": previous,
        "next": following,
        "events": events,
        "labels": results.get(LABELS),
        "reference_mae": run.error,
        "offsets": shown["offsets"],
        "columns": columns(figures, run.stream),
        "injected": [label for (label,) in injected],
    }


def no_error(rows: Iterable[Sequence[Any]], stream: Stream) -> str | None:
    """Return why a window of labels has no error of the prediction; None where it has one. Pure.

    Args:
        rows: As for `columns`.
        stream: As for `columns`.
    """
    for role, name, metric, *fields in rows:
        reason = dict(zip(DRIFT_FIELDS, fields, strict=True))["reason"]
        if (role, name, metric) == (LABELS, PREDICTION, "mae") and reason and stream.labels:
            return stream.labels.with_range(reason)
    return None


def unestimated(rows: Iterable[Sequence[Any]]) -> str | None:
    """Return why the error of a window is not estimated before its labels come. Pure. rows: As for `columns`."""
    found = (dict(zip(DRIFT_FIELDS, fields, strict=True)) for _, _, metric, *fields in rows if metric == ESTIMATED)
    return next((each["reason"] for each in found), None)


def columns(rows: Iterable[Sequence[Any]], stream: Stream) -> list[dict[str, Any]]:
    """Return one entry for each column that was tested for drift, the most severe first. Pure.

    Args:
        rows: (role, column, metric, and DRIFT_FIELDS) of each figure.
        stream: The definition of the run's stream.
    """
    known: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for role, name, metric, *fields in rows:
        known.setdefault((role, name), {})[metric] = dict(zip(DRIFT_FIELDS, fields, strict=True))
    found = [_column(stream, role, name, metrics) for (role, name), metrics in known.items() if DRIFT in metrics]
    return sorted(found, key=lambda c: -1.0 if c["severity"] is None else c["severity"], reverse=True)


def _column(stream: Stream, role: str, name: str, metrics: dict[str, dict[str, Any]]) -> dict[str, Any]:
    def value(metric: str) -> float | None:
        found: float | None = metrics.get(metric, {}).get("value")
        return found

    quantiles = {q.replace("q", "p"): value(q) for q in QUANTILES} | {"mean": value(MEAN)}
    drift = metrics[DRIFT]
    return {
        "name": name,
        "stream": role,
        "kind": kind(stream, name),
        "unit": stream.unit_of(name),
        "method": drift["method"],
        "score": drift["value"],
        "threshold": drift["threshold"],
        "severity": drift["severity"],
        "status": drift["status"],
        "reason": drift["reason"],
        "missing": value(MISSING),
        "new_categories": value(NEW),
        "out_of_range": value(OUTSIDE),
        "quantiles": None if all(v is None for v in quantiles.values()) else quantiles,
    }


def kind(stream: Stream, name: str) -> str:
    """Return what a column is by its stream's definition: `number`, `category`, `label` or `prediction`. Pure."""
    if name == PREDICTION:
        return "prediction"
    if name == stream.label:
        return "label"
    return "category" if any(name in records.categories for records in stream.topics) else "number"


async def find_window(
    reader: Reader, run_id: str | None, size_s: int | None, moment_ms: int, axis: str
) -> tuple[str, int, int]:
    """Find the window that covers a moment.

    Args:
        reader: A snapshot of the database.
        run_id: As for `find_run`.
        size_s: As for `choose_size`.
        moment_ms: Of event time; of the wall clock, the last window that had closed by then is found.
        axis: `event` or `wall`.

    Returns:
        Run, size in seconds and start in ms.

    Raises:
        NotFound: No window covers it.
    """
    run = await find_run(reader, run_id)
    size_s, _ = await choose_size(reader, run, size_s)
    query, when = ("covering", moment_ms) if axis == "event" else ("closed_by", moment_ms + GRACE_MS)
    row = await reader.row(query, run=run.run_id, size_s=size_s, at=moment(when))
    if row is None:
        raise NotFound(f"no window of run {run.run_id} covers that moment", "see the board for those that are")
    return run.run_id, size_s, row[0]
