"""Every query, asked by the reader of a database that a real run filled: over live, past and empty ranges."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from grafana.generate import dashboards
from storage import roles
from tests.grafana.asked import ask, ask_all, ask_rule, choices
from tests.grafana.conftest import Filled, reader_url, reading
from tests.grafana.expand import in_browser, on_server
from tests.grafana.provisioned import RULES, SOURCES
from tests.logs import RUN
from tests.side_by_side import add_all

pytestmark = pytest.mark.integration

MADE = dashboards()
MAY_BE_EMPTY = {"Windows computed again"}


@pytest.mark.parametrize("name", MADE)
def test_every_query_answers_what_its_panel_needs(name: str, filled: Filled, reader: Any) -> None:
    asked = ask_all(reader, MADE[name], filled.ranges)
    assert len(asked) >= 7
    assert {query.where for query in asked if not query.most} <= MAY_BE_EMPTY


@pytest.mark.parametrize("name", MADE)
def test_every_query_answers_on_an_empty_database(name: str, filled: Filled, empty: str) -> None:
    """Where no variable has a choice, too: panels then show what to do, instead of an error."""
    made = json.loads(json.dumps(MADE[name]))
    for panel in made["panels"]:
        panel.get("fieldConfig", {})["overrides"] = []
    with reading(empty) as connection:
        ask_all(connection, made, filled.ranges)


def test_variables_choose_the_newest_run_and_every_column(filled: Filled, reader: Any) -> None:
    chosen = choices(reader, MADE["driftline-live.json"]["templating"]["list"], filled.live)
    assert (chosen["run"], chosen["size"], chosen["axis"]) == (RUN, "3600", "wall")
    assert {"trip_distance", "prediction"} <= set(chosen["column"])


def test_alert_rules_see_what_happens_now(lately: Any) -> None:
    """Of a run that is watched its alarms, of another its windows."""
    seen = {rule["uid"]: ask_rule(lately, rule, [*SOURCES]) for rule in RULES}
    assert ("undecodable",) in {tuple(row[1:2]) for row in seen["driftline-dead-letters"].rows}
    assert seen["driftline-no-rows"].rows == [], "the run is over"
    assert seen["driftline-dataset-drift"].rows == seen["driftline-error"].rows == []
    changed(lately, "DELETE FROM driftline.watch")
    seen = {rule["uid"]: ask_rule(lately, rule, [*SOURCES]) for rule in RULES}
    assert {row[:2] for row in seen["driftline-dataset-drift"].rows} == {(RUN, "1h"), (RUN, "6h"), (RUN, "1d")}
    assert {row[0] for row in seen["driftline-error"].rows} == {RUN}
    assert seen["driftline-alarm"].rows == []


AGED = """
    INSERT INTO driftline.alarm
    SELECT (jsonb_populate_record(a, '{"alarm_id": "aged", "track": "ageing", "kind": "ageing"}')).*
    FROM driftline.alarm a WHERE track = 'change' LIMIT 1"""
SILENCE = """
    INSERT INTO driftline.silence (run_id, track, column_name, ends_at, author, reason)
    VALUES (%s, %s, %s, now() + interval '1 hour', 'me', 'known')"""


def test_an_alert_fires_while_an_alarm_does_unless_it_is_silenced(lately: Any) -> None:
    (rule,) = (rule for rule in RULES if rule["uid"] == "driftline-alarm")
    changed(lately, "DELETE FROM driftline.alarm WHERE track = 'harm'")
    changed(lately, "UPDATE driftline.alarm SET state = 'firing', recovered_at = NULL WHERE track = 'change'")
    changed(lately, AGED)
    ((run, alarm, since, value),) = ask_rule(lately, rule, [*SOURCES]).rows
    assert (run, alarm.startswith(f"change:{RUN}:"), since[:8]) == (RUN, True, "2022-02-")
    assert value > 1
    ((members,),) = lately.execute("SELECT members FROM driftline.alarm WHERE alarm_id = %s", (alarm,)).fetchall()
    names = {m["column"] or m["name"] for m in members if not m["consequence"]}
    silences = [(RUN, "change", name) for name in sorted(names)]
    for silence in [*silences[:-1], ("another", None, None), (None, "ageing", None)]:
        changed(lately, SILENCE, silence)
        assert len(ask_rule(lately, rule, [*SOURCES]).rows) == 1, silence
    changed(lately, SILENCE, silences[-1])
    assert ask_rule(lately, rule, [*SOURCES]).rows == []
    changed(lately, "DELETE FROM driftline.silence")
    changed(lately, SILENCE, (None, None, None))
    assert ask_rule(lately, rule, [*SOURCES]).rows == []
    changed(lately, "DELETE FROM driftline.silence")
    changed(
        lately, "UPDATE driftline.alarm SET state = 'recovered', recovered_at = started_at WHERE track = 'change'"
    )
    assert ask_rule(lately, rule, [*SOURCES]).rows == []


def test_a_larger_error_is_an_alert_too(lately: Any) -> None:
    (rule,) = (rule for rule in RULES if rule["uid"] == "driftline-alarm")
    changed(lately, "UPDATE driftline.alarm SET state = 'firing', track = 'harm' WHERE track IS NOT NULL")
    fires = lately.execute("SELECT alarm_id FROM driftline.alarm WHERE track = 'harm'").fetchall()
    assert {row[1] for row in ask_rule(lately, rule, [*SOURCES]).rows} == {name for (name,) in fires} != set()


def test_what_has_aged_is_no_event(lately: Any) -> None:
    """As on the board."""
    changed(lately, AGED)
    named = {
        name
        for (name,) in lately.execute("SELECT event_id FROM driftline.timed_event WHERE kind = 'alarm'").fetchall()
    }
    kept = lately.execute(
        "SELECT alarm_id FROM driftline.alarm"
        " WHERE track IS DISTINCT FROM 'ageing' AND state IS DISTINCT FROM 'pending'"
    ).fetchall()
    assert named == {name for (name,) in kept}


def changed(lately: Any, sql: str, parameters: Any = ()) -> None:
    """Change the tables as their owner, for the rest of the transaction."""
    lately.execute("RESET ROLE")
    lately.execute(sql, parameters)
    lately.execute(f"SET LOCAL ROLE {roles.READER}")


def test_a_run_that_never_wrote_a_window_is_too_silent(database: str) -> None:
    """Where no monitor was started, say."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO driftline.run (run_id, started_at, pane_ms, lateness_ms, outcome_lateness_ms,"
            " max_ahead_ms) VALUES ('silent', now() - interval '10 minutes', 1, 1, 1, 1)"
        )
    (rule,) = (rule for rule in RULES if rule["uid"] == "driftline-no-rows")
    with reading(reader_url(database)) as connection:
        ((run, seconds),) = ask_rule(connection, rule, [*SOURCES]).rows
    assert (run, round(seconds, -2)) == ("silent", 600)


