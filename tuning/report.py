"""What tuning found, as files: one HTML page with plots, JSON with everything, CSV with all scores. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import nan
from typing import Any

import msgspec
import plotly.graph_objects as go

from schemas.durations import duration_text
from tuning.advice import HORIZONS, Power, Standing, hours, recommended
from tuning.page import LAYOUT, page, plot, table
from tuning.plan import Plan
from tuning.scores import CalmScore, DriftScore

_COLORS = {"rolling": "#2f7fd1", "training": "#e08a2e"}

CSV_HEAD = (
    "reference", "sizes", "scenario", "strength", "onsets", "missed", "delay_p50_h", "delay_p50_low_h",
    "delay_p50_high_h", "delay_p90_h", "first_signal", "weeks", "alarm_weeks", "promised_a_month",
    "realised_a_month", "realised_low", "realised_high", "rows_per_window", "insufficient",
    "windows_a_day", "cpu_s_a_day",
)  # fmt: skip


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that tuning found.

    Attributes:
        source: Of the stream.
        rows: Events in the weeks after the training.
        plan: What was tried.
        worst_delay: That is tolerated, ms.
        advice: In sentences.
        standings: Of the candidates.
        calm: Of all candidates.
        drifts: Of all candidates and drifts.
        power: By column and size.
        measured: How long it took, and on how many processes.
    """

    source: str
    rows: int
    plan: Plan
    worst_delay: int
    advice: list[str]
    standings: list[Standing]
    calm: list[CalmScore]
    drifts: list[DriftScore]
    power: list[Power]
    measured: str = ""


