"""How each kind of panel looks, in one place: options of Grafana's own panels, checked against its types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana.model import GREEN, GREY, ORANGE, RED, Dict, mapping, override, panel, steps, target

STATE = mapping(
    m1=("too few rows", GREY), _0=("ok", GREEN), _1=("columns drifted", ORANGE), _2=("DATASET DRIFT", RED)
)
STATE_STEPS = steps((None, GREY), (0, GREEN), (1, ORANGE), (2, RED))
SEVERITY_STEPS = steps((None, GREEN), (0.75, ORANGE), (1, RED))
LATENCY_STEPS = steps((None, GREEN), (1_000, ORANGE), (5_000, RED))
ANY = steps((None, GREEN), (1, ORANGE))
"""None should be."""

_NO_LEGEND = {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []}
_LEGEND = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
_TABLE_LEGEND = {"showLegend": True, "displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]}
_ONE = {"mode": "single", "sort": "none"}
_ALL = {"mode": "multi", "sort": "desc"}


def stat(title: str, sql: str, *, width: int = 4, filled: bool = False, **more: Any) -> Dict:
    """One number. filled: its colour fills the panel."""
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


def lines(
    title: str, size: tuple[int, int], sql: str, *, line: Dict | None = None, legend: str = "list", **more: Any
) -> Dict:
    """Series over time. line: what differs from a plain line. legend: `none`, `list` or `table`."""
    plain = {"drawStyle": "line", "lineInterpolation": "linear", "fillOpacity": 10, "showPoints": "auto"}
    # Explicit, as thresholds would colour the lines: transparent is their first.
    more.setdefault("color", {"mode": "palette-classic"})
    options = {
        "legend": {"none": _NO_LEGEND, "list": _LEGEND, "table": _TABLE_LEGEND}[legend],
        "tooltip": _ONE if legend == "none" else _ALL,
    }
    custom = {**plain, "spanNulls": False, **(line or {})}
    return panel("timeseries", title, size, target(sql), options=options, custom=custom, **more)


def lanes(title: str, size: tuple[int, int], sql: str, **more: Any) -> Dict:
    """States over time, a lane for each series. Series of other paces must be spanned, or break into slivers."""
    options = {
        **{"mergeValues": True, "showValue": "never", "alignValue": "left", "rowHeight": 0.85},
        **{"legend": _LEGEND, "tooltip": _ONE},
    }
    custom = {"fillOpacity": 80, "lineWidth": 0, "spanNulls": True}
    more.setdefault("color", {"mode": "thresholds"})
    return panel("state-timeline", title, size, target(sql), options=options, custom=custom, **more)


def cells(title: str, size: tuple[int, int], sql: str, **more: Any) -> Dict:
    """A coloured cell for each series and moment."""
    options = {
        **{"showValue": "never", "colWidth": 0.95, "rowHeight": 0.9},
        **{"legend": _NO_LEGEND, "tooltip": _ONE},
    }
    custom = {"fillOpacity": 80, "lineWidth": 0}
    more.setdefault("color", {"mode": "thresholds"})
    return panel("status-history", title, size, target(sql), options=options, custom=custom, **more)


def gauges(title: str, size: tuple[int, int], sql: str, **more: Any) -> Dict:
    """A bar for each row of a table."""
    options = {
        **{"displayMode": "lcd", "orientation": "horizontal", "showUnfilled": True, "valueMode": "color"},
        **{"namePlacement": "auto", "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300},
        **{"legend": _NO_LEGEND},
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": True, "limit": 15},
    }
    more.setdefault("color", {"mode": "thresholds"})
    return panel("bargauge", title, size, target(sql, "table"), options=options, **more)


def table(title: str, size: tuple[int, int], sql: str, overrides: Sequence[Dict] = (), **more: Any) -> Dict:
    options = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}
    return panel("table", title, size, target(sql, "table"), options=options, overrides=overrides, **more)


def dates(*fields: str) -> list[Dict]:
    """Overrides of a table's columns that are moments."""
    return [override(field, unit="dateTimeAsIso") for field in fields]


def hidden(*fields: str) -> list[Dict]:
    """Overrides of a table's columns that are there for links alone."""
    nowhere = {"viz": True, "legend": False, "tooltip": False}
    return [override(field, custom__hideFrom=nowhere) for field in fields]


def bars(title: str, size: tuple[int, int], sql: str, *, by: str, **more: Any) -> Dict:
    """A group of bars for each row of a table. by: the column that names them."""
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


def scatter(title: str, size: tuple[int, int], sql: str, *, x: str, y: str, **more: Any) -> Dict:
    """A point for each row of a table."""
    axes = {
        "x": {"matcher": {"id": "byName", "options": x}},
        "y": {"matcher": {"id": "byName", "options": y}},
        "name": {"fixed": "window sizes"},
    }
    options = {"mapping": "manual", "series": [axes], "legend": _NO_LEGEND, "tooltip": _ONE}
    more.setdefault("color", {"mode": "palette-classic"})
    custom = {"show": "points", "pointSize": {"fixed": 12}}
    return panel("xychart", title, size, target(sql, "table"), options=options, custom=custom, **more)


def heat(title: str, size: tuple[int, int], sql: str, *, unit: str, **more: Any) -> Dict:
    """How often which value, over time."""
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
