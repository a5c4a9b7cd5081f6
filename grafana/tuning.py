"""`tuning`: which window size sees a drift soon enough, without crying wolf, at what cost."""

from __future__ import annotations

from pathlib import Path

from grafana import panels
from grafana.model import (
    GREEN,
    ORANGE,
    RED,
    Dict,
    dashboard,
    link,
    override,
    query_variable,
    row,
    steps,
)
from storage.queries import load_queries

UID = "driftline-tuning"
SQL = load_queries(Path(__file__).with_suffix(".sql"))

_SWEEP = "No closed window yet: replay a run with a scenario and several sizes, such as `driftline demo`, first."
_CAUGHT = "No injected drift was caught: replay a run with a scenario, such as `driftline demo`, first."
_DAYS = "from=${__data.fields.from_ms}&to=${__data.fields.to_ms}"
_LINKS = [
    link(
        "Live, on event time", f"/d/driftline-live?var-run=${{__value.raw}}&var-axis=event&{_DAYS}", new_tab=False
    ),
    link("Tuning, this run alone", f"/d/driftline-tuning?var-run=${{__value.raw}}&{_DAYS}", new_tab=False),
]


def tuning() -> Dict:
    run = query_variable("run", "runs", SQL["run"], multi=True)
    content = [*_scores(), *_runs()]
    return dashboard(UID, "Driftline / Window-size tuning", content, variables=[run], refresh="30s")


def _scores() -> list[Dict]:
    return [
        row("Pick a window size"),
        panels.table(
            "Scoreboard",
            (24, 8),
            SQL["scores"],
            about="Caught: an injected drift, by the first window that overlaps it and in which a column that was"
            " bent has drifted, or the window as a whole. Its delay is from the start of the drift to the end of"
            " that window, in event time. False: windows outside of every injected drift with any drifted column."
            " In real data some of those may be true drifts that nobody injected.",
            empty=_SWEEP,
            overrides=[
                *panels.hidden("size_s"),
                override("rows", decimals=0, displayName="rows per window"),
                override("delay", unit="s", displayName="delay, median"),
                override("longest", unit="s", displayName="delay, longest"),
                override(
                    "false",
                    displayName="false alarms",
                    thresholds=steps((None, GREEN), (1, ORANGE), (10, RED)),
                    custom__cellOptions={"type": "color-text"},
                ),
                override("rate", unit="percentunit", decimals=1, displayName="false alarm rate"),
                override("compute", unit="ms", decimals=1, displayName="compute per window"),
                override("day", unit="s", decimals=2, displayName="compute per day of events"),
            ],
        ),
        panels.bar_chart(
            "Detection delay",
            (8, 9),
            SQL["delay"],
            by="size",
            about="Event time from the start of a drift to the end of the window that shows it.",
            empty=_CAUGHT,
            unit="s",
            min=0,
        ),
        panels.bar_chart(
            "False alarms per 100 windows",
            (8, 9),
            SQL["alarms"],
            by="size",
            about="Windows outside of every injected drift in which any column drifted.",
            empty=_SWEEP,
            min=0,
            decimals=1,
        ),
        panels.bar_chart(
            "Compute time per day of events",
            (8, 9),
            SQL["cost"],
            by="size",
            about="What the monitor computes for a day of the stream, events and labels, in seconds.",
            empty=_SWEEP,
            unit="s",
            min=0,
        ),
        panels.xy_chart(
            "Delay against false alarms",
            (12, 10),
            SQL["balance"],
            x="false alarms",
            y="delay",
            about="Lower left is better. A point is a window size of a run; false alarms per 100 windows.",
            empty=_CAUGHT,
            overrides=[override("delay", unit="s")],
        ),
        panels.time_series(
            "Share of drifted columns by size, event time",
            (12, 10),
            SQL["share"],
            line={"lineInterpolation": "stepBefore", "showPoints": "never", "spanNulls": True, "fillOpacity": 0},
            about="Needs a range of event time: a link under Runs sets it.",
            empty="Nothing in this range of event time: follow `Tuning, this run alone` of a run below.",
            points=400,
            unit="percentunit",
            min=0,
            max=1,
        ),
    ]


def _runs() -> list[Dict]:
    return [
        row("Runs"),
        panels.table(
            "Runs (click one to see its days)",
            (24, 7),
            SQL["runs"],
            about="The newest 50 with windows. The links set the time range to the days that the run replayed.",
            empty="No run yet: start `driftline demo` or `driftline dummy`.",
            overrides=[
                override("run", links=_LINKS),
                *panels.dates("started", "finished", "starts", "ends"),
                *panels.hidden("from_ms", "to_ms"),
            ],
        ),
    ]
