"""`driftline calibrate --plot`: the evidence of a run against the line, as one HTML file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from schemas.text import printable
from storage.alarm_listings import AlarmRow, EvidenceRow

FIRED = ("firing", "recovered")


def write(path: Path, run: str, evidence: Sequence[EvidenceRow], alarms: Sequence[AlarmRow]) -> None:
    """Write the plot.

    Args:
        path: Of the file.
        run: Name of the run.
        evidence: Of the whole run.
        alarms: Of the run; those that fired are shaded.
    """
    figure = go.Figure()
    for name, rows in _series(evidence).items():
        ends = [row.window_start + timedelta(seconds=row.size_s) for row in rows]
        signals = [row.signal or "" for row in rows]
        figure.add_scatter(x=ends, y=[row.value for row in rows], hovertext=signals, name=name)
    figure.add_hline(y=1, line_dash="dash", annotation_text="the line")
    newest = max((row.window_start for row in evidence), default=None)
    for alarm in alarms:
        if alarm.state in FIRED:
            end = alarm.recovered_at or newest or alarm.started_at
            figure.add_vrect(x0=alarm.started_at, x1=end, fillcolor="red", opacity=0.15, line_width=0)
    title = f"Evidence of run {escape(printable(run))}, event time; an alarm fires at 1"
    figure.update_layout(title=title, template="plotly_white", hovermode="x")
    figure.write_html(path, include_plotlyjs=True)


def _series(evidence: Sequence[EvidenceRow]) -> dict[str, list[EvidenceRow]]:
    found: dict[str, list[EvidenceRow]] = defaultdict(list)
    for row in evidence:
        found[f"{row.stream} {row.size}"].append(row)
    return found
