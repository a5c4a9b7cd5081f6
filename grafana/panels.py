"""One function for each kind of panel, named as Grafana names them; tests check their options against its types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana.model import GREEN, GREY, ORANGE, RED, Dict, mapping, override, panel, steps, target

STATE = mapping(
    m1=("too few rows", GREY), _0=("ok", GREEN), _1=("columns drifted", ORANGE), _2=("DATASET DRIFT", RED)
)
STATE_STEPS = steps((None, GREY), (0, GREEN), (1, ORANGE), (2, RED))
ALARM = mapping(_0=("calm", GREEN), _1=("watching", ORANGE), _2=("FIRING", RED))
ALARM_STEPS = steps((None, GREEN), (1, ORANGE), (2, RED))
SEVERITY_STEPS = steps((None, GREEN), (0.75, ORANGE), (1, RED))
LATENCY_STEPS = steps((None, GREEN), (1_000, ORANGE), (5_000, RED))
ANY = steps((None, GREEN), (1, ORANGE))
"""Of what should be 0."""

_NO_LEGEND = {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []}
_LEGEND = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
_TABLE_LEGEND = {"showLegend": True, "displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]}
_ONE = {"mode": "single", "sort": "none"}
_ALL = {"mode": "multi", "sort": "desc"}


def stat(title: str, sql: str, *, width: int = 4, filled: bool = False, **more: Any) -> Dict:
    """Make a panel of one number. filled: its colour fills the panel."""
    colored = "thresholds" in more or "mappings" in more
    options = {
        "colorMode": "background" if filled else "value" if colored else "none",
        "graphMode": "none",
        "justifyMode": "auto",
        "textMode": "value",
        "wideLayout": True,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel("stat", title, (width, 4), target(sql, "table"), options=options, **more)


def time_series(
    title: str, size: tuple[int, int], sql: str, *, line: Dict | None = None, legend: str = "list", **more: Any
) -> Dict:
    """Make a panel of series over time. line: what differs from a plain line. legend: `none`, `list` or `table`."""
    plain = {"drawStyle": "line", "lineInterpolation": "linear", "fillOpacity": 10, "showPoints": "auto"}
    # Explicit, as thresholds would colour the lines: transparent is their first.
    more.setdefault("color", {"mode": "palette-classic"})
    options = {
        "legend": {"none": _NO_LEGEND, "list": _LEGEND, "table": _TABLE_LEGEND}[legend],
        "tooltip": _ONE if legend == "none" else _ALL,
    }
    custom = {**plain, "spanNulls": False, **(line or {})}
    return panel("timeseries", title, size, target(sql), options=options, custom=custom, **more)


def state_timeline(title: str, size: tuple[int, int], sql: str, **more: Any) -> Dict:
    """Make a panel of states over time, a lane for each series.

    Gaps are spanned: series with other intervals would break into slivers.
    """
    options = {
        **{"mergeValues": True, "showValue": "never", "alignValue": "left", "rowHeight": 0.85},
        **{"legend": _LEGEND, "tooltip": _ONE},
    }
    custom = {"fillOpacity": 80, "lineWidth": 0, "spanNulls": True}
    more.setdefault("color", {"mode": "thresholds"})
    return panel("state-timeline", title, size, target(sql), options=options, custom=custom, **more)


def status_history(title: str, size: tuple[int, int], sql: str, **more: Any) -> Dict:
    """Make a panel with a coloured cell for each series and moment."""
    options = {
        **{"showValue": "never", "colWidth": 0.95, "rowHeight": 0.9},
        **{"legend": _NO_LEGEND, "tooltip": _ONE},
    }
    custom = {"fillOpacity": 80, "lineWidth": 0}
    more.setdefault("color", {"mode": "thresholds"})
    return panel("status-history", title, size, target(sql), options=options, custom=custom, **more)


def bar_gauge(title: str, size: tuple[int, int], sql: str, **more: Any) -> Dict:
    """Make a panel with a bar for each row of a query."""
    options = {
        **{"displayMode": "lcd", "orientation": "horizontal", "showUnfilled": True, "valueMode": "color"},
        **{"namePlacement": "auto", "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300},
        **{"legend": _NO_LEGEND},
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": True, "limit": 15},
    }
    more.setdefault("color", {"mode": "thresholds"})
    return panel("bargauge", title, size, target(sql, "table"), options=options, **more)


def table(title: str, size: tuple[int, int], sql: str, overrides: Sequence[Dict] = (), **more: Any) -> Dict:
    """Make a table of a query's rows."""
    options = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}
    return panel("table", title, size, target(sql, "table"), options=options, overrides=overrides, **more)


def dates(*fields: str) -> list[Dict]:
    """Return overrides that show columns of a table as moments."""
    return [override(field, unit="dateTimeAsIso") for field in fields]


def hidden(*fields: str) -> list[Dict]:
    """Return overrides that hide columns of a table which only links need."""
    nowhere = {"viz": True, "legend": False, "tooltip": False}
    return [override(field, custom__hideFrom=nowhere) for field in fields]


def bar_chart(title: str, size: tuple[int, int], sql: str, *, by: str, **more: Any) -> Dict:
    """Make a panel with a group of bars for each row of a query. by: the column that names them."""
    options = {
        **{
            "orientation": "vertical",
            "xField": by,
            "showValue": "auto",
            "stacking": "none",
            "fullHighlight": False,
        },
        **{"groupWidth": 0.7, "barWidth": 0.9, "xTickLabelRotation": 0, "xTickLabelMaxLength": 20},
        **{"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "none"}},
    }
    more.setdefault("color", {"mode": "palette-classic"})
    return panel("barchart", title, size, target(sql, "table"), options=options, custom={"fillOpacity": 80}, **more)


def xy_chart(title: str, size: tuple[int, int], sql: str, *, x: str, y: str, **more: Any) -> Dict:
    """Make a panel with a point for each row of a query. x, y: its columns."""
    axes = {
        "x": {"matcher": {"id": "byName", "options": x}},
        "y": {"matcher": {"id": "byName", "options": y}},
        "name": {"fixed": "window sizes"},
    }
    options = {"mapping": "manual", "series": [axes], "legend": _NO_LEGEND, "tooltip": _ONE}
    more.setdefault("color", {"mode": "palette-classic"})
    custom = {"show": "points", "pointSize": {"fixed": 12}}
    return panel("xychart", title, size, target(sql, "table"), options=options, custom=custom, **more)


def heatmap(title: str, size: tuple[int, int], sql: str, *, unit: str, **more: Any) -> Dict:
    """Make a panel of how often each value occurs, over time."""
    options = {
        "calculate": True,
        "calculation": {
            "xBuckets": {"mode": "count", "value": "60"},
            "yBuckets": {"mode": "size", "scale": {"type": "log", "log": 2}},
        },
        "color": {
            **{"mode": "scheme", "scheme": "Blues", "steps": 32, "exponent": 0.5, "fill": "blue"},
            **{"reverse": False, "scale": "exponential"},
        },
        "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False},
        "cellGap": 1,
        "cellValues": {},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": False},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "filterValues": {"le": 1e-9},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
    }
    return panel("heatmap", title, size, target(sql), options=options, unit=unit, **more)
