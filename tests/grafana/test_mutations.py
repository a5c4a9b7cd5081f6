"""Do the checks notice? One planted fault each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from grafana.generate import dashboards
from tests.grafana.asked import ask_all, ask_rule
from tests.grafana.conftest import Filled
from tests.grafana.fault import Fault
from tests.grafana.lint import lint
from tests.grafana.provisioned import RULES, SOURCES

pytestmark = pytest.mark.integration

Dict = dict[str, Any]
Plant = Callable[[Dict], object]

MADE = dashboards()
LETTERS = next(rule for rule in RULES if rule["uid"] == "driftline-dead-letters")
"""It has rows."""
UIDS = {made["uid"] for made in MADE.values()}
LIVE, TUNING, HEALTH = MADE


def panel(made: Dict, title: str) -> Dict:
    return next(each for each in made["panels"] if each["title"] == title)


def defaults(made: Dict, title: str) -> Dict:
    found: Dict = panel(made, title)["fieldConfig"]["defaults"]
    return found


def query(title: str, old: str, new: str) -> Plant:
    def plant(made: Dict) -> None:
        target = panel(made, title)["targets"][0]
        assert old in target["rawSql"], target["rawSql"]
        target["rawSql"] = target["rawSql"].replace(old, new)

    return plant


def mark(number: int, old: str, new: str) -> Plant:
    def plant(made: Dict) -> None:
        target = made["annotations"]["list"][number]["target"]
        assert old in target["rawSql"], target["rawSql"]
        target["rawSql"] = target["rawSql"].replace(old, new)

    return plant


SHARE, SEVERITY, VERDICTS = "Share of drifted columns", "Severity over time", "Verdict, every window size"
SEEN: dict[str, tuple[str, Plant]] = {
    "a uid that is not its file's": (LIVE, lambda d: d.update(uid="live")),
    "another model of dashboards": (LIVE, lambda d: d.update(elements={}, layout={})),
    "two panels with one id": (LIVE, lambda d: panel(d, "Windows").update(id=1)),
    "a panel over another": (LIVE, lambda d: panel(d, "Windows")["gridPos"].update(y=0)),
    "a panel beyond the edge": (LIVE, lambda d: panel(d, "Windows")["gridPos"].update(x=1)),
    "a plugin": (LIVE, lambda d: panel(d, "Windows").update(type="grafana-piechart-panel")),
    "the old name of the data source": (
        LIVE,
        lambda d: panel(d, "Windows").update(datasource={"type": "postgres", "uid": "driftline-pg"}),
    ),
    "an export's placeholder": (
        LIVE,
        lambda d: panel(d, "Windows")["targets"][0]["datasource"].update(uid="${DS_DRIFTLINE}"),
    ),
    "thresholds upside down": (
        LIVE,
        lambda d: defaults(d, "Since last row")["thresholds"]["steps"].reverse(),
    ),
    "a colour of one theme alone": (
        LIVE,
        lambda d: defaults(d, "Late records")["thresholds"]["steps"][0].update(color="#ffffff"),
    ),
    "nothing said where there is no data": (LIVE, lambda d: defaults(d, "Windows").pop("noValue")),
    "an invisible line": (LIVE, lambda d: defaults(d, SHARE).pop("color")),
    "a variable that nobody uses": (
        LIVE,
        lambda d: d["templating"]["list"].append({"name": "spare", "type": "textbox", "options": [{"value": ""}]}),
    ),
    "a variable that is not there": (LIVE, query(VERDICTS, "${run}", "${model}")),
    "variables in the wrong order": (LIVE, lambda d: d["templating"]["list"].reverse()),
    "a link to no dashboard": (LIVE, lambda d: d["links"].append({"url": "/d/nowhere"})),
    "a link to no page of the board": (
        LIVE,
        lambda d: defaults(d, SHARE).update(links=[{"url": "${board_url}/windows?run=${run}"}]),
    ),
    "a parameter that the board does not know": (
        LIVE,
        lambda d: defaults(d, SHARE).update(links=[{"url": "${board_url}/at?run=${run}&time=${__value.time}"}]),
    ),
}
ASKED: dict[str, tuple[str, Plant]] = {
    "a column that was renamed": (LIVE, query(VERDICTS, "max(state)", "max(verdict)")),
    "no order": (LIVE, query(SEVERITY, "ORDER BY 1", "ORDER BY random()")),
    "a truth value": (LIVE, query(VERDICTS, "max(state)", "bool_or(state > 0)")),
    "a state as text, which becomes a label": (LIVE, query(VERDICTS, "max(state)", "max(state)::text")),
    "a state that no mapping knows": (LIVE, query(VERDICTS, "max(state)", "max(state) + 3")),
    "a macro that is not there": (LIVE, query(VERDICTS, "$__timeFilter", "$__timefilter")),
    "parentheses in a macro": (
        LIVE,
        query(VERDICTS, "$__timeFilter(${axis}_time)", "$__timeFilter(date_trunc('s', ${axis}_time))"),
    ),
    "a comma behind a macro": (
        LIVE,
        query(
            SEVERITY,
            "driftline.bucket(${axis}_time, $__interval_ms)",
            "$__timeGroup(${axis}_time, 1s), 2",
        ),
    ),
    "windows of a bucket side by side": (LIVE, query(SHARE, "GROUP BY", "GROUP BY window_start, rows,")),
    "several names without quotes": (LIVE, query(SEVERITY, "${column:sqlstring}", "${column:raw}")),
    "no name for the time": (LIVE, query(SHARE, "AS time", "AS at")),
    "a second text column": (LIVE, query(SEVERITY, "AS value", "AS value, max(status) AS status")),
    "something written": (
        LIVE,
        query("Verdict", "SELECT state", "WITH x AS (DELETE FROM driftline.event RETURNING 1) SELECT state"),
    ),
    "a record read": (
        HEALTH,
        query("Dead letters by reason", "count(*)", "count((SELECT max(raw) FROM driftline.dead_letter))"),
    ),
    "two numbers in a stat": (LIVE, query("Drifted columns", "AS drifted", "AS drifted, columns_tested")),
    "more than one row in a stat": (LIVE, query("Drifted columns", "LIMIT 1", "LIMIT 2")),
    "an override of no field": (
        LIVE,
        lambda d: panel(d, "Windows")["fieldConfig"]["overrides"][0]["matcher"].update(options="start"),
    ),
    "bars that have one name": (TUNING, query("Detection delay", "SELECT size", "SELECT 'all' AS size")),
    "a point without its axis": (TUNING, query("Delay against false alarms", 'AS "false alarms"', "AS rate")),
    "a mark without a time": (LIVE, mark(0, "AS time,", "AS moment,")),
    "a mark that ends before it begins": (
        LIVE,
        mark(0, "${axis}_end AS timeend", "${axis}_time - interval '1 day' AS timeend"),
    ),
    "a mark without a text": (LIVE, mark(2, "count(*) || ' late rows'", "NULL::text")),
    "an infinite number": (LIVE, query("Error", "avg(s.mae)", "avg('infinity'::float8)")),
    "a view that is not there": (
        LIVE,
        query("Verdict", "driftline.timed_window", "public.timed_window"),
    ),
}


@pytest.mark.parametrize("fault", SEEN)
def test_a_fault_that_shows_in_the_file_is_found(fault: str) -> None:
    name, plant = SEEN[fault]
    made = copy.deepcopy(MADE[name])
    plant(made)
    with pytest.raises(Fault):
        lint(name, made, UIDS, SOURCES)


@pytest.mark.parametrize("fault", ASKED)
def test_a_fault_that_shows_when_asked_is_found(fault: str, filled: Filled, reader: Any) -> None:
    name, plant = ASKED[fault]
    made = copy.deepcopy(MADE[name])
    plant(made)
    with pytest.raises(Fault):
        ask_all(reader, made, filled.ranges)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("$__timeFilter(wall_time)", "true"),
        ("AS value", "AS value, 1 AS other"),
        ("reason, count", "reason, kafka_offset, count"),
    ],
)
def test_a_rule_of_a_wrong_shape_is_found(old: str, new: str, lately: Any) -> None:
    rule = copy.deepcopy(LETTERS)
    assert ask_rule(lately, rule, [*SOURCES]).rows
    rule["data"][0]["model"]["rawSql"] = rule["data"][0]["model"]["rawSql"].replace(old, new)
    assert rule != LETTERS
    with pytest.raises(Fault):
        ask_rule(lately, rule, [*SOURCES])


def test_a_rule_whose_parts_do_not_fit_is_found(reader: Any) -> None:
    rule = {**RULES[0], "condition": "D"}
    with pytest.raises(Fault):
        ask_rule(reader, rule, [*SOURCES])
