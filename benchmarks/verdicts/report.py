"""The report: JSON for programs, one HTML file with tables and plots for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from benchmarks.verdicts.watching import Week
from monitor.verdict.season import HOUR
from schemas.durations import moment

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .6rem; text-align: left; vertical-align: top; }
.met { color: #1a7f37; } .missed { color: #b3261e; }
"""


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
    """

    title: str
    wanted: str
    met: Mapping[str, bool]
    rows: Sequence[Mapping[str, Any]] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    plots: Sequence[go.Figure] = ()
    note: str = ""


def write(parts: Mapping[str, Part], folder: Path) -> None:
    """Write report.json and report.html into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        name: {
            "wanted": part.wanted,
            "met": part.met,
            "figures": part.figures,
            "rows": part.rows,
            "note": part.note,
        }
        for name, part in parts.items()
    }
    (folder / "report.json").write_text(json.dumps(plain, indent=2, default=str) + "\n", encoding="utf-8")
    body = "\n".join(_section(part, first=number == 0) for number, part in enumerate(parts.values()))
    title = "Can the alarms be trusted?"
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
    (folder / "report.html").write_text(f"{page}<h1>{title}</h1>{body}</html>\n", encoding="utf-8")


def _section(part: Part, *, first: bool) -> str:
    checks = "".join(
        f'<li class="{"met" if met else "missed"}">{"✓" if met else "✗"} {escape(check)}</li>'
        for check, met in part.met.items()
    )
    figures = "".join(f"<li>{escape(str(name))}: {escape(str(value))}</li>" for name, value in part.figures.items())
    plots = "".join(
        plot.to_html(full_html=False, include_plotlyjs=first and number == 0)
        for number, plot in enumerate(part.plots)
    )
    note = f"<p>{escape(part.note)}</p>" if part.note else ""
    head = f"<h2>{escape(part.title)}</h2><p>Wanted: {escape(part.wanted)}</p>"
    return f"<section>{head}<ul>{checks}{figures}</ul>{note}{plots}{_table(part.rows)}</section>"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(_cell(v))}</td>" for v in row.values()) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def curve(title: str, watched: Iterable[Week]) -> go.Figure:
    """The evidence of all sizes over time, in units of the line."""
    figure = go.Figure(layout={"title": title, "height": 320, "margin": {"t": 40, "b": 30}})
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
    figure = go.Figure(layout={"title": title, "height": 320, "margin": {"t": 40, "b": 30}})
    for name, hours in delays.items():
        figure.add_box(y=[hour for hour in hours if hour < float("inf")], name=name, boxpoints="all")
    return figure
