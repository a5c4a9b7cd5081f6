"""What may replace a result, and what may not, on a real Postgres."""

from __future__ import annotations

import json
from typing import Any

import pytest
from psycopg.errors import LockNotAvailable

from monitor.scheduling.planning import read_progress
from monitor.scheduling.readiness import Patience
from schemas.durations import moment
from schemas.figures import ColumnFigure, WindowFigures
from schemas.status import WindowStatus
from schemas.streams.taxi import TAXI, TRIPS
from storage.connect import connect
from storage.results import ResultStore, open_store
from storage.snapshot import snapshot_of
from storage.windows import Receipt, RowCounts, WindowKey, WindowResult
from tests.consumer.helpers import query
from tests.databases import limit_sleep
from tests.monitor.feed import HOUR, T0, Feed, results, until

pytestmark = pytest.mark.integration

WINDOW = WindowKey("r", TRIPS, HOUR, T0)


def result(status: WindowStatus, rows: int, joined: int = 0, **more: object) -> WindowResult:
    columns = (ColumnFigure("fare_amount", "drift", "wasserstein", float(rows), 0.1, 2.0, "drift"),)
    figures = WindowFigures(columns=columns, columns_tested=1, prediction_drift=float(rows), sampled=rows)
    changes = {"offsets": {"0": (5, 7)}, "closed_at": None if status == "open" else T0, "figures": figures} | more
    return WindowResult(status=status, counts=RowCounts(rows, joined), **changes)  # type: ignore[arg-type]


def publish(store: ResultStore, written: WindowResult) -> Receipt | None:
    with store.claim(WINDOW) as claim:
        assert claim is not None
        return claim.publish(written)


def revisions(store: ResultStore, *history: WindowResult) -> list[int | None]:
    receipts = [publish(store, written) for written in history]
    return [None if receipt is None else receipt.revision for receipt in receipts]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([("open", 3), ("open", 3)], [0, None], id="nothing new"),
        pytest.param([("open", 3), ("open", 4), ("final", 5)], [0, 0, 0], id="filling is no revision"),
        pytest.param([("provisional", 3), ("final", 3)], [0, 0], id="becoming final is no revision"),
        pytest.param([("provisional", 3), ("provisional", 4), ("final", 5)], [0, 1, 2], id="closed and changed"),
        pytest.param([("provisional", 3), ("open", 4)], [0, None], id="never open again"),
        pytest.param([("final", 3), ("provisional", 4)], [0, None], id="never provisional again"),
        pytest.param([("insufficient", 3), ("provisional", 4)], [0, None], id="insufficient is final"),
        pytest.param([("final", 3), ("final", 4)], [0, 1], id="rows that could not be"),
        pytest.param([("provisional", 3), ("final", 2)], [0, None], id="never fewer rows"),
        pytest.param([("final", 3), ("insufficient", 3), ("final", 3)], [0, None, None], id="same rank, same rows"),
    ],
)
def test_a_result_is_replaced_only_by_one_that_says_more(
    store: ResultStore, history: list[tuple[WindowStatus, int]], expected: list[int | None]
) -> None:
    assert revisions(store, *(result(*step) for step in history)) == expected


def test_a_result_depends_on_the_rows_it_was_joined_with_too(store: ResultStore) -> None:
    history = [
        result("provisional", 3, 7),
        result("provisional", 3, 8),
        result("final", 4, 7),
        result("final", 3, 8),
    ]
    assert revisions(store, *history) == [0, 1, None, 1]


def test_a_result_that_is_refused_leaves_its_columns_alone(feed: Feed, store: ResultStore) -> None:
    publish(store, result("final", 3))
    before = results(feed.connection, more=", written_at")
    publish(store, result("provisional", 9))
    assert results(feed.connection, more=", written_at") == before


def test_nothing_is_written_of_a_run_that_was_removed_while_its_window_was_computed(
    feed: Feed, store: ResultStore
) -> None:
    with store.claim(WINDOW) as claim:
        assert claim is not None
        feed.connection.execute("DELETE FROM driftline.run")
        assert claim.publish(result("final", 3)) is None
    store.advance("r", "events", HOUR, T0)
    assert results(feed.connection) == []
    assert feed.connection.execute("SELECT FROM driftline.frontier").fetchall() == []


