"""The committed dashboards: as generated, and without a fault that can be seen without a database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grafana.generate import DASHBOARDS, dashboards, text
from tests.grafana.lint import lint
from tests.grafana.provisioned import SOURCES

MADE = dashboards()
UIDS = {made["uid"] for made in MADE.values()}


@pytest.mark.parametrize("name", MADE)
def test_the_committed_file_is_what_the_generator_makes(name: str) -> None:
    assert (DASHBOARDS / name).read_text() == text(MADE[name]), "run `make dashboards`"


def test_no_other_file_is_there() -> None:
    assert {path.name for path in DASHBOARDS.iterdir()} == set(MADE)


@pytest.mark.parametrize("name", MADE)
def test_lint(name: str) -> None:
    lint(name, MADE[name], UIDS, SOURCES)


def test_days_of_event_time_are_not_taken_along_to_where_there_is_only_the_wall_clock() -> None:
    assert [made["links"][0]["keepTime"] for made in MADE.values()] == [False] * 3


def test_titles_are_told_apart() -> None:
    assert len({made["title"] for made in MADE.values()}) == 3


def test_live_offers_both_clocks_and_marks_injected_drift_alarms_and_late_data() -> None:
    live: dict[str, Any] = json.loads((DASHBOARDS / "driftline-live.json").read_text())
    names = [variable["name"] for variable in live["templating"]["list"]]
    assert names == ["run", "size", "segment", "column", "axis", "board_url"]
    assert [each["name"] for each in live["annotations"]["list"]] == ["Injected drift", "Alarms", "Late data"]
    assert (live["refresh"], live["time"]) == ("5s", {"from": "now-15m", "to": "now"})
    board = live["templating"]["list"][-1]
    assert (board["query"], board["hide"]) == ("http://localhost:8000", 2)


def test_what_is_empty_says_what_to_do() -> None:
    texts = {
        panel["title"]: panel["fieldConfig"]["defaults"]["noValue"]
        for made in MADE.values()
        for panel in made["panels"]
        if panel["type"] not in ("row", "stat")
    }
    for title, message in texts.items():
        assert any(
            word in message for word in ("start", "choose", "follow", "replay", "None", "No dead", "judged")
        ), title
    assert "driftline demo" in next(
        p["fieldConfig"]["defaults"]["noValue"]
        for p in MADE["driftline-live.json"]["panels"]
        if p["title"] == "Verdict"
    )
