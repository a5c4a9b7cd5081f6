"""`live`, the home dashboard: what is drifting now, since when, and in which columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grafana import panels
from grafana.model import (
    BLUE,
    BOARD,
    CLEAR,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    START,
    Dict,
    annotation,
    choice_variable,
    constant,
    dashboard,
    link,
    override,
    query_variable,
    row,
    steps,
)
from grafana.panels import SEVERITY_STEPS, STATE, STATE_STEPS
from storage.queries import load_queries

UID = "driftline-live"
SQL = load_queries(Path(__file__).with_suffix(".sql"))

_AT = "${board_url}/at?run=${run}&size=${size:text}&axis=${axis}&t=${__value.time}"
_WINDOW = "${board_url}/window?run=${run}&size=${size:text}&start=${__data.fields.start_ms}"
_ALARM = "${board_url}/alarm?run=${run}&id=${__data.fields.alarm}"
_REPORT = "${board_url}/report?run=${run}&size=${size:text}&start=${__data.fields.start_ms}"
_LINKS = [link("This window on the board", _AT)]
_STEP = {"lineInterpolation": "stepBefore", "showPoints": "always"}
_WAIT = "No label yet: a window is judged when its labels have had time to come. Some streams have none."

_UNWATCHED = "Nothing here: start monitors with `--promise 1/month`, or choose another range."

RUN = query_variable("run", "run", SQL["run"])
BOARD_URL = constant("board_url", BOARD)
VARIABLES = (
    RUN,
    query_variable("size", "window size", SQL["size"]),
    query_variable("segment", "segment, 6h or more", SQL["segment"]),
    query_variable("column", "column", SQL["column"], multi=True),
    choice_variable("axis", "time axis", {"wall": "wall clock (live)", "event": "event time"}),
    BOARD_URL,
)
MARKS = (
    annotation("Injected drift", PURPLE, SQL["injected"]),
    annotation("Alarms", RED, SQL["alarm"]),
    annotation("Late data", BLUE, SQL["late"]),
)


def live() -> Dict:
    content = [*_now(), *_over_time(), *_columns(), *_model(), *_windows()]
    return dashboard(UID, "Driftline / Live", content, variables=VARIABLES, annotations=MARKS)


def _now() -> list[Dict]:
    return [
        row("Now"),
        panels.stat(
            "Verdict",
            SQL["verdict"],
            filled=True,
            about="Of the newest closed window, whatever the time range.",
            empty=START,
            mappings=STATE,
            thresholds=STATE_STEPS,
        ),
        panels.stat(
            "Drifted columns",
            SQL["drifted"],
            about="Of the newest closed window, the prediction among them.",
            empty="no window yet",
            thresholds=panels.ANY,
        ),
        panels.stat(
            "Newest window ends",
            SQL["newest"],
            about="Event time: where the stream is. A replay of 2022 says 2022 here.",
            empty="no window yet",
            unit="dateTimeAsIso",
        ),
        panels.stat(
            "Since last row",
            SQL["age"],
            about="Wall time since anything of the run was written. Red: the replay is over, or a stage stopped;"
            " `driftline doctor` and the dashboard Health say which.",
            empty="no window yet",
            unit="s",
            decimals=0,
            thresholds=steps((None, GREEN), (60, ORANGE), (300, RED)),
        ),
        panels.stat(
            "Window close to row, p95",
            SQL["latency"],
            about="From the commit that closed a window to its row, of the windows in this range.",
            empty="none in range",
            unit="ms",
            decimals=0,
            thresholds=panels.LATENCY_STEPS,
        ),
        panels.stat(
            "Late records",
            SQL["late_rows"],
            about="Events and labels that came after their window had closed, in this range: dead letters.",
            empty="none",
            thresholds=panels.ANY,
        ),
    ]


def _over_time() -> list[Dict]:
    return [
        row("Over time"),
        panels.time_series(
            "Share of drifted columns",
            (24, 8),
            SQL["share"],
            line={**_STEP, "fillOpacity": 15, "thresholdsStyle": {"mode": "dashed+area"}},
            legend="none",
            about="From 0.5 on the window as a whole counts as drifted. Long ranges show the worst of each bucket.",
            unit="percentunit",
            min=0,
            max=1,
            thresholds=steps((None, CLEAR), (0.5, RED)),
            links=_LINKS,
        ),
        panels.state_timeline(
            "Verdict, every window size",
            (24, 5),
            SQL["states"],
            about="Which size sees a drift first: small windows soon, large ones surely.",
            mappings=STATE,
            thresholds=STATE_STEPS,
        ),
        panels.state_timeline(
            "State of the alarm",
            (24, 4),
            SQL["alarm_states"],
            about="Of the stream as a whole, at all window sizes. Firing: the stream is not as it was in its last"
            " calm weeks.",
            empty=_UNWATCHED,
            mappings=panels.ALARM,
            thresholds=panels.ALARM_STEPS,
        ),
        panels.time_series(
            "Evidence of a change",
            (24, 8),
            SQL["evidence"],
            line={"fillOpacity": 0, "thresholdsStyle": {"mode": "dashed"}},
            about="What has added up since Monday at each window size, in units of the line: at 1 an alarm fires.",
            empty=_UNWATCHED,
            decimals=2,
            min=0,
            thresholds=steps((None, CLEAR), (1, RED)),
            links=_LINKS,
        ),
        panels.table(
            "Alarms",
            (24, 6),
            SQL["alarms"],
            about="Those that overlap the range, at any window size: firing, recovered, and incidents of the log."
            " At an evidence of 1 an alarm fires. Each opens on the board, which also shows what was promised.",
            empty="None in this range.",
            overrides=[
                override("since", links=[link("This alarm on the board", _ALARM)], unit="dateTimeAsIso"),
                *panels.dates("until"),
                override("evidence", decimals=1),
                *panels.hidden("alarm"),
            ],
        ),
    ]


def _columns() -> list[Dict]:
    return [
        row("Columns"),
        panels.status_history(
            "Severity of every column",
            (24, 10),
            SQL["severity"],
            about="1 is the threshold of its test, whatever the test: red has drifted. A gap was not computed.",
            points=120,
            decimals=2,
            min=0,
            thresholds=SEVERITY_STEPS,
            links=_LINKS,
        ),
        panels.time_series(
            "Severity over time",
            (16, 10),
            SQL["severity"],
            line={"fillOpacity": 0, "thresholdsStyle": {"mode": "dashed"}},
            legend="table",
            about="The same as lines. The dashed one is the threshold.",
            points=400,
            decimals=2,
            min=0,
            thresholds=steps((None, CLEAR), (1, RED)),
            links=_LINKS,
        ),
        panels.bar_gauge(
            "Newest window, worst first",
            (8, 10),
            SQL["worst"],
            about="Severity of the columns in the newest closed window.",
            empty=START,
            decimals=2,
            min=0,
            max=2,
            thresholds=SEVERITY_STEPS,
        ),
    ]


def _small(title: str, name: str, **more: Any) -> Dict:
    """A third of a row. name: of its query."""
    return panels.time_series(title, (8, 8), SQL[name], **more, links=_LINKS)


def _model() -> list[Dict]:
    return [
        row("Model and labels"),
        _small(
            "Error",
            "errors",
            about="Mean absolute error beside that of the reference, and root mean square error, in the unit of the"
            " label. And the mean absolute error that events make expect before labels come.",
            empty=_WAIT,
            unit="short",
            min=0,
        ),
        _small(
            "Bias",
            "bias",
            line={"axisCenteredZero": True},
            about="Mean of prediction minus label: above 0, predictions are too high.",
            empty=_WAIT,
            unit="short",
        ),
        _small(
            "Label coverage",
            "coverage",
            legend="none",
            about="Share of a window's events whose label is known.",
            empty=_WAIT,
            unit="percentunit",
            min=0,
            max=1,
        ),
        _small(
            "Prediction and target drift",
            "targets",
            about="Distance from the reference: of the predictions, and of the labels once they are known.",
            min=0,
        ),
        _small(
            "Missing values",
            "missing",
            legend="none",
            about="Share of missing cells among all cells of the monitored columns. The reference has missing"
            " values of its own: the board's page of a window shows both, column by column.",
            unit="percentunit",
            min=0,
        ),
        _small(
            "Rows per window",
            "rows",
            legend="none",
            about="Too few (below 30) say nothing of drift.",
            unit="short",
            min=0,
        ),
    ]


def _windows() -> list[Dict]:
    opens = [link("Window page", _WINDOW), link("Full report", _REPORT)]
    return [
        row("Window log"),
        panels.table(
            "Windows",
            (24, 11),
            SQL["windows"],
            about="The newest 200 in range. A window opens on the board: its page, or Evidently's full report.",
            overrides=[
                override("window", links=opens, unit="dateTimeAsIso"),
                *panels.dates("closed"),
                override(
                    "state",
                    mappings=STATE,
                    thresholds=STATE_STEPS,
                    custom__cellOptions={"type": "color-background", "mode": "basic"},
                ),
                override("share", unit="percentunit", min=0, max=1, decimals=0),
                override("prediction", decimals=3),
                override("latency", unit="ms", decimals=0),
                override("report", links=[link("Full report", _REPORT)]),
                *panels.hidden("start_ms"),
            ],
        ),
    ]