def as_json(report: Report) -> bytes:
    """Everything, for programs."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def as_csv(report: Report) -> str:
    """A line for each candidate and drift."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(CSV_HEAD)
    calm = {one.candidate: one for one in report.calm}
    for one in report.drifts:
        of = calm[one.candidate]
        out.writerow((
            one.candidate.reference, one.candidate.text, one.scenario, one.strength, one.onsets, one.missed,
            one.p50,
            one.low, one.high, one.p90, next(iter(one.first), None), of.weeks, of.alarms, of.promised, of.realised,
            of.low, of.high, of.rows, of.insufficient, one.candidate.windows_a_day, of.cpu,
        ))  # fmt: skip
    return text.getvalue()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate, as a table shows it."""

    sizes: str
    reference: str
    best: str
    delay: str
    in_time: str
    missed: str
    false: str
    interval: str
    promised: str
    rows: float
    insufficient: str
    cpu: str


def lines(report: Report) -> list[Line]:
    """The candidates, the quickest first."""
    chosen = recommended(report.standings)
    return [
        Line(
            sizes=one.candidate.text,
            reference=one.candidate.reference,
            best="recommended" if one is chosen else "front" if one.is_on_front else "",
            delay=hours(one.delay),
            in_time=f"{one.in_time:.0%}",
            missed=f"{one.missed:.0%}",
            false=f"{one.calm.realised:.1f}",
            interval=f"{one.calm.low:.1f} to {one.calm.high:.1f}",
            promised="none" if one.calm.refused else f"{one.calm.promised:.1f}",
            rows=one.calm.rows,
            insufficient=f"{one.calm.insufficient:.0%}",
            cpu="" if one.calm.cpu is None else f"{one.calm.cpu:.1f}",
        )
        for one in sorted(report.standings, key=lambda one: one.delay)
    ]


def unwatched(report: Report) -> list[str]:
    """Say which candidates cannot be watched at all."""
    return [
        f"{one.candidate} is not watched: half of its windows have too few rows, or they do not fit into a week"
        for one in report.calm
        if len(one.unwatched) == len(one.candidate.sizes)
    ]


def as_html(report: Report) -> str:
    """One page that needs no other file."""
    return page("Which window sizes?", _body(report))


def _body(report: Report) -> Iterator[str]:
    plan, weeks = report.plan, max((one.weeks for one in report.calm), default=0)
    yield f"<div class=advice>{''.join(f'<p>{escape(text)}</p>' for text in report.advice)}</div>"
    yield (
        f"<p>{escape(report.source)}: {report.rows:,} events in the {weeks} weeks after the training. Accepted:"
        f" {plan.promise:g} false alarms a month; {plan.onsets} random onsets of each drift, seed {plan.seed};"
        f" holidays {plan.holidays or 'none'}. {escape(report.measured)}</p>"
    )
    yield "<section><h2>Delay and false alarms</h2><p>Lower left wins. Delay: mean over all drifts; one that is"
    yield " missed counts as a week. Bars: 95 % interval of the rate. Ringed: no other is better in all of delay,"
    yield f" false alarms and number of windows. Star: recommended.</p>{plot(_balance(report))}"
    names = dict(zip(Line.__struct_fields__, _HEADS, strict=True))
    yield table([{names[n]: v for n, v in msgspec.structs.asdict(one).items()} for one in lines(report)])
    yield "".join(f"<p>{escape(text)}.</p>" for text in unwatched(report)) + "</section>"
    for reference in plan.references:
        yield f"<section><h2>Hours until a drift is found: {reference} reference</h2>"
        yield "<p>Median. Missed: half or more are not found within a week. Point at a cell for the share that is"
        yield f" missed, and what was named first most often.</p>{plot(_delays(report, reference))}</section>"
    if report.power:
        yield "<section><h2>The smallest change that shows</h2><p>At half of the onsets or more, against the"
        yield " training reference, within a day, three days, a week. Dash: none of those that were tried.</p>"
        yield f"{table(power_rows(report.power))}</section>"
    yield f"<section><h2>All scores</h2>{table([_score_row(one) for one in report.drifts])}</section>"


_HEADS = (
    "sizes", "reference", "", "mean delay", "found in time", "missed", "false alarms a month", "95 % interval",
    "promised", "rows a window", "insufficient", "CPU s a day",
)  # fmt: skip


def _balance(report: Report) -> go.Figure:
    figure = go.Figure(layout={**LAYOUT, "height": 460})
    chosen = recommended(report.standings)
    for reference in report.plan.references:
        own = sorted(
            (one for one in report.standings if one.candidate.reference == reference), key=lambda one: one.delay
        )
        figure.add_scatter(
            x=[one.delay for one in own],
            y=[one.calm.realised for one in own],
            customdata=[one.candidate.text for one in own],
            texttemplate="%{customdata}",
            name=f"{reference} reference",
            mode="lines+markers+text",
            textposition="top center",
            line={"color": _COLORS[reference], "width": 1, "dash": "dot"},
            error_y={
                "type": "data",
                "array": [one.calm.high - one.calm.realised for one in own],
                "arrayminus": [one.calm.realised - one.calm.low for one in own],
                "thickness": 0.6,
                "width": 3,
            },
            marker={
                "size": [18 if one is chosen else 11 for one in own],
                "symbol": ["star" if one is chosen else "circle" for one in own],
                "line": {"width": [2.5 if one.is_on_front else 0 for one in own], "color": "#666"},
            },
        )
    figure.add_hline(y=report.plan.promise, line_dash="dash", annotation_text="accepted", line_color="#888")
    figure.update_xaxes(title="mean delay, hours")
    figure.update_yaxes(title="false alarms a month")
    return figure


def _delays(report: Report, reference: str) -> go.Figure:
    own = [one for one in report.drifts if one.candidate.reference == reference]
    names = list(dict.fromkeys(_drift_name(one) for one in own))
    sets = list(dict.fromkeys(one.candidate.text for one in own))
    by = {(_drift_name(one), one.candidate.text): one for one in own}
    cells = [[by.get((name, text)) for text in sets] for name in names]
    figure = go.Figure(layout={**LAYOUT, "height": 140 + 30 * len(names), "margin": {"t": 20, "b": 90, "l": 220}})
    trace = {
        "type": "heatmap",
        "z": [[nan if one is None or one.p50 is None else one.p50 for one in row] for row in cells],
        "x": sets,
        "y": names,
        "text": [[_cell_text(one) for one in row] for row in cells],
        "texttemplate": "%{text}",
        "hovertext": [[_hover(one) for one in row] for row in cells],
        "hoverinfo": "x+y+text",
        "colorscale": "YlGnBu",
        "zmin": 0,
        "zmax": 168,
        "colorbar": {"title": "hours"},
        "xgap": 2,
        "ygap": 2,
    }
    figure.add_trace(trace)
    figure.update_yaxes(autorange="reversed")
    return figure


def _drift_name(one: DriftScore) -> str:
    return one.scenario if one.strength == 1 else f"{one.scenario} × {one.strength:g}"


def _cell_text(one: DriftScore | None) -> str:
    if one is None or one.missed is None:
        return ""
    return "missed" if one.p50 is None else f"{one.p50:g}"


def _hover(one: DriftScore | None) -> str:
    if one is None or one.missed is None:
        return ""
    first = next(iter(one.first), "nothing")
    return f"missed {one.missed:.0%} of {one.onsets}, 90 % after {hours(one.p90)}, first {first}"


def power_rows(power: Sequence[Power]) -> list[dict[str, Any]]:
    """By column, what each set of sizes sees."""
    rows: dict[str, dict[str, Any]] = {}
    for one in power:
        row = rows.setdefault(one.column, {"column": one.column})
        row[one.candidate.text] = " / ".join(one.least.get(duration_text(h)) or "-" for h in HORIZONS)
    return list(rows.values())


def _score_row(one: DriftScore) -> Mapping[str, Any]:
    return {
        "sizes": one.candidate.text,
        "reference": one.candidate.reference,
        "drift": _drift_name(one),
        "onsets": one.onsets,
        "missed": "" if one.missed is None else f"{one.missed:.0%}",
        "median": hours(one.p50),
        "95 % interval": f"{hours(one.low)} to {hours(one.high)}" if one.low is not None else "",
        "90 %": hours(one.p90),
        "first": dict(list(one.first.items())[:3]),
    }
