"""Pages that show measurements: one HTML file with its styles, tables and plots in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

_STYLE = """
:root { color-scheme: light dark; --text: #222; --line: #ddd; --met: #1a7f37; --missed: #b3261e; --page: #fff;
        --soft: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --text: #ddd; --line: #444; --met: #57c96f; --missed: #ff8a80; --page: #16181c; --soft: #22262c; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 74rem; margin: 2rem auto; padding: 0 1rem;
       color: var(--text); background: var(--page); }
section { margin-top: 3rem; } .table { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
.met { color: var(--met); } .missed { color: var(--missed); }
.advice { background: var(--soft); border-left: 4px solid var(--met); padding: .8rem 1.2rem; font-size: 17px; }
"""

LAYOUT: Mapping[str, Any] = {
    "height": 320,
    "margin": {"t": 40, "b": 30},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": "#888"},
    "xaxis": {"gridcolor": "rgba(128,128,128,.25)"},
    "yaxis": {"gridcolor": "rgba(128,128,128,.25)", "zerolinecolor": "rgba(128,128,128,.5)"},
}
"""Of plots: legible on a light and on a dark page."""


def page(title: str, body: Iterable[str]) -> str:
    """Put a page together, which needs no other file. body: HTML."""
    head = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script>"
    )
    return f"{head}<h1>{escape(title)}</h1>" + "\n".join(body) + "</html>\n"


def plot(figure: go.Figure) -> str:
    """A plot as a part of a page."""
    return str(figure.to_html(full_html=False, include_plotlyjs=False))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as a part of a page."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(_cell(v))}</td>" for v in row.values()) + "</tr>" for row in rows)
    return f"<div class=table><table><tr>{head}</tr>{body}</table></div>"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
