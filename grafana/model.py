"""The parts of a dashboard as plain dicts: Grafana's classic model, which files may provision in every version.

The query of a panel is SQL with Grafana's macros, in the `.sql` file of its dashboard. Panels are placed in their
order, from left to right in 24 columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Dict = dict[str, Any]

SCHEMA_VERSION = 42
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "driftline-pg"}
BOARD = "http://localhost:8000"
"""The board's address for a browser, which follows the links."""

START = (
    "No window yet: start `driftline demo` or `driftline dummy`, and see that run and window size are chosen above."
)
RANGE = "Nothing in this time range. Of a replay that is over: choose the event-time axis and its days (see Runs)."

GREEN, ORANGE, RED, BLUE, PURPLE, GREY = "green", "orange", "red", "blue", "purple", "text"
CLEAR = "transparent"


def bare(sql: str) -> str:
    """Return a statement without its comments, which are for readers of the `.sql` file."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().removesuffix(";")


def target(sql: str, form: str = "time_series", ref: str = "A") -> Dict:
    """Make a query. form: `time_series`, where text becomes a label, or `table`."""
    code = {"rawQuery": True, "editorMode": "code", "rawSql": bare(sql)}
    return {"refId": ref, "datasource": SOURCE, "format": form, **code}


def steps(*pairs: tuple[float | None, str]) -> Dict:
    """Make thresholds: each colour from its value on, ascending, the first from None."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in pairs]}


def mapping(**texts: tuple[str, str]) -> list[Dict]:
    """Make a mapping of numbers to words: `_0=("ok", GREEN)`, and `m1` for -1."""
    named = {name.replace("m", "-").removeprefix("_"): shown for name, shown in texts.items()}
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(named.items())
    }
    return [{"type": "value", "options": options}]


def override(field: str, **properties: Any) -> Dict:
    """Make an override of one field, by its name; `custom__width` is `custom.width`."""
    listed = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": "byName", "options": field}, "properties": listed}


def link(title: str, url: str, *, new_tab: bool = True) -> Dict:
    """Make a link of a panel's values."""
    return {"title": title, "url": url, "targetBlank": new_tab}


def panel(
    kind: str,
    title: str,
    size: tuple[int, int],
    query: Dict,
    *,
    about: str,
    empty: str = RANGE,
    options: Mapping[str, Any] | None = None,
    custom: Mapping[str, Any] | None = None,
    overrides: Sequence[Dict] = (),
    points: int | None = None,
    **field: Any,
) -> Dict:
    """Make a panel.

    Args:
        kind: Grafana's name of its type.
        title: Shown above it.
        size: Width (of 24) and height.
        query: As `target` makes it.
        about: Its description.
        empty: The text in place of missing data.
        options: Of this kind of panel.
        custom: Properties of all fields that only this kind of panel has.
        overrides: Of single fields.
        points: At most so many per series; `$__interval` follows from it.
        field: Properties of all fields, such as unit, min and thresholds.
    """
    defaults = {"noValue": empty, **field} | ({"custom": dict(custom)} if custom else {})
    made: Dict = {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"w": size[0], "h": size[1]},
        "targets": [query],
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": dict(options or {}),
    }
    return made | ({"maxDataPoints": points} if points else {})


def row(title: str) -> Dict:
    """Make the heading of the panels that follow."""
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}


def query_variable(name: str, label: str, sql: str, *, multi: bool = False) -> Dict:
    """Make a variable with choices from the database, queried again with every refresh: new runs appear."""
    sql = bare(sql)
    made: Dict = {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "query": sql,
        "definition": sql,
    }
    made |= {"refresh": 2, "sort": 0, "multi": multi, "includeAll": multi, "hide": 0, "options": []}
    made |= {"skipUrlSync": False, "allowCustomValue": False}
    return made | ({"current": {"text": ["All"], "value": ["$__all"]}} if multi else {})


def choice_variable(name: str, label: str, texts: Mapping[str, str]) -> Dict:
    """Make a variable with fixed choices. texts: by value; the first is the default."""
    options = [{"text": text, "value": value, "selected": not i} for i, (value, text) in enumerate(texts.items())]
    listed = ", ".join(f"{text} : {value}" for value, text in texts.items())
    made: Dict = {"type": "custom", "name": name, "label": label, "query": listed, "options": options}
    made |= {"current": options[0], "multi": False, "includeAll": False, "hide": 0}
    return made | {"skipUrlSync": False, "allowCustomValue": False}


def constant(name: str, value: str) -> Dict:
    """Make a hidden variable that no address can change."""
    option = {"text": value, "value": value, "selected": True}
    made: Dict = {"type": "constant", "name": name, "label": name, "query": value, "hide": 2, "skipUrlSync": True}
    return made | {"current": option, "options": [option]}


def annotation(name: str, color: str, sql: str) -> Dict:
    """Make annotations of every panel with a time axis, from columns time, timeend, text and tags."""
    made: Dict = {"name": name, "datasource": SOURCE, "enable": True, "hide": False, "iconColor": color}
    return made | {"target": target(sql, "table", "Anno")}


def dashboard(
    uid: str,
    title: str,
    panels: Sequence[Dict],
    *,
    variables: Sequence[Dict],
    annotations: Sequence[Dict] = (),
    time: tuple[str, str] = ("now-15m", "now"),
    refresh: str = "5s",
) -> Dict:
    """Make a dashboard of panels, which are placed in their order."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["driftline"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "timezone": "utc",
        "graphTooltip": 1,
        "liveNow": True,
        "refresh": refresh,
        "time": {"from": time[0], "to": time[1]},
        "timepicker": {"refresh_intervals": ["1s", "5s", "10s", "30s", "1m", "5m"]},
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "links": [_NAVIGATION],
        "panels": _placed(panels),
    }


# Without the time range, as days of event time would be left over where only the wall clock is.
_NAVIGATION = {
    **{"title": "Driftline", "type": "dashboards", "tags": ["driftline"], "asDropdown": False, "includeVars": True},
    **{"keepTime": False, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""},
}


def _placed(panels: Sequence[Dict]) -> list[Dict]:
    """Number the panels, and place them from left to right and top to bottom."""
    x = y = height = 0
    placed = []
    for number, each in enumerate(panels, 1):
        width, tall = each["gridPos"]["w"], each["gridPos"]["h"]
        if x + width > 24:
            x, y, height = 0, y + height, 0
        placed.append({**each, "id": number, "gridPos": {"x": x, "y": y, "w": width, "h": tall}})
        x, height = x + width, max(height, tall)
    return placed
