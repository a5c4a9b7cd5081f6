"""Every query of a dashboard or an alert rule, asked as Grafana asks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import psycopg

from tests.grafana.expand import Range, in_browser, on_server
from tests.grafana.fault import Fault
from tests.grafana.shape import Answer, check

Dict = dict[str, Any]
Reader = psycopg.Connection[tuple[Any, ...]]
INTERVALS = ("1s", "1m", "1h")


@dataclass
class Query:
    """where: its title. kind: of the panel, or `annotation`.

    most: rows it ever returned; first: in the first range, which is what a dashboard opens with.
    """

    where: str
    kind: str
    target: Dict
    panel: Dict = field(default_factory=dict)
    most: int = 0
    first: int = 0
    fields: set[str] = field(default_factory=set)


def ask(reader: Reader, sql: str) -> Answer:
    try:
        cursor = reader.execute(sql.encode())
        return Answer([column.name for column in cursor.description or ()], cursor.fetchall())
    except psycopg.Error as error:
        raise Fault(f"{str(error).splitlines()[0]}: {sql}") from None


def choices(reader: Reader, variables: Sequence[Dict], shown: Range, **fixed: str) -> dict[str, str | list[str]]:
    """What Grafana chooses of each variable when it opens the dashboard: the first, or all, unless it is fixed."""
    values: dict[str, str | list[str]] = {}
    for variable in variables:
        if variable["name"] in fixed:
            values[variable["name"]] = fixed[variable["name"]]
            continue
        if variable["type"] != "query":
            values[variable["name"]] = variable["options"][0]["value"]
            continue
        answer = ask(reader, on_server(in_browser(variable["query"], values, "1s"), shown))
        column = "__value" if "__value" in answer.columns else answer.columns[0]
        options = [str(value) for value in answer.all(column)]
        values[variable["name"]] = options if variable["multi"] else next(iter(options), "")
    return values


def queries(made: Dict) -> Iterator[Query]:
    for each in made["annotations"]["list"]:
        yield Query(f"annotation {each['name']}", "annotation", each["target"])
    for panel in made["panels"]:
        for target in panel.get("targets", ()):
            yield Query(panel["title"], panel["type"], target, panel)


def ask_all(reader: Reader, made: Dict, ranges: Sequence[Range], **fixed: str) -> list[Query]:
    """Each query over all ranges, axes and intervals. Raises Fault at the first refused, or of a wrong shape.

    fixed: values of variables; the others are chosen.
    """
    variables = made["templating"]["list"]
    chosen = choices(reader, variables, ranges[0], **fixed)
    axes = [o["value"] for v in variables if v["name"] == "axis" for o in v["options"]] or [None]
    asked = list(queries(made))
    for query in asked:
        for axis, shown, interval in product(axes, ranges, INTERVALS):
            values = chosen | ({"axis": axis} if axis else {})
            rows = _ask(reader, query, values, shown, interval)
            if axis in (axes[0], None) and shown == ranges[0]:
                query.first = max(query.first, rows)
        _overrides(query)
    return asked


def _ask(reader: Reader, query: Query, values: dict[str, Any], shown: Range, interval: str) -> int:
    try:
        answer = ask(reader, on_server(in_browser(query.target["rawSql"], values, interval), shown))
        check(query.kind, query.target["format"], answer, query.panel.get("options", {}))
    except Fault as fault:
        raise Fault(f"{query.where}: {fault}") from None
    query.most = max(query.most, len(answer.rows))
    query.fields |= answer.fields
    return len(answer.rows)


def _overrides(query: Query) -> None:
    for override in query.panel.get("fieldConfig", {}).get("overrides", ()):
        if override["matcher"]["options"] not in query.fields:
            raise Fault(f"{query.where}: there is no field {override['matcher']['options']}")


def ask_rule(reader: Reader, rule: Dict, sources: Sequence[str]) -> Answer:
    """What an alert rule sees now. Raises Fault where its parts do not fit together."""
    known = {part["refId"]: part for part in rule["data"]}
    if rule["condition"] not in known:
        raise Fault(f"{rule['title']}: no condition {rule['condition']}")
    answers = []
    for part in known.values():
        model = part["model"]
        if part["datasourceUid"] == "__expr__":
            if model["expression"] not in known:
                raise Fault(f"{rule['title']}: {model['refId']} stands on nothing")
            continue
        if part["datasourceUid"] not in sources:
            raise Fault(f"{rule['title']}: data source {part['datasourceUid']} is not provisioned")
        now, back = datetime.now(UTC), part["relativeTimeRange"]
        shown = (now - timedelta(seconds=back["from"]), now - timedelta(seconds=back["to"]))
        if "$__timeFilter(" not in model["rawSql"]:
            raise Fault(f"{rule['title']}: looks at all times")
        answers.append(ask(reader, on_server(in_browser(model["rawSql"], {}, "1s"), shown)))
    (answer,) = answers
    numbers = [c for c in answer.columns if any(isinstance(v, int | float) for v in answer.all(c))]
    if answer.rows and numbers != ["value"]:
        raise Fault(f"{rule['title']}: one number and labels, not {answer.columns}")
    return answer
