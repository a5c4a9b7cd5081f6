"""What can be seen in a dashboard's JSON alone."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations, pairwise
from typing import Any
from urllib.parse import urlsplit

from tests.grafana.fault import Fault

Dict = dict[str, Any]

PANELS = {
    *("row", "text", "stat", "timeseries", "state-timeline", "status-history", "bargauge"),
    *("table", "barchart", "xychart", "heatmap"),
}
"""Built into Grafana: anything else is a plugin that somebody would have to install."""
COLORS = {
    *("transparent", "text", "green", "orange", "red", "blue", "purple", "yellow"),
    *("palette-classic", "thresholds"),
}
"""By name: each theme has its own shades of them."""
ADDRESSES = {
    "/at": {"run", "t", "size", "axis"},
    "/window": {"run", "size", "start"},
    "/report": {"run", "size", "start"},
    "/alarm": {"run", "id"},
}
"""Of the board, with their parameters."""
_USED = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


def lint(name: str, made: Dict, dashboards: Collection[str], sources: Mapping[str, str]) -> None:
    """name: of its file. dashboards: uids of all. sources: types of the provisioned, by uid. Raises Fault."""
    _model(name, made)
    _places(made["panels"])
    _sources(made, sources)
    _variables(made)
    for panel in made["panels"]:
        if panel["type"] != "row":
            _panel(panel)
    for link in links(made):
        _link(link, made, dashboards)


def links(made: Dict) -> Iterator[str]:
    """Every address that somebody may follow."""
    for each in made["links"]:
        yield each["url"]
    for field in found(made["panels"], "links"):
        yield from (each["url"] for each in field)


def found(value: Any, key: str) -> Iterator[Any]:
    """What stands under a key, however deep; also as a property of an override."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        elif value.get("id") == key:
            yield value["value"]
        for inner in value.values():
            yield from found(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from found(inner, key)


def _model(name: str, made: Dict) -> None:
    if not {"panels", "schemaVersion"} <= made.keys() or {"apiVersion", "spec", "elements"} & made.keys():
        raise Fault("not the classic model: files of another are refused")
    if made["uid"] != name.removesuffix(".json") or len(made["uid"]) > 40:
        raise Fault("its uid is its file's name, of at most 40 characters")
    if made.get("id") is not None or "__inputs" in made or "${DS_" in json.dumps(made):
        raise Fault("exported for sharing: has an id, inputs, or placeholders for data sources")


def _places(panels: list[Dict]) -> None:
    ids = [panel.get("id") for panel in panels]
    if None in ids or len(set(ids)) < len(ids):
        raise Fault("panel without an id, or two with the same")
    if len(titles := [panel["title"] for panel in panels]) > len(set(titles)):
        raise Fault("two panels with the same title")
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > 24 or place["h"] < 1:
            raise Fault(f"{panel['title']}: outside of the 24 columns")
    for one, other in combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            raise Fault(f"{one['title']} lies over {other['title']}")


def _overlap(a: Dict, b: Dict) -> bool:
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    return not (beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"])


def _sources(made: Dict, sources: Mapping[str, str]) -> None:
    for source in found(made, "datasource"):
        if sources.get(source.get("uid")) != source.get("type"):
            raise Fault(f"data source {source} is not provisioned")


def _variables(made: Dict) -> None:
    """Each is used, and what is used is there, defined before any that builds on it."""
    known: list[str] = []
    for variable in made["templating"]["list"]:
        missing = _names(variable["query"]) - set(known) if variable["type"] == "query" else set()
        if missing:
            raise Fault(f"variable {variable['name']} builds on {sorted(missing)}, which come later or never")
        known.append(variable["name"])
    used = _names(json.dumps([made["panels"], made["annotations"]]))
    used |= {name for v in made["templating"]["list"] if v["type"] == "query" for name in _names(v["query"])}
    if used ^ set(known):
        raise Fault(f"variables undefined or unused: {sorted(used ^ set(known))}")


def _names(text: str) -> set[str]:
    names = {match[1] or match[2] for match in _USED.finditer(text)}
    # `${axis}_time` is a variable and more text; what begins with __ is Grafana's own.
    return {name for name in names if not name.startswith("__")}


def _panel(panel: Dict) -> None:
    where, defaults = panel["title"], panel["fieldConfig"]["defaults"]
    if panel["type"] not in PANELS:
        raise Fault(f"{where}: {panel['type']} is a plugin")
    if not panel.get("description") or not defaults.get("noValue"):
        raise Fault(f"{where}: does not say what it shows, or what to do where it is empty")
    if panel["type"] in ("timeseries", "barchart", "xychart") and "color" not in defaults:
        raise Fault(
            f"{where}: without a colour of its own a line takes the first threshold's, which is transparent"
        )
    for thresholds in found(panel, "thresholds"):
        _thresholds(where, thresholds["steps"])
    for mappings in found(panel, "mappings"):
        _known(where, [option["color"] for each in mappings for option in each["options"].values()])


def _thresholds(where: str, steps: list[Dict]) -> None:
    values = [step["value"] for step in steps]
    if values[0] is not None or None in values[1:] or any(a >= b for a, b in pairwise(values[1:])):
        raise Fault(f"{where}: thresholds ascend, and the first has no value")
    _known(where, [step["color"] for step in steps])


def _known(where: str, colors: list[str]) -> None:
    if unknown := set(colors) - COLORS:
        raise Fault(f"{where}: {unknown} are no names of colours")


def _link(link: str, made: Dict, dashboards: Collection[str]) -> None:
    url = urlsplit(link.replace("${board_url}", "http://board"))
    names = {part.partition("=")[0] for part in url.query.split("&") if part}
    if link.startswith("/d/"):
        variables = {"var-" + v["name"] for v in made["templating"]["list"]} | {"var-run", "var-axis", "from", "to"}
        if url.path.removeprefix("/d/") not in dashboards or names - variables:
            raise Fault(f"leads nowhere: {link}")
    elif link and (url.path not in ADDRESSES or not names <= ADDRESSES[url.path] or "run" not in names):
        raise Fault(f"the board has no {link}")