def test_a_run_is_not_removed_between_the_writing_of_a_window_and_its_commit(
    feed: Feed, store: ResultStore
) -> None:
    with store.claim(WINDOW) as claim:
        assert claim is not None
        assert claim.publish(result("final", 3)) is not None
        with pytest.raises(LockNotAvailable):
            feed.connection.execute("SELECT FROM driftline.run FOR UPDATE NOWAIT")


def test_the_moment_of_closing_stays_and_the_moment_of_writing_moves(feed: Feed, store: ResultStore) -> None:
    clocks = "SELECT closed_at, written_at FROM driftline.window_result"
    publish(store, result("open", 1))
    publish(store, result("provisional", 1, closed_at=T0 + 1))
    first = feed.connection.execute(clocks).fetchone()
    publish(store, result("final", 2, closed_at=T0 + 2))
    second = feed.connection.execute(clocks).fetchone()
    assert first is not None
    assert second is not None
    assert first[0] == second[0] == moment(T0 + 1)
    assert first[1] < second[1]


def test_the_latency_is_from_closing_to_writing(store: ResultStore) -> None:
    receipt = publish(store, result("final", 1, closed_at=T0))
    assert receipt is not None
    assert receipt.latency is not None
    assert receipt.latency > 1_000 * HOUR  # it closed in 2022
    assert publish(store, result("open", 1)) is None


def test_what_moved_before_the_clock_was_set_back_moved_now(feed: Feed, store: ResultStore) -> None:
    feed.flush(TRIPS, 0, [T0])
    feed.connection.execute("UPDATE driftline.run_progress SET moved_at = now() + interval '2 days'")
    with store.snapshot() as snapshot:
        run = snapshot.run("r", TAXI)
        assert run is not None
        progress = read_progress(snapshot, run, Patience(10_000, 10_000))
    assert progress.moved_at["events"] <= progress.now


@pytest.mark.parametrize(
    "unknown",
    [{"closed_at": T0 + 70 * 365 * 24 * HOUR}, {"timed": False}],
    ids=["set back", "set by an unknown time"],
)
def test_a_latency_is_never_measured_across_a_clock_that_was_set(
    feed: Feed, store: ResultStore, unknown: dict[str, Any]
) -> None:
    first = publish(store, result("provisional", 1, **unknown))
    again = publish(store, result("final", 2))
    assert first is not None
    assert again is not None
    assert (first.latency, again.latency) == (None, None)
    assert feed.connection.execute("SELECT latency_ms FROM driftline.window_result").fetchone() == (None,)


def test_the_latency_of_the_first_closing_stays(feed: Feed, store: ResultStore) -> None:
    latency = "SELECT latency_ms FROM driftline.window_result"
    publish(store, result("open", 1))
    assert feed.connection.execute(latency).fetchone() == (None,)
    publish(store, result("provisional", 1, closed_at=T0))
    first = feed.connection.execute(latency).fetchone()
    publish(store, result("final", 2, closed_at=T0 + HOUR))
    assert first != (None,)
    assert feed.connection.execute(latency).fetchone() == first


