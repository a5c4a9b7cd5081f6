"""`health`: whether the stages keep up, and how long a window takes until it can be seen."""

from __future__ import annotations

from pathlib import Path

from grafana import panels
from grafana.live import RUN
from grafana.model import GREEN, ORANGE, RED, Dict, dashboard, override, row, steps
from storage.queries import load_queries

UID = "driftline-health"
SQL = load_queries(Path(__file__).with_suffix(".sql"))

_STAGES = "No sign of life in this range: start `driftline consume` and `driftline monitor`, or look further back."
_WINDOWS = "No window of this run closed in this range: start `driftline demo`, or look further back."
_LINE = {"showPoints": "never", "spanNulls": 60_000}


def health() -> Dict:
    content = [*_now(), *_flow(), *_work(), *_trouble(), *_stages()]
    return dashboard(UID, "Driftline / Health", content, variables=[RUN])


def _now() -> list[Dict]:
    return [
        row("Now"),
        panels.stat(
            "Window close to row visible, p95",
            SQL["visible"],
            about="From the consumer's commit that closed a window to the commit of its row: from then on board and"
            " dashboards show it. All sizes and streams of the run, in this range. The aim is below one second.",
            empty="no window closed in range",
            unit="ms",
            decimals=0,
            thresholds=panels.LATENCY_STEPS,
        ),
        panels.stat(
            "Lag now, all runs",
            SQL["lag_now"],
            about="Records of the topics that are still to be read, whichever run they are of.",
            empty="no partition read yet",
            unit="short",
            thresholds=steps((None, GREEN), (10_000, ORANGE), (100_000, RED)),
        ),
        panels.stat(
            "Silent stages",
            SQL["silent"],
            about="No sign of life for 30 s, but one within a day: stages that have ended count for so long.",
            empty="no stage yet",
            thresholds=panels.ANY,
        ),
        panels.stat(
            "Windows computed again",
            SQL["revised"],
            about="Windows that had closed without a silent partition, and got rows from it later.",
            empty="none",
            thresholds=panels.ANY,
        ),
        panels.stat(
            "Late records",
            SQL["late_rows"],
            about="Events and labels that came after their window had closed, in this range: dead letters.",
            empty="none",
            thresholds=panels.ANY,
        ),
        panels.stat(
            "Refused records",
            SQL["refused"],
            about="Undecodable, invalid, from the future or not scored, in this range; also those of no run.",
            empty="none",
            thresholds=steps((None, GREEN), (1, RED)),
        ),
    ]


def _flow() -> list[Dict]:
    return [
        row("Flow"),
        panels.time_series(
            "Consumer lag",
            (8, 8),
            SQL["lag"],
            line=_LINE,
            about="Records to be read, of all runs, for each consumer.",
            empty=_STAGES,
            unit="short",
            min=0,
        ),
        panels.time_series(
            "Rows per second",
            (8, 8),
            SQL["rate"],
            line=_LINE,
            about="Accepted by each consumer.",
            empty=_STAGES,
            unit="rowsps",
            min=0,
        ),
        panels.time_series(
            "Watermark standing still",
            (8, 8),
            SQL["watermark"],
            line=_LINE,
            about="Wall time since a consumer's watermark last moved: windows close only when it does.",
            empty=_STAGES,
            unit="s",
            min=0,
        ),
    ]


def _work() -> list[Dict]:
    return [
        row("Work"),
        panels.time_series(
            "Window close to row visible",
            (12, 9),
            SQL["latency"],
            line={"showPoints": "auto", "spanNulls": True, "thresholdsStyle": {"mode": "dashed"}},
            about="As above, over time: half of the windows are faster than p50, all but one in twenty than p95.",
            empty=_WINDOWS,
            points=300,
            unit="ms",
            min=0,
            thresholds=steps((None, "transparent"), (1_000, RED)),
        ),
        panels.heatmap(
            "Compute time of a window",
            (12, 9),
            SQL["compute"],
            unit="ms",
            about="Of its figures, without waiting and writing. Darker: more windows.",
            empty=_WINDOWS,
        ),
        panels.time_series(
            "Windows per second",
            (12, 7),
            SQL["window_rate"],
            line=_LINE,
            about="Written by each monitor.",
            empty=_STAGES,
            unit="short",
            min=0,
        ),
    ]


def _trouble() -> list[Dict]:
    return [
        panels.time_series(
            "Dead letters by reason",
            (12, 7),
            SQL["letters"],
            line={"drawStyle": "bars", "fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}},
            about="Of the run, and those that name none. The board lists the newest of them.",
            empty="No dead letter in this range.",
            points=120,
            min=0,
            decimals=0,
        ),
    ]


def _stages() -> list[Dict]:
    return [
        row("Signs of life"),
        panels.table(
            "Stages",
            (24, 7),
            SQL["stages"],
            about="Their last signs of life.",
            empty="No stage has started within a day: `driftline consume`, `driftline monitor`.",
            overrides=[
                override(
                    "silent",
                    displayName="last sign",
                    unit="s",
                    decimals=0,
                    thresholds=steps((None, GREEN), (15, ORANGE), (60, RED)),
                    custom__cellOptions={"type": "color-text"},
                ),
                override("lag", decimals=0),
                override("rows/s", unit="rowsps"),
            ],
        ),
    ]
