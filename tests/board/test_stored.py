"""Whatever anybody who may write to the topic has had stored, the board shows the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from benchmarks.board import seed
from board.database import CONNECTIONS, SQL, stored_json
from board.runs import period
from schemas.records import MAX_TIME
from tests.board.conftest import Served
from tests.fleet import PATIENCE_S, eventually

pytestmark = pytest.mark.integration

HUGE = 10**30
STRANGE = [
    f'{{"period": [0, {HUGE}]}}',
    f'{{"period": [{-HUGE}, 1e400]}}',
    '{"period": [0, 99999999999999999999]}',
    '{"period": "always"}',
    '{"period": {"from": 0}}',
    '{"period": [1, 2, 3]}',
    '{"period": [2, 1]}',
    '{"period": [null, null]}',
    '{"period": [1.5, 2.5]}',
    f'{{"period": {"[" * 3_000}{"]" * 3_000}}}',
    f'{{"scenario": {{"deep": [{HUGE}]}}, "period": true}}',
    f'{{"scenario": "{"x" * 100_000}"}}',
    "[]",
    '"text"',
    "17",
    "null",
]
ADD = """
INSERT INTO driftline.run
(run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, source, manifest, started_at)
VALUES (%s, 300000, 600000, 7200000, 86400000, %s, %s, now() + interval '1 hour')
"""


@pytest.fixture(scope="module")
def stored(calm: tuple[Served, str]) -> Iterator[tuple[Served, psycopg.Connection[Any]]]:
    """A run of use, with windows that were tested, which is older than all that a test adds."""
    board, database = calm
    with psycopg.connect(database, autocommit=True) as connection:
        seed(connection, "of-use", windows=3, metrics=["drift"])
        yield board, connection


@pytest.fixture
def add(stored: tuple[Served, psycopg.Connection[Any]]) -> Iterator[Callable[..., None]]:
    _, connection = stored

    def put(name: str, source: str = "here", manifest: str = "{}") -> None:
        connection.execute(ADD, (name, source, manifest))

    yield put
    connection.execute("DELETE FROM driftline.window_result WHERE run_id <> 'of-use'")
    connection.execute("DELETE FROM driftline.run WHERE run_id <> 'of-use'")


@pytest.mark.parametrize("manifest", STRANGE, ids=range(len(STRANGE)))
def test_a_board_is_drawn_whatever_the_manifest_says(
    stored: tuple[Served, Any], add: Callable[..., None], manifest: str
) -> None:
    board, _ = stored
    add("strange", manifest=manifest)
    found = board.json("/api/board", run="strange")
    assert found["period"] is None
    assert board.json("/api/board")["run"] == "of-use"
    assert {run["run"] for run in board.json("/api/runs")["runs"]} == {"of-use", "strange"}
    with board.client.stream("GET", "/api/events", params={"run": "strange"}) as events:
        assert "event: status" in next(line for line in events.iter_lines() if line.startswith("event: "))


def test_no_name_of_a_source_or_scenario_fills_the_page(
    stored: tuple[Served, Any], add: Callable[..., None]
) -> None:
    board, _ = stored
    add("long", source="x" * 900_000, manifest=f'{{"scenario": "{"y" * 900_000}"}}')
    for path in ("/api/runs", "/api/board?run=long"):
        assert len(board.get(path).content) < 20_000


def test_a_name_with_control_characters_is_neither_listed_nor_chosen(
    stored: tuple[Served, Any], add: Callable[..., None]
) -> None:
    board, connection = stored
    add("evil\n")
    seed_of = (
        "INSERT INTO driftline.window_result SELECT (jsonb_populate_record(w, %s)).* FROM driftline.window_result w"
    )
    connection.execute(seed_of, ('{"run_id": "evil\\n"}',))
    assert board.json("/api/board")["run"] == "of-use"
    assert [run["run"] for run in board.json("/api/runs")["runs"]] == ["of-use"]


def test_ten_thousand_names_push_no_run_of_use_off_the_page(
    stored: tuple[Served, Any], add: Callable[..., None]
) -> None:
    board, connection = stored
    connection.execute(
        ADD.replace("VALUES (%s,", "SELECT 'name-' || n,").replace(
            "hour')", "hour' FROM generate_series(1, 10000) n"
        ),
        ("", "{}"),
    )
    add("almost")
    one = "SELECT (jsonb_populate_record(w, %s)).* FROM driftline.window_result w WHERE stream = 'events' LIMIT 1"
    few = '{"run_id": "almost", "columns_tested": 0, "status": "insufficient"}'
    connection.execute(f"INSERT INTO driftline.window_result {one}", (few,))
    assert board.json("/api/board")["run"] == "of-use"
    found = board.json("/api/runs")
    assert [run["run"] for run in found["runs"]][:2] == ["of-use", "almost"]
    assert (len(found["runs"]), found["total"]) == (200, 10_002)
    assert [run["run"] for run in board.json("/api/runs", find="NAME-9876")["runs"]] == ["name-9876"]
    assert board.json("/api/runs", find="name-987")["total"] == 11
    assert (
        board.json("/api/runs", find="100%")["total"] == 0
        if board.get("/api/runs", find="100%").is_success
        else True
    )


@pytest.mark.parametrize("find", ["a b", "'; DROP TABLE driftline.run --", "x" * 129, "\n", "%"])
def test_what_is_in_no_name_is_not_searched_for(stored: tuple[Served, Any], find: str) -> None:
    assert stored[0].get("/api/runs", find=find).status_code == 400


def test_where_there_is_no_such_run_those_that_are_there_are_named(stored: tuple[Served, Any]) -> None:
    found = stored[0].get("/api/board", run="other")
    assert found.status_code == 404
    assert "other" in found.json()["error"]
    assert "of-use" in found.json()["do"]


def test_a_period_is_two_moments_one_after_the_other() -> None:
    assert period([0, 1]) == [0, 1]
    assert period([0, MAX_TIME - 1]) == [0, MAX_TIME - 1]
    for wrong in ([1, 1], [0, MAX_TIME], [-1, 1], [True, 2], (0, 1), None):
        assert period(wrong) is None


def test_stored_json_is_what_a_browser_may_be_sent() -> None:
    assert stored_json(b'{"a": [1, 2.5, "x", null]}') == {"a": [1, 2.5, "x", None]}
    assert stored_json(f'{{"a": {HUGE}, "b": {-(2**62)}}}') == {"a": None, "b": None}
    assert stored_json("[" * 100_000) is None
    assert stored_json("9" * 10_000) is None


def test_more_event_streams_than_places_say_so_and_health_stays_good(
    prepared: str, serve: Callable[..., Served]
) -> None:
    board = serve(prepared, clients=8)
    with psycopg.connect(prepared, autocommit=True) as connection:
        seed(connection, "r", windows=3, metrics=["drift"])
    with ExitStack() as stack:
        answers = [stack.enter_context(board.client.stream("GET", "/api/events?run=r")) for _ in range(40)]
        statuses = [found.status_code for found in answers]
        assert sorted(statuses) == [200] * 8 + [503] * 32
        refused = answers[statuses.index(503)]
        assert "8 pages are open" in refused.read().decode()
        for path in ("/healthz", "/api/board", "/"):
            assert board.get(path).status_code == 200


def test_a_full_pool_is_not_taken_for_a_postgres_that_does_not_answer(
    prepared: str, serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("board.database.PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr("board.app.HEALTH_S", 0.1)
    monkeypatch.setitem(SQL, "begin", SQL["begin"].replace("15s", "10min"))  # those that wait are not cancelled
    board = serve(prepared)
    with ThreadPoolExecutor(CONNECTIONS) as asking, psycopg.connect(prepared) as holder:
        holder.execute("LOCK TABLE driftline.run IN ACCESS EXCLUSIVE MODE")
        for _ in range(CONNECTIONS):
            asking.submit(board.get, "/api/board")
        eventually(lambda: board.board.database._used == CONNECTIONS, lambda: "the pool is not full")
        monkeypatch.setattr("board.database.PATIENCE_S", 0.1)
        found = board.get("/api/runs")
        assert found.status_code == 503
        assert "in use" in found.json()["error"]
        health = board.get("/healthz")
        assert health.status_code == 200, health.text
