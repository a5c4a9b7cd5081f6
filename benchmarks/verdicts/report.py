"""The report: JSON for programs, one HTML file with tables and plots for people."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from benchmarks.verdicts.watching import Week
from monitor.verdict.season import HOUR
from schemas.durations import moment
from tuning.page import LAYOUT, page, plot, table


@dataclass
class Part:
    """One question and its answer.

    Attributes:
        title: The question.
        wanted: The answer that is wanted.
        met: By check, whether it holds.
        rows: A table.
        figures: By name, single figures.
        plots: Of it.
        note: What has to be known to read it.
        more: Another table.
        measured: When, and how long it took.
        pictures: SVG by name of its file.
    """

    title: str
    wanted: str
    met: Mapping[str, bool]
    rows: Sequence[Mapping[str, Any]] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    plots: Sequence[go.Figure] = ()
    note: str = ""
    more: Sequence[Mapping[str, Any]] = ()
    measured: str = ""
    pictures: Mapping[str, str] = field(default_factory=dict)


def keep(name: str, part: Part, folder: Path) -> None:
    """Keep a part for reports to come."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(part))


def kept(names: Iterable[str], folder: Path) -> dict[str, Part]:
    """All parts that were kept in a folder."""
    files = {name: folder / f"{name}.pickle" for name in names}
    return {name: pickle.loads(file.read_bytes()) for name, file in files.items() if file.exists()}


def write(parts: Mapping[str, Part], folder: Path) -> None:
    """Write report.json and report.html into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        name: {
            "wanted": part.wanted,
            "met": part.met,
            "figures": part.figures,
            "rows": part.rows,
            "more": part.more,
            "note": part.note,
            "measured": part.measured,
        }
        for name, part in parts.items()
    }
    text = json.dumps(_finite(plain), indent=2, default=str, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    for part in parts.values():
        for name, picture in part.pictures.items():
            (folder / name).write_text(picture, encoding="utf-8")
    checks = [met for part in parts.values() for met in part.met.values()]
    total = f"<p>{sum(checks)} of {len(checks)} checks are met. Those that are not are printed as they came.</p>"
    made = page("Can the alarms be trusted?", [total, *map(_section, parts.values())])
    (folder / "report.html").write_text(made, encoding="utf-8")


def _finite(value: Any) -> Any:
    """Replace what JSON does not have by null."""
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _section(part: Part) -> str:
    checks = "".join(
        f'<li class="{"met" if met else "missed"}">{"✓" if met else "✗"} {escape(check)}</li>'
        for check, met in part.met.items()
    )
    figures = "".join(f"<li>{escape(str(name))}: {escape(str(value))}</li>" for name, value in part.figures.items())
    plots = "".join(part.pictures.values()) + "".join(map(plot, part.plots))
    note = f"<p>{escape(part.note)}</p>" if part.note else ""
    head = f"<h2>{escape(part.title)}</h2><p>Wanted: {escape(part.wanted)}. Measured {part.measured}.</p>"
    return f"<section>{head}<ul>{checks}{figures}</ul>{note}{plots}{table(part.rows)}{table(part.more)}</section>"


def calendar(rows: Mapping[str, Sequence[bool]], first: date) -> str:
    """Draw days as squares, those with an alarm in red; readable on a light and on a dark page.

    Args:
        rows: By method, whether each day has an alarm.
        first: The first day.
    """
    step, left, top = 22, 300, 24
    days = max(map(len, rows.values()))
    width, height = left + days * step + 10, top + len(rows) * (step + 8)
    parts = [
        f'<text x="{left + n * step + 9}" y="14" text-anchor="middle">{(first + timedelta(n)).day}</text>'
        for n in range(days)
    ]
    for at, (name, each) in enumerate(rows.items()):
        y = top + at * (step + 8)
        told = f"{name}: {sum(each)} of {len(each)} days"
        parts.append(f'<text x="{left - 12}" y="{y + 14}" text-anchor="end">{escape(told)}</text>')
        parts += [
            f'<rect x="{left + n * step}" y="{y}" width="18" height="18" rx="3" fill="{_DAY[alarm]}"/>'
            for n, alarm in enumerate(each)
        ]
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="12"'
        f' font-family="system-ui, sans-serif" fill="#808080" role="img">{body}</svg>\n'
    )


_DAY = {True: "#d1495b", False: "#9db8a5"}


def curve(title: str, watched: Iterable[Week]) -> go.Figure:
    """The evidence of all sizes over time, in units of the line."""
    figure = go.Figure(layout={"title": title, **LAYOUT})
    traces: dict[str, tuple[list[Any], list[Any]]] = {}
    for week in watched:
        for (role, size), (ends, levels) in week.curves.items():
            x, y = traces.setdefault(f"{role}, {size // HOUR} h", ([], []))
            x += [*(moment(int(at)) for at in ends), None]
            y += [*levels.tolist(), None]
    for name, (x, y) in traces.items():
        figure.add_scatter(x=x, y=y, name=name, mode="lines", line={"width": 1})
    figure.add_hline(y=1, line_dash="dash", annotation_text="the line")
    return figure


def boxes(title: str, delays: Mapping[str, Sequence[float]]) -> go.Figure:
    """Hours from onset to alarm."""
    figure = go.Figure(layout={"title": title, **LAYOUT})
    for name, hours in delays.items():
        figure.add_box(y=[hour for hour in hours if hour < float("inf")], name=name, boxpoints="all")
    return figure