def test_who_shows_windows_hears_of_each_that_is_written(feed: Feed, store: ResultStore) -> None:
    feed.connection.execute("LISTEN driftline_window")
    publish(store, result("open", 1))
    publish(store, result("final", 1))
    publish(store, result("open", 1))  # says nothing new
    notices = [json.loads(note.payload) for note in feed.connection.notifies(timeout=60, stop_after=2)]
    where = {"run": "r", "stream": "events", "size_s": HOUR // 1_000, "start": T0}
    assert notices == [where | {"status": "open"}, where | {"status": "final"}]
    assert not [*feed.connection.notifies(timeout=0)]


def test_what_fails_inside_a_claim_is_not_written(feed: Feed, store: ResultStore) -> None:
    def fail() -> None:
        with store.claim(WINDOW) as claim:
            assert claim is not None
            claim.publish(result("final", 3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert results(feed.connection) == []
    assert publish(store, result("final", 3)) is not None


def test_a_reason_that_quotes_a_record_can_be_written(feed: Feed, store: ResultStore) -> None:
    """As an exception may that came of a category with NUL in it."""
    columns = (ColumnFigure("flag", "drift", status="failed", reason="KeyError: 'a\x00\x1b[31m'"),)
    assert publish(store, result("final", 3, figures=WindowFigures(columns=columns)))
    written = feed.connection.execute("SELECT reason FROM driftline.column_metric").fetchall()
    assert written == [("KeyError: 'a\\x00\\x1b[31m'",)]


def test_a_window_is_with_one_monitor_at_a_time(feed: Feed, store: ResultStore) -> None:
    with open_store(feed.url) as other:
        with store.claim(WINDOW) as mine:
            assert mine is not None
            with other.claim(WINDOW) as theirs:
                assert theirs is None
            with other.claim(WindowKey("r", TRIPS, 6 * HOUR, T0)) as elsewhere:
                assert elsewhere is not None
        with other.claim(WINDOW) as theirs:
            assert theirs is not None


def test_a_snapshot_does_not_see_what_comes_after_it(feed: Feed, store: ResultStore) -> None:
    feed.flush(TRIPS, 0, [T0])
    with store.snapshot() as snapshot:
        assert len(snapshot.index(WINDOW)) == 1
        feed.flush(TRIPS, 0, [T0 + 1])
        assert len(snapshot.index(WINDOW)) == 1
    with store.snapshot() as snapshot:
        assert len(snapshot.index(WINDOW)) == 2


def test_the_frontier_never_moves_back_by_advancing(store: ResultStore) -> None:
    for at in (5, 9, 7):
        store.advance("r", "events", HOUR, at)
    with store.snapshot() as snapshot:
        assert snapshot.frontiers(["r", "s"]) == {"r": {("events", HOUR): 9}}
    store.set_back("r", "events", HOUR, 4)
    with store.snapshot() as snapshot:
        assert snapshot.frontiers(["r"]) == {"r": {("events", HOUR): 4}}


def test_waiting_ends_when_a_run_moves_and_names_all_that_did(feed: Feed, store: ResultStore) -> None:
    assert store.wait(0.01) == set()
    for run in ("a", "b", "a"):
        feed.connection.execute("SELECT pg_notify('driftline_progress', %s)", (run,))
    seen: set[str] = set()

    def notices() -> bool:
        seen.update(store.wait(0.1))
        return seen == {"a", "b"}

    until(notices)


def test_health_is_one_row_for_each_monitor(feed: Feed, store: ResultStore) -> None:
    for pending in (1, 2):
        store.report_health("here:1", None, {"pending": pending})
    feed.connection.execute(
        "INSERT INTO driftline.health (stage, instance, at, measures) VALUES"
        " ('monitor', 'gone', now() - interval '2 days', '{}'),"
        " ('consumer', 'old', now() - interval '2 days', '{}')"
    )
    store.forget_health()
    found = feed.connection.execute("SELECT instance, measures FROM driftline.health ORDER BY 1").fetchall()
    assert found == [("here:1", {"pending": 2}), ("old", {})]


def test_health_of_a_day_is_kept(feed: Feed, store: ResultStore) -> None:
    old = "INSERT INTO driftline.health_sample SELECT now() - interval '25 hours', 'monitor', 'here:1', NULL, '{}'"
    feed.connection.execute(old)
    for pending in (1, 2):
        store.report_health("here:1", "r", {"pending": pending})
    found = feed.connection.execute("SELECT run_id, measures FROM driftline.health_sample ORDER BY at").fetchall()
    assert found == [("r", {"pending": 1}), ("r", {"pending": 2})]


def test_a_command_may_compute_for_longer_than_postgres_lets_a_transaction_idle(database: str) -> None:
    limit_sleep(database)
    with connect(database) as connection, snapshot_of(connection) as snapshot:
        query(database, "SELECT pg_sleep(1.5)")
        assert snapshot.run("nobody", TAXI) is None
