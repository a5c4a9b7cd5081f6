"""What Grafana makes of a query before Postgres sees it: first the browser, then the server's macros."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from tests.grafana.fault import Fault

_VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?::(\w+))?\}")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
"""As the plugin's: an argument ends at the first closing parenthesis."""
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}

Values = Mapping[str, str | list[str]]
"""By variable: a list where several may be chosen."""
Range = tuple[datetime, datetime]


def in_browser(sql: str, values: Values, interval: str) -> str:
    """`$x`, `${x}` and `${x:format}` replaced. What begins with two underscores is left to the server."""

    def replace(match: re.Match[str]) -> str:
        name, form = match[1] or match[2] or match[4], match[3] or match[5]
        if name == "__interval":
            return interval
        if name == "__interval_ms":
            return str(round(seconds(interval) * 1_000))
        if name.startswith("__"):
            return match[0]
        if name not in values:
            raise Fault(f"no variable {name}")
        return _formatted(values[name], form)

    return _VARIABLE.sub(replace, sql)


def on_server(sql: str, shown: Range) -> str:
    """Macros replaced. Raises Fault for an unknown one, and where an argument would be cut short."""
    sql = _COMMENT.sub("", sql)

    def replace(match: re.Match[str]) -> str:
        name, arguments = match[1], [part.strip() for part in match[2].split(",")]
        if "(" in match[2]:
            raise Fault(f"${name}: its argument is cut at the first parenthesis")
        return _macro(name, arguments, shown, followed_by=sql[match.end() : match.end() + 1])

    return _MACRO.sub(replace, sql)


def seconds(interval: str) -> float:
    match = re.fullmatch(r"'?(\d+(?:\.\d+)?)(ms|s|m|h|d|w)'?", interval.strip())
    if not match:
        raise Fault(f"no interval: {interval}")
    return float(match[1]) * _UNITS[match[2]]


def _formatted(value: str | list[str], form: str | None) -> str:
    several = isinstance(value, list)
    values = value if isinstance(value, list) else [value]
    if form == "sqlstring" or (several and form is None):
        return ",".join("'" + each.replace("'", "''") + "'" for each in values)
    if form in (None, "raw", "csv"):
        return ",".join(each.replace("'", "''") if form is None else each for each in values)
    raise Fault(f"format {form} makes no SQL")


def _macro(name: str, arguments: list[str], shown: Range, followed_by: str) -> str:
    start, end = (moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for moment in shown)
    if name == "__timeFilter":
        return f"{arguments[0]} BETWEEN '{start}' AND '{end}'"
    if name in ("__timeFrom", "__timeTo"):
        return f"'{start if name == '__timeFrom' else end}'"
    if name in ("__timeGroup", "__timeGroupAlias"):
        if len(arguments) < 2:
            raise Fault(f"${name} needs a column and an interval")
        step = f"{seconds(arguments[1]):g}"
        named = name == "__timeGroupAlias" or followed_by == ","
        return f"floor(extract(epoch from {arguments[0]})/{step})*{step}" + (' AS "time"' if named else "")
    raise Fault(f"no macro ${name}")