def test_both_clocks_of_the_injected_drift_lie_where_its_windows_do(filled: Filled, reader: Any) -> None:
    (event,) = ask(
        reader, "SELECT event_time, event_end, wall_time, wall_end FROM timed_event WHERE kind = 'injected'"
    ).rows
    start, end = filled.history
    assert (event[0] - start, end - event[1]) == (2 * (end - start) / 4, (end - start) / 4)
    assert filled.live[0] < event[2] <= event[3] < filled.live[1]


def test_the_score_tells_which_sizes_caught_the_injected_drift(reader: Any) -> None:
    scores = ask(reader, f"SELECT * FROM size_score WHERE run_id = '{RUN}' ORDER BY size_s")
    assert scores.all("size") == ["1h", "6h", "1d"]
    assert scores.all("injected") == [1, 1, 1]
    assert scores.all("caught")[1:] == [1, 1]
    assert scores.all("windows") == [96, 16, 4]
    assert scores.all("delay_p50_s")[2] == 86_400, "the day that was bent, from its start to its end"


def test_views_show_no_record(filled: Filled, reader: Any) -> None:
    shown = ask(
        reader,
        on_server(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'driftline'"
            " AND table_name LIKE 'timed%'",
            filled.live,
        ),
    )
    assert not {"raw", "key", "headers", "payload", "detail"} & set(shown.all("column_name"))


def test_runs_of_several_streams_are_told_apart_and_errors_have_the_unit_of_theirs(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        add_all(owner)
    live = MADE["driftline-live.json"]
    (run_query,) = [v["query"] for v in live["templating"]["list"] if v["name"] == "run"]
    (errors,) = [target["rawSql"] for p in live["panels"] if p["title"] == "Error" for target in p["targets"]]
    day = (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC))
    with reading(reader_url(database)) as connection:
        named = {tuple(row) for row in ask(connection, run_query).rows}
        assert named == {("old", "old"), ("paid", "paid, payments"), ("made", "made, parts")}
        for run, names in (("old", {"MAE", "RMSE"}), ("paid", set()), ("made", {"MAE, kN", "RMSE, kN"})):
            asked = in_browser(errors, {"run": run, "size": "3600", "segment": "all", "axis": "event"}, "1s")
            assert set(ask(connection, on_server(asked, day)).all("metric")) == names, run


@pytest.mark.parametrize("name", MADE)
def test_every_query_answers_for_runs_of_every_stream(name: str, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        add_all(owner)
    day = (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC))
    with reading(reader_url(database)) as connection:
        for run in ("old", "paid", "made"):
            asked = ask_all(connection, MADE[name], [day], run=run)
            answered = {query.where for query in asked if query.most}
            assert name != "driftline-live.json" or {"Verdict", "Severity of every column", "Windows"} <= answered
