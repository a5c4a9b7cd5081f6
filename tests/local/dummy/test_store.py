"""A dummy run in a real database: everything is filled, nothing of anybody else's is touched."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import tuple_row

from local.dummy import run as stage
from local.dummy import store
from local.dummy.plan import HOUR, DummyPlan
from local.dummy.store import advance, replace
from runtime.connections import Addresses
from schemas.errors import DriftlineError, RunConflict
from schemas.streams.taxi import TAXI
from schemas.watermark import END
from storage import roles
from storage.alarm_changes import unpublished
from storage.alarms import to_fold
from storage.connect import connect
from storage.snapshot import Snapshot
from tests.databases import fresh_database
from tests.fleet import eventually

pytestmark = pytest.mark.integration

NOW = 1_789_000_000_000
PLAN = DummyPlan("dummy", NOW, days=4)
FILLED = (
    *("window_result", "column_metric", "run", "run_progress", "dead_letter", "alarm", "event", "health_sample"),
    *("watch", "calibration", "evidence", "alarm_change"),
)
HOURS = 24
"""That a live run goes on: into its drift."""
NEVER = {
    ("partition_progress", "topic_id"),
    ("run", "reference"),
    ("run_progress", "candidate_ms"),
    ("dead_letter", "headers"),
    ("alarm", "segment"),
    ("column_metric", "segment"),
    ("window_result", "segment"),
    *(("alarm", name) for name in ("size_s", "ongoing_since", "recovered_at", "withdrawn_at", "unestimated")),
    ("calibration", "refused"),
    ("calibration", "segments"),
}


def connected(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True, row_factory=tuple_row)


def rows(connection: psycopg.Connection[Any], table: str, *clocks: str) -> list[Any]:
    query = f"SELECT to_jsonb(t) - %s::text[] FROM driftline.{table} t"
    return sorted(json.dumps(row, sort_keys=True) for (row,) in connection.execute(query, (list(clocks),)))


def everything(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    clocks = ("moved_at", "updated_at", "created_at", "published_at", "change_id")
    found = {table: rows(connection, table, *clocks) for table in (*FILLED, "health", "frontier")}
    return found | {"samples": found.pop("health_sample")}


@pytest.fixture(scope="module")
def written(stack: Addresses) -> Iterator[psycopg.Connection[Any]]:
    """A database that holds the run; whoever asks for it leaves the same rows behind."""
    with fresh_database(stack.database_url) as url, connected(url) as connection:
        replace(connection, PLAN)
        yield connection


def test_every_column_that_the_stages_fill_is_filled(written: psycopg.Connection[Any]) -> None:
    for table in FILLED:
        names = written.execute(f"SELECT * FROM driftline.{table} LIMIT 0").description or ()
        for name in (column.name for column in names):
            if (table, name) not in NEVER:
                query = f"SELECT count({name}) FROM driftline.{table}"
                assert written.execute(query).fetchone() != (0,), (table, name)


def test_a_window_has_both_clocks_and_the_wall_is_the_last_quarter_of_an_hour(
    written: psycopg.Connection[Any],
) -> None:
    query = """SELECT count(*), bool_and(closed_at > %(now)s - interval '15 minutes' AND written_at > closed_at),
                      max(closed_at) <= %(now)s, min(window_start) < %(now)s - interval '3 days'
               FROM driftline.window_result WHERE status <> 'open'"""
    row = written.execute(query, {"now": stage.moment(NOW)}).fetchone()
    assert row is not None
    assert row[0] > 100
    assert row[1:] == (True, True, True)


def test_called_again_it_writes_the_same_rows(written: psycopg.Connection[Any]) -> None:
    before = everything(written)
    replace(written, PLAN)
    assert everything(written) == before
    assert all(before.values())


def test_what_was_sent_is_what_was_accepted_refused_and_lost(written: psycopg.Connection[Any]) -> None:
    query = """SELECT bool_and(last_seq + 1 = accepted + late + future + invalid + missing),
                      sum(late + future + invalid),
                      sum(accepted) FILTER (WHERE topic = 'trips') FROM driftline.run_progress"""
    dead = written.execute("SELECT count(*) FROM driftline.dead_letter").fetchone()
    hours = written.execute(
        "SELECT sum(rows) FROM driftline.window_result WHERE stream = 'events' AND size_s = 3600"
    ).fetchone()
    assert dead
    assert hours
    assert written.execute(query).fetchone() == (True, dead[0], hours[0])


@pytest.mark.parametrize(
    "trace",
    [
        "INSERT INTO driftline.run (run_id, source, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms)"
        " VALUES ('dummy', 'TLC', 1, 1, 1, 1)",
        "INSERT INTO driftline.run (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms)"
        " VALUES ('dummy', 1, 1, 1, 1)",
        "INSERT INTO driftline.run_progress (run_id, topic, partition, first_offset)"
        " VALUES ('dummy', 'trips', 0, 0)",
    ],
    ids=["run", "run without a source", "progress"],
)
def test_a_run_of_a_stream_is_never_touched(database: str, trace: str) -> None:
    with connected(database) as connection:
        connection.execute(trace)
        before = {table: rows(connection, table) for table in FILLED}
        with pytest.raises(RunConflict, match=r"run dummy is no dummy: choose another name"):
            replace(connection, PLAN)
        assert {table: rows(connection, table) for table in FILLED} == before


def test_other_runs_stay_as_they_are(database: str) -> None:
    with connected(database) as connection:
        replace(connection, DummyPlan("other", NOW, days=1))
        query = "SELECT count(*) FROM driftline.{} WHERE run_id = 'other'"
        before = [connection.execute(query.format(table)).fetchone() for table in FILLED]
        replace(connection, PLAN)
        replace(connection, PLAN)
        assert [connection.execute(query.format(table)).fetchone() for table in FILLED] == before


def test_no_monitor_takes_it_for_its_own(written: psycopg.Connection[Any]) -> None:
    found = written.execute("SELECT DISTINCT next_start_ms, count(*) FROM driftline.frontier GROUP BY 1")
    assert found.fetchall() == [(END, 6)]
    with connect(written.info.dsn + " password=" + written.info.password) as reader:
        assert Snapshot(reader).runs(PLAN.sizes, TAXI, folds=True) == []
        assert to_fold(reader, ["dummy"]) == set()
        assert unpublished(reader) == 0


def test_half_of_it_is_never_seen(written: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(written)
    monkeypatch.setitem(store.SQL, "written_since", "SELECT 1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        replace(written, DummyPlan("dummy", NOW, days=2))
    assert everything(written) == before


def test_a_live_one_goes_on_and_tells_it(database: str) -> None:
    plan = DummyPlan("dummy", NOW, days=2, live=True)
    with connected(database) as connection, connected(database) as listener:
        replace(connection, plan)
        listener.execute("LISTEN driftline_window")
        newest = """SELECT max(window_start), count(*) FROM driftline.window_result
                    WHERE stream = 'events' AND size_s = 3600"""
        before = connection.execute(newest).fetchone()
        closed = [
            advance(connection, plan, NOW + i * HOUR, NOW + (i + 1) * HOUR, NOW + i * 1_000) for i in range(HOURS)
        ]
        after = connection.execute(newest).fetchone()
        notices = [json.loads(note.payload) for note in listener.notifies(timeout=0)]
        newest_folded = connection.execute("SELECT max(window_start) FROM driftline.evidence").fetchone()
        alarms = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE state IS NULL) FROM driftline.alarm"
            " WHERE state IS DISTINCT FROM 'pending'"
        ).fetchone()
    assert newest_folded == (stage.moment((NOW + (HOURS - 1) * HOUR) // HOUR * HOUR),)
    assert alarms == (2, 1)
    assert before
    assert after
    assert after[1] == before[1] + HOURS
    assert (after[0] - before[0]).total_seconds() == HOURS * 3_600
    assert sum(closed) >= 2 * HOURS
    assert {note["status"] for note in notices} >= {"open", "final"}
    assert {(note["stream"], note["size_s"]) for note in notices} == {
        (s, z) for s in ("events", "labels") for z in (3_600, 21_600, 86_400)
    }


def test_a_live_one_ends_when_told_to(database: str) -> None:
    stop, messages = threading.Event(), list[str]()
    plan = DummyPlan("dummy", round(time.time() * 1_000), days=2, live=True)
    thread = threading.Thread(
        target=stage.write, args=(database, plan, stop, messages.append), kwargs={"pause": 0.01}
    )
    thread.start()
    with connected(database) as connection:
        query = "SELECT count(*) FROM driftline.window_result WHERE window_end > now() + interval '5 hours'"
        eventually(lambda: connection.execute(query).fetchone() > (0,), lambda: "nothing is added")  # type: ignore[operator]
        assert any("?run=dummy" in text for text in messages), "where to look, while it moves"
        over = "SELECT finished_at IS NOT NULL FROM driftline.run"
        assert connection.execute(over).fetchone() == (False,)
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
        assert connection.execute(over).fetchone() == (True,)
    assert any("windows" in text for text in messages)


def test_a_live_one_gives_way_to_a_run_of_its_name(database: str) -> None:
    with connected(database) as connection:
        replace(connection, PLAN)
        connection.execute("UPDATE driftline.run SET source = 'TLC'")
        with pytest.raises(RunConflict, match="run dummy is no dummy"):
            advance(connection, PLAN, NOW, NOW + HOUR, NOW)


def test_a_wrong_database_is_said_in_one_line(database: str) -> None:
    def write(url: str) -> None:
        stage.write(url, PLAN, threading.Event(), print)

    with psycopg.connect(database, autocommit=True) as admin:
        roles.grant(admin, {roles.READER: "reader0"})
    parts = urlsplit(database)
    reader = parts._replace(netloc=f"{roles.READER}:reader0@{parts.hostname}:{parts.port}").geturl()
    nobody = parts._replace(netloc=f"nobody:x@{parts.hostname}:{parts.port}").geturl()
    nowhere = parts._replace(netloc="x:x@127.0.0.1:1").geturl()
    for url, what in (
        (reader, "may not write"),
        (nobody, "refused"),
        (nowhere, "did not answer"),
        ("x", "no libpq"),
    ):
        with pytest.raises(DriftlineError, match=what) as caught:
            write(url)
        assert "reader0" not in str(caught.value)
        assert caught.value.do
