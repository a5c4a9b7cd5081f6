"""Every question that a page asks: answered, wrongly put, and of what is not there."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest

from benchmarks.board import NAMES, YEAR, seed
from board.artifacts import monitor_command
from board.http_errors import Conflict
from board.status import useful_size
from runtime import health_check as check
from runtime.connections import Addresses
from schemas.durations import moment
from storage import listings
from storage.connect import connect
from tests.board.conftest import Served
from tests.fleet import eventually
from tests.monitor.feed import DAY, HOUR, T0

pytestmark = pytest.mark.integration

WINDOWS = 200
HOURLY = {"run": "made-up", "size": "1h"}
AT = {**HOURLY, "start": YEAR + 97 * HOUR}
"""A window in which the drift of all is flagged: every 97th."""


COPY = "INSERT INTO driftline.window_result SELECT (jsonb_populate_record(w, %s)).* FROM driftline.window_result w"


@pytest.fixture(scope="module")
def filled(calm: tuple[Served, str]) -> Served:
    """A run of 200 windows of an hour, with a drift and two alarms."""
    board, database = calm
    with psycopg.connect(database, autocommit=True) as connection:
        seed(connection, "made-up", windows=WINDOWS)
        connection.execute(
            "INSERT INTO driftline.event (event_id, run_id, kind, starts_at, ends_at, label)"
            " VALUES ('e', 'made-up', 'injected', %s, %s, 'km as miles')",
            (moment(YEAR + 90 * HOUR), moment(YEAR + 100 * HOUR)),
        )
        connection.execute(
            "INSERT INTO driftline.alarm (alarm_id, run_id, kind, started_at, message, size_s)"
            " VALUES ('a', 'made-up', 'drift', %s, 'trip_distance drifts', 3600),"
            " ('b', 'made-up', 'drift', %s, 'of days', 86400)",
            (moment(YEAR + 97 * HOUR), moment(YEAR)),
        )
    return board


def severities(found: Any) -> Any:
    """Shape (columns, windows)."""
    block = np.frombuffer(b64decode(found["windows"]["severity"]), "<f4")
    return block.reshape(len(found["columns"]), len(found["windows"]["start"]))


def test_runs_are_listed_with_their_sizes(filled: Served) -> None:
    (run,) = filled.json("/api/runs")["runs"]
    assert (run["run"], run["sizes"], run["windows"], run["scenario"]) == ("made-up", ["1h"], WINDOWS, "made-up")
    assert run["started_at"] <= run["finished_at"]


def test_the_board_holds_every_window_and_the_severity_of_every_column(filled: Served) -> None:
    found = filled.json("/api/board", **HOURLY)
    windows = found["windows"]
    assert windows["start"] == [YEAR + n * HOUR for n in range(WINDOWS)]
    assert {len(values) for name, values in windows.items() if name != "severity"} == {WINDOWS}
    assert found["columns"][-1] == "prediction"
    assert sorted(found["columns"]) == sorted(NAMES)
    place = {name: n for n, name in enumerate(NAMES, 1)}
    expected = [0.3 + 0.03 * place[name] for name in found["columns"]]
    assert severities(found)[:, 1] == pytest.approx(expected)
    assert severities(found)[:, 97] == pytest.approx([1 + severity for severity in expected])
    assert windows["mae"][0] == pytest.approx(3)
    assert windows["label_coverage"][0] == 0.98
    assert windows["dataset_drift"][97] is True


def test_the_error_of_the_reference_stands_beside_those_of_windows(
    filled: Served, calm: tuple[Served, str]
) -> None:
    assert filled.json("/api/board", **HOURLY)["reference_mae"] is None
    with psycopg.connect(calm[1], autocommit=True) as owner:
        owner.execute("UPDATE driftline.run SET reference = 'm'")
        owner.execute("INSERT INTO driftline.reference VALUES ('m', 1.5)")
    try:
        assert filled.json("/api/board", **HOURLY)["reference_mae"] == 1.5
        assert filled.json("/api/window", **AT)["reference_mae"] == 1.5
    finally:
        with psycopg.connect(calm[1], autocommit=True) as owner:
            owner.execute("DELETE FROM driftline.reference")
            owner.execute("UPDATE driftline.run SET reference = NULL")


def test_injected_drift_and_alarms_have_both_clocks(filled: Served) -> None:
    found = filled.json("/api/board", **HOURLY)
    (injected,) = found["injected"]
    wall = found["windows"]["wall"]
    assert injected["label"] == "km as miles"
    assert (injected["wall_start"], injected["wall_end"]) == (wall[90], wall[99])
    assert [(alarm["label"], alarm["end"]) for alarm in found["alarms"]] == [("trip_distance drifts", None)]


def test_the_newest_run_and_a_useful_size_are_chosen_where_none_is_named(filled: Served) -> None:
    found = filled.json("/api/board")
    assert (found["run"], found["size"], found["sizes"]) == ("made-up", "1h", ["1h"])


def test_the_status_says_what_stands_at_the_top(filled: Served) -> None:
    status = filled.json("/api/board", **HOURLY)["status"]
    assert status["verdict"] == "ok"
    assert status["newest"]["start"] == YEAR + (WINDOWS - 1) * HOUR
    assert status["newest"]["worst"]["column"] == NAMES[-1]
    assert (status["rows"], status["late"], status["finished"]) == (4 * WINDOWS * 25, 8 * 7, True)
    assert status["latency_p95_ms"] == 40
    assert abs(status["now"] - status["written_at"]) < 60_000


def test_a_figure_of_one_name_is_the_same_on_the_board_and_in_a_terminal(
    filled: Served, calm: tuple[Served, str]
) -> None:
    with connect(calm[1]) as connection:
        run = listings.run_named(connection, "made-up")
        windows = {w.stream: w for w in listings.windows(connection, "made-up", 3600) if ms(w) == AT["start"]}
    status = filled.json("/api/board", **HOURLY)["status"]
    assert run.labels, "else labels could be among the rows"
    names = ("rows", "dead_letters", "lag", "duplicates", "missing")
    assert [status[name] for name in names] == [getattr(run, name) for name in names]
    assert status["late"] == run.reasons["late"]
    assert filled.json("/api/runs")["runs"][0]["windows"] == run.windows
    window = filled.json("/api/window", **AT)
    for role in ("events", "labels"):
        same = ("rows", "late", "dead_letters", "columns_tested", "columns_drifted", "mae")
        assert [window[role][name] for name in same] == [getattr(windows[role], name) for name in same]


def ms(window: listings.WindowRow) -> int:
    return round(window.window_start.timestamp() * 1_000)


def test_how_long_results_take_is_said_of_the_size_that_is_shown(filled: Served, calm: tuple[Served, str]) -> None:
    with psycopg.connect(calm[1], autocommit=True) as connection:
        connection.execute(
            f"{COPY} WHERE run_id = 'made-up' AND size_s = 3600",
            ('{"size_s": 86400, "latency_ms": 600000}',),
        )
        assert filled.json("/api/board", **HOURLY)["status"]["latency_p95_ms"] == 40
        assert filled.json("/api/board", run="made-up", size="1d")["status"]["latency_p95_ms"] == 600_000
        connection.execute("DELETE FROM driftline.window_result WHERE size_s = 86400")


def test_windows_with_too_few_rows_say_how_many_are_needed_and_which_size_has_them(
    filled: Served, calm: tuple[Served, str]
) -> None:
    few = '{"run_id": "few", "size_s": 300, "rows": 8, "columns_tested": 0, "status": "insufficient"}'
    with psycopg.connect(calm[1], autocommit=True) as connection:
        connection.execute(
            "INSERT INTO driftline.run SELECT (jsonb_populate_record(r, %s)).* FROM driftline.run r",
            ('{"run_id": "few"}',),
        )
        connection.execute(COPY, (few,))
        status = filled.json("/api/board", run="few", size="5m")["status"]
        assert status["verdict"] == "insufficient"
        expected = {"windows": WINDOWS, "enough": 0, "needed": 30, "usual": 8, "useful": "1h", "there": False}
        assert status["scarce"] == expected
        connection.execute(f"{COPY} WHERE size_s = 3600", ('{"run_id": "few", "size_s": 21600}',))
        there = filled.json("/api/board", run="few", size="5m")["status"]["scarce"]
        assert (there["useful"], there["there"]) == ("6h", True)
        assert filled.json("/api/board", run="few", size="6h")["status"]["scarce"] is None
        for table in ("window_result", "run"):
            connection.execute(f"DELETE FROM driftline.{table} WHERE run_id = 'few'")  # type: ignore[arg-type]


def test_the_status_says_what_fills_what_was_counted_and_what_was_rejected(
    filled: Served, calm: tuple[Served, str]
) -> None:
    with psycopg.connect(calm[1], autocommit=True) as connection:
        connection.execute(
            "INSERT INTO driftline.run SELECT (jsonb_populate_record(r, %s)).* FROM driftline.run r",
            ('{"run_id": "new"}',),
        )
        connection.execute(
            "INSERT INTO driftline.run_progress (run_id, topic, partition, first_offset, last_seq, accepted, late,"
            " missing) VALUES ('new', 'trips', 0, 0, 9, 7, 1, 2), ('new', 'trips', 1, 0, -1, 5, 0, 0)"
        )
        connection.execute(
            "INSERT INTO driftline.pane (run_id, topic, pane_start, partition, first_offset, first_row, rows)"
            " VALUES ('new', 'trips', %s, 0, 0, 0, 99), ('new', 'trips', %s, 0, 5, 0, 4),"
            " ('new', 'trips', %s, 1, 0, 0, 8)",
            (moment(YEAR - DAY), moment(YEAR), moment(YEAR + HOUR // 2)),
        )
        connection.execute(
            "INSERT INTO driftline.dead_letter (topic, partition, kafka_offset, run_id, reason, written_at)"
            " SELECT 'trips', 9, n, '', 'invalid', r.started_at FROM generate_series(1, 41) n, driftline.run r"
            " WHERE r.run_id = 'new'"
        )
        status = filled.json("/api/board", run="new", size="1h")["status"]
        assert status["filling"] == {"start": YEAR, "rows": 12, "needed": 30}
        assert (status["numbered"], status["unnumbered"], status["of_no_run"]) == (8, 5, 41)
        listed = filled.json("/api/dead-letters", run="new")["reasons"]
        assert [each["total"] for each in listed if each["no_run"]] == [41]
        written = '{"run_id": "new", "rows": 40, "columns_tested": 0, "status": "final", "window_start": "%s"}'
        for role in ("events", "labels"):
            start = moment(YEAR).isoformat()
            connection.execute(f"{COPY} WHERE stream = '{role}' LIMIT 1", (written % start,))
        connection.execute(
            "INSERT INTO driftline.column_metric"
            " (run_id, stream, size_s, window_start, column_name, metric, status, reason) VALUES"
            " ('new', 'events', 3600, %(at)s, 'trip_distance', 'drift', 'failed', 'broken'),"
            " ('new', 'events', 3600, %(at)s, 'fare_amount', 'drift', 'insufficient', '0 values, 30 needed'),"
            " ('new', 'labels', 3600, %(at)s, 'prediction', 'mae', 'insufficient', '0 values, 30 needed')",
            {"at": moment(YEAR)},
        )
        status = filled.json("/api/board", run="new", size="1h")["status"]
        assert (status["filling"], status["verdict"], status["newest"]["remark"]) == (None, "untested", "broken")
        labels = filled.json("/api/window", run="new", size="1h", start=YEAR)["labels"]
        assert labels["remark"] == "0 values, 30 needed: only labels from 1 to 60 count"
        for table in ("window_result", "pane", "run_progress", "run"):
            connection.execute(f"DELETE FROM driftline.{table} WHERE run_id = 'new'")  # type: ignore[arg-type]
        connection.execute("DELETE FROM driftline.dead_letter WHERE partition = 9")


@pytest.mark.parametrize(
    ("size", "rows", "useful"),
    [(300, 8, 3_600), (300, 60, 300), (300, 59, 600), (3_600, 1, 604_800), (60, 0, None), (86_400, 1, None)],
)
def test_the_smallest_useful_size_holds_twice_the_rows_that_are_needed(
    size: int, rows: int, useful: int | None
) -> None:
    assert useful_size(size, rows, 30) == useful


def test_a_board_knows_the_unit_of_the_error_and_whom_its_monitors_need(filled: Served) -> None:
    found = filled.json("/api/board", **HOURLY)
    assert (found["unit"], found["attended"]) == ("min", False)
    assert found["monitor"] in (None, "driftline monitor")  # the run was made up
    units = {column["name"]: column["unit"] for column in filled.json("/api/window", **AT)["columns"]}
    assert (units["trip_distance"], units["prediction"], units["PULocationID"]) == ("mi", "min", None)


def test_a_monitor_is_advised_with_the_model_that_scored_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(wanted: str | None, _: Any) -> Path:
        if wanted not in ("default", "other"):
            raise Conflict("it is not here", "")
        return Path("models") / wanted

    monkeypatch.setattr("board.artifacts.artifact_of", found)
    monkeypatch.setattr("board.artifacts._default_hash", lambda: "default")
    assert monitor_command("default", []) == "driftline monitor"
    assert monitor_command("other", []) == "driftline monitor --model models/other"
    assert monitor_command("gone", []) is None
    assert monitor_command(None, []) == "driftline monitor"


def test_a_run_has_ended_when_its_last_window_of_the_size_is_final(
    filled: Served, calm: tuple[Served, str]
) -> None:
    """That all was read is not enough: the monitor may be behind."""
    _, database = calm

    def finished() -> bool:
        return bool(filled.json("/api/board", **HOURLY)["status"]["finished"])

    with psycopg.connect(database, autocommit=True) as connection:
        put = "INSERT INTO driftline.frontier VALUES (%s, 'events', %s, %s)"
        connection.execute(put, (HOURLY["run"], 3_600, YEAR))
        connection.execute(put, (HOURLY["run"], 86_400, YEAR))
        assert not finished()
        connection.execute("UPDATE driftline.frontier SET next_start_ms = 1::bigint << 62 WHERE size_s = 3600")
        assert finished()
        connection.execute("DELETE FROM driftline.frontier")


def test_what_was_written_again_is_read_again(filled: Served, calm: tuple[Served, str]) -> None:
    _, database = calm
    before = severities(filled.json("/api/board", **HOURLY))
    where = "run_id = 'made-up' AND stream = 'events' AND window_start = %s"
    with psycopg.connect(database) as connection:
        connection.execute(
            f"UPDATE driftline.column_metric SET severity = 9 WHERE {where} AND metric = 'drift'", (moment(YEAR),)
        )
        connection.execute(
            f"UPDATE driftline.window_result SET written_at = clock_timestamp(), revision = 1 WHERE {where}",
            (moment(YEAR),),
        )
    after = severities(filled.json("/api/board", **HOURLY))
    assert (after[:, 0] == 9).all()
    assert (after[:, 1:] == before[:, 1:]).all()


def test_a_window_has_all_its_figures_worst_column_first(filled: Served) -> None:
    found = filled.json("/api/window", **AT)
    assert (found["previous"], found["next"]) == (AT["start"] - HOUR, AT["start"] + HOUR)
    assert (found["end"], found["injected"]) == (AT["start"] + HOUR, ["km as miles"])
    assert found["events"]["columns_drifted"] == 11
    assert found["labels"]["label_coverage"] == 0.98
    assert found["report"] == {"state": "none", "reason": None, "url": None}
    listed = [column["severity"] for column in found["columns"]]
    assert listed == sorted(listed, reverse=True)
    assert len(listed) == len(NAMES)
    worst = found["columns"][0]
    assert (worst["name"], worst["kind"], worst["stream"]) == ("prediction", "prediction", "events")
    assert worst["threshold"] == 0.1
    assert set(worst["quantiles"]) == {"p05", "p25", "p50", "p75", "p95", "mean"}


def test_the_first_window_has_none_before_it(filled: Served) -> None:
    assert filled.json("/api/window", **HOURLY, start="2022-01-01")["previous"] is None


@pytest.mark.parametrize(
    ("t", "axis", "start"),
    [(YEAR + 5 * HOUR, "event", YEAR + 5 * HOUR), (YEAR + 6 * HOUR - 1, "event", YEAR + 5 * HOUR)],
    ids=["at its start", "before its end"],
)
def test_a_moment_of_event_time_leads_to_the_window_that_covers_it(
    filled: Served, t: int, axis: str, start: int
) -> None:
    found = filled.get("/at", run="made-up", t=t, axis=axis)
    assert found.status_code == 302
    assert found.headers["location"] == f"/window?run=made-up&size=1h&start={start}"


def test_a_moment_of_wall_time_leads_to_the_window_that_closed_last(filled: Served) -> None:
    wall = filled.json("/api/board", **HOURLY)["windows"]["wall"]
    found = filled.get("/at", run="made-up", size="1h", t=wall[50] - 700, axis="wall")
    assert found.headers["location"].endswith(f"start={YEAR + 50 * HOUR}")


def test_a_moment_that_no_window_covers_is_told_in_words(filled: Served) -> None:
    found = filled.get("/at", run="made-up", t=YEAR - 1)
    assert found.status_code == 404
    assert found.headers["content-type"].startswith("text/plain")
    assert "no window" in found.text


QUESTIONS = ("/api/board", "/api/events", "/api/window", "/api/distributions", "/api/dead-letters", "/api/report")
PLACED = ("/api/window", "/api/distributions", "/api/report")


@pytest.mark.parametrize("path", [*QUESTIONS, "/at"])
@pytest.mark.parametrize(
    "wrong",
    [{"run": "a b"}, {"run": "../x"}, {"run": "x" * 129}, {"run": ""}, {"run": "'; DROP TABLE driftline.run --"}],
    ids=["space", "slash", "long", "empty", "sql"],
)
def test_what_no_run_is_called_is_refused(filled: Served, path: str, wrong: dict[str, str]) -> None:
    found = filled.get(path, **{**AT, "t": T0, **wrong})
    assert found.status_code == 400, found.text
    assert "run" in found.text


@pytest.mark.parametrize("path", [*(q for q in QUESTIONS if q != "/api/dead-letters"), "/at"])
@pytest.mark.parametrize("size", ["1", "0h", "-1h", "1500ms", "99999w", "1h;", "", "9" * 5_000 + "h"])
def test_what_no_size_is_is_refused(filled: Served, path: str, size: str) -> None:
    found = filled.get(path, **{**AT, "t": T0, "size": size})
    assert found.status_code == 400, found.text


@pytest.mark.parametrize("path", PLACED)
@pytest.mark.parametrize("start", ["", "soon", "-1", "9" * 20, "4102444800000", "0001-01-01", "9999-12-31", "٣"])
def test_what_no_moment_is_is_refused(filled: Served, path: str, start: str) -> None:
    assert filled.get(path, **{**AT, "start": start}).status_code == 400


@pytest.mark.parametrize("path", PLACED)
@pytest.mark.parametrize("missing", ["run", "size", "start"])
def test_what_is_needed_is_asked_for(filled: Served, path: str, missing: str) -> None:
    found = filled.get(path, **{name: value for name, value in AT.items() if name != missing})
    assert found.status_code == 400
    assert set(found.json()) == {"error", "do"}


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_run_that_is_not_there_is_unknown(filled: Served, path: str) -> None:
    found = filled.get(path, **{**AT, "run": "other"})
    assert found.status_code == 404
    assert set(found.json()) == {"error", "do"}


@pytest.mark.parametrize("path", PLACED)
def test_a_window_that_is_not_there_is_unknown(filled: Served, path: str) -> None:
    wanted = 409 if path == "/api/distributions" else 404
    assert filled.get(path, **{**AT, "start": YEAR + 1}).status_code == wanted
    assert filled.get(path, **{**AT, "size": "6h", "start": YEAR - DAY}).status_code == wanted


def test_an_axis_of_another_name_is_refused(filled: Served) -> None:
    assert filled.get("/at", t=YEAR, axis="z").status_code == 400


def test_without_any_run_it_says_how_to_start_one(board: Served) -> None:
    found = board.get("/api/board")
    assert (found.status_code, board.json("/api/runs")) == (404, {"runs": [], "total": 0})
    assert "driftline demo" in found.json()["do"]


def test_a_database_without_tables_is_told_with_what_to_do(board: Served, prepared: str) -> None:
    with psycopg.connect(prepared, autocommit=True) as connection:
        connection.execute("DROP SCHEMA driftline CASCADE")
    for path in ("/api/runs", "/healthz"):
        found = board.get(path)
        assert found.status_code == 503
        assert "driftline migrate" in found.json()["do"]
    assert "driftline migrate" in check.check("127.0.0.1", urlsplit(board.url).port or 0)


def test_a_database_that_is_away_is_told_with_what_to_do(board: Served, prepared: str, stack: Addresses) -> None:
    name = prepared.rpartition("/")[2]
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        found = board.get("/api/runs")
        assert found.status_code == 503, found.text
        assert set(found.json()) == {"error", "do"}
        assert board.get("/healthz").status_code == 503
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    eventually(lambda: board.get("/healthz").status_code == 200, lambda: board.get("/healthz").text)
    assert board.json("/api/runs")["runs"] == []


NASTY = '<script>alert("x")</script>'


def test_dead_letters_are_counted_and_shown_as_they_came(board: Served, prepared: str) -> None:
    with psycopg.connect(prepared) as connection:
        connection.execute(
            "INSERT INTO driftline.run"
            " (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, started_at)"
            " VALUES ('r', 1, 1, 1, 1, now() - interval '1 hour')"
        )
        rows = [
            ("r", "late", "key", b"{}", T0),
            ("r", "late", "key", b"x" * 9_000, T0),
            ("r", "invalid", NASTY, NASTY.encode(), None),
            ("", "undecodable", None, b"\xff\x00\xfe", None),
            ("", "invalid", None, b"{}", None),
        ]
        for offset, (run, reason, key, raw, at) in enumerate(rows):
            connection.execute(
                "INSERT INTO driftline.dead_letter"
                " (topic, partition, kafka_offset, run_id, reason, detail, event_time, key, raw)"
                " VALUES ('trips', 0, %s, %s, %s, %s, %s, %s, %s)",
                (offset, run, reason, NASTY, at and moment(at), key and key.encode(), raw),
            )
    response = board.get("/api/dead-letters", run="r")
    found = response.json()
    assert response.headers["content-type"].startswith("application/json")
    assert {(r["reason"], r["no_run"], r["total"], sum(r["n"])) for r in found["reasons"]} == {
        ("late", False, 2, 2),
        ("invalid", False, 1, 1),
        ("invalid", True, 1, 1),
        ("undecodable", True, 1, 1),
    }, "what the run counts stands apart from what no run counts"
    newest = {letter["offset"]: letter for letter in found["newest"]}
    assert (newest[2]["raw"], newest[2]["detail"], newest[2]["truncated"]) == (NASTY, NASTY, False)
    assert (len(newest[1]["raw"]), newest[1]["truncated"]) == (2_000, True)
    assert newest[3]["raw"] == "\N{REPLACEMENT CHARACTER}\N{SYMBOL FOR NULL}\N{REPLACEMENT CHARACTER}"
    assert newest[0]["event_time"] == T0


def test_a_run_without_dead_letters_has_none(filled: Served) -> None:
    found = filled.json("/api/dead-letters", run="made-up")
    assert (found["reasons"], found["newest"]) == ([], [])


def test_a_year_is_one_answer(board: Served, prepared: str) -> None:
    with psycopg.connect(prepared, autocommit=True) as connection:
        seed(connection, "year", windows=8_760, metrics=["drift"])
    found = board.json("/api/board", run="year", size="1h")
    assert severities(found).shape == (len(NAMES), 8_760)
    assert np.isfinite(severities(found)).all()
