"""`driftline columns`: the figures of a window's columns, worst first, with those of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from models.artifact import load
from models.lookup import find_by_hash
from monitor.drift.reference_figures import reference_figures
from monitor.verdict.segments import part_of
from schemas.definition import Stream
from schemas.figures import DRIFT, MEDIAN, MISSING, NEW, OUTSIDE
from storage.chunk import PREDICTION
from storage.listings import ColumnRow

Figures = Mapping[tuple[str, str], float]


class Line(msgspec.Struct, frozen=True):
    """One column, for a table; the reference in brackets, behind a score its threshold. stream: as of windows.

    The prediction is a column of both: of events it has a drift, of labels an error.
    """

    stream: str
    column: str
    severity: float | None
    score: str
    missing: str
    new: str
    out_of_range: str
    median: str
    mae: str
    remark: str


def with_reference(
    rows: Sequence[ColumnRow], stream: Stream, reference: str | None, folder: Path, segment: str = ""
) -> list[ColumnRow]:
    """Add the figures of the reference to those of a window.

    Args:
        rows: The figures.
        stream: Of the run.
        reference: Hash of the artifact that the run is compared with.
        folder: Where that artifact is looked for.
        segment: That the figures are of; '' for the whole stream.

    Raises:
        ModelUnusable: It is not there.
    """
    model = load(find_by_hash(reference, folder), stream.events)
    table = part_of(model.reference(), stream, segment)
    known: dict[tuple[str, str], float | None] = {**reference_figures(table, stream)}
    if not segment:
        known[PREDICTION, "mae"] = model.card.mae
    return [msgspec.structs.replace(r, reference=known.get((r.column_name, r.metric))) for r in rows]


def drifted(rows: Sequence[ColumnRow]) -> list[ColumnRow]:
    """Keep the figures of columns that have drifted."""
    which = {(r.stream, r.column_name) for r in rows if r.metric == DRIFT and (r.severity or 0) >= 1}
    return [r for r in rows if (r.stream, r.column_name) in which]


def lines(rows: Sequence[ColumnRow]) -> list[Line]:
    """Make one line per column: worst first, untested ones last."""
    by_column: dict[tuple[str, str], dict[str, ColumnRow]] = {}
    for row in rows:
        by_column.setdefault((row.stream, row.column_name), {})[row.metric] = row
    found = [_line(stream, name, figures) for (stream, name), figures in by_column.items()]
    return sorted(found, key=lambda line: (line.severity is None, -(line.severity or 0), line.column))


def _line(stream: str, name: str, figures: Mapping[str, ColumnRow]) -> Line:
    drift = figures.get(DRIFT)
    reasons = dict.fromkeys(f"{row.status}: {row.reason}" for row in figures.values() if row.reason)
    return Line(
        stream=stream,
        column=name,
        severity=drift.severity if drift else None,
        score=_score_text(drift),
        missing=_figure_text(figures.get(MISSING), percent=True),
        new=_figure_text(figures.get(NEW), percent=True),
        out_of_range=_figure_text(figures.get(OUTSIDE), percent=True),
        median=_figure_text(figures.get(MEDIAN)),
        mae=_figure_text(figures.get("mae")),
        remark="; ".join(reasons),
    )


def _score_text(row: ColumnRow | None) -> str:
    """Format a score with its threshold in brackets: `0.031 (0.1)`."""
    if row is None or row.value is None:
        return ""
    return f"{row.value:.3g}" + (f" ({row.threshold:.3g})" if row.threshold is not None else "")


def _figure_text(row: ColumnRow | None, *, percent: bool = False) -> str:
    """Format a figure with the reference in brackets, if known: `8.8 % (10.5 %)`."""
    if row is None or row.value is None:
        return ""
    text = (lambda value: f"{value:.1%}".replace("%", " %")) if percent else "{:.4g}".format
    return text(row.value) + (f" ({text(row.reference)})" if row.reference is not None else "")
