"""Windows from chunks to rows, on a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier
from urllib.parse import urlsplit

import msgspec
import pytest
from psycopg import Connection
from psycopg.errors import DataCorrupted
from pyarrow import Table
from structlog.testing import capture_logs

from models.lookup import MANUFACTURED
from monitor.gauges import MonitorGauges
from monitor.scheduling.scheduler import Scheduler
from schemas.definition import Records, Stream
from schemas.durations import moment
from schemas.errors import DatabaseUnreachable, ModelMissing, ModelUnusable, UsageError
from schemas.figures import WindowFigures
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from schemas.watermark import END
from storage.connect import connect
from storage.listings import MonitorRow, monitors
from storage.panes import LoadedRows
from tests.fleet import PATIENCE_S
from tests.monitor.feed import (
    DAY,
    FORGET_RESULTS,
    HOUR,
    LATENESS,
    MINUTE,
    MODEL,
    SCORED,
    T0,
    Feed,
    Running,
    StubEngine,
    fill,
    monitor,
    results,
    settings,
    status_of,
    until,
)

pytestmark = pytest.mark.integration


def test_a_finished_run_has_a_final_row_for_every_window_that_has_rows(feed: Feed) -> None:
    fill(feed, 30)
    feed.finish()
    monitor(feed.url, sizes=(HOUR, 6 * HOUR, DAY))
    rows = feed.connection.execute(
        "SELECT stream, size_s, count(*), sum(rows), min(status), max(status), max(revision)"
        " FROM driftline.window_result GROUP BY 1, 2 ORDER BY stream = 'events' DESC, 2"
    ).fetchall()
    one = [(3600, 30), (21600, 5), (86400, 2)]
    assert rows == [(s, size, n, 360, "final", "final", 0) for s in ("events", "labels") for size, n in one]


def test_rows_carry_their_offsets_and_those_of_the_trips_they_were_joined_with(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + 1])
    feed.flush(TRIPS, 1, [T0, T0 + 2, T0 + HOUR])
    feed.flush(OUTCOMES, 1, [T0])
    feed.finish()
    monitor(feed.url)
    found = feed.connection.execute(
        "SELECT stream, rows, offsets, joined_rows, joined_offsets"
        " FROM driftline.window_result ORDER BY stream = 'events', window_start"
    ).fetchall()
    assert found == [
        ("labels", 1, {"1": [0, 0]}, 4, {"0": [0, 1], "1": [0, 1]}),
        ("events", 4, {"0": [0, 1], "1": [0, 1]}, 0, {}),
        ("events", 1, {"1": [2, 2]}, 0, {}),
    ]


def test_a_window_is_final_at_the_exact_watermark_and_not_one_millisecond_before(feed: Feed) -> None:
    closes = T0 + HOUR + LATENESS["trips"]
    feed.flush(TRIPS, 0, [T0, T0 + 1])
    feed.mark(closes - 1)
    with Running(settings(feed.url), StubEngine()):
        until(lambda: status_of(feed.connection, T0) == ("open", 2, 0))
        feed.flush(TRIPS, 0, mark=closes)
        feed.flush(TRIPS, 1, mark=closes - 1)
        feed.flush(TRIPS, 0, [T0 + 2])  # shown while open: proof that the monitor has seen the marks
        until(lambda: status_of(feed.connection, T0) == ("open", 3, 0))
        feed.flush(TRIPS, 1, mark=closes)
        until(lambda: status_of(feed.connection, T0) == ("final", 3, 0))


def test_an_outcomes_window_waits_for_the_trips_it_is_joined_with(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0])
    feed.flush(OUTCOMES, 0, [T0, T0 + 1])
    feed.mark(T0 + 9 * HOUR, [OUTCOMES])
    with Running(settings(feed.url), StubEngine()):
        until(lambda: status_of(feed.connection, T0, OUTCOMES) == ("open", 2, 0))
        feed.mark(T0 + 9 * HOUR, [TRIPS])
        until(lambda: status_of(feed.connection, T0, OUTCOMES) == ("final", 2, 0))


def test_an_open_window_is_published_while_it_fills(feed: Feed) -> None:
    with Running(settings(feed.url, until_done=None), StubEngine()):
        feed.flush(TRIPS, 0, [T0])
        for rows in (2, 3, 4):
            feed.flush(TRIPS, 0, [T0 + rows])
            until(lambda n=rows: status_of(feed.connection, T0) == ("open", n, 0))
    opened = feed.connection.execute("SELECT closed_at FROM driftline.window_result").fetchall()
    assert opened == [(None,)]


def test_old_rows_after_idleness_give_exactly_one_revision(feed: Feed) -> None:
    feed.flush(TRIPS, 1, [T0])
    feed.flush(TRIPS, 0, [T0 + 1])
    feed.flush(TRIPS, 0, mark=T0 + 2 * HOUR)
    feed.beat(1, caught_up_s=60)
    with Running(settings(feed.url), StubEngine()):
        until(lambda: status_of(feed.connection, T0) == ("provisional", 2, 0))
        closed_at = feed.connection.execute("SELECT closed_at FROM driftline.window_result").fetchone()
        for late in (2, 3, 4):
            feed.flush(TRIPS, 1, [T0 + late])
        feed.flush(TRIPS, 0, [T0 + 2 * HOUR, T0 + 2 * HOUR + 1])
        until(lambda: status_of(feed.connection, T0 + 2 * HOUR) is not None)
        assert status_of(feed.connection, T0) == ("provisional", 2, 0)
        feed.flush(TRIPS, 1, mark=T0 + 2 * HOUR)
        until(lambda: status_of(feed.connection, T0) == ("final", 5, 1))
    assert closed_at in feed.connection.execute("SELECT closed_at FROM driftline.window_result").fetchall()


def test_a_provisional_window_becomes_final_without_a_revision_when_nothing_came(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0], mark=T0 + 2 * HOUR)
    feed.beat(1, caught_up_s=60)
    with Running(settings(feed.url), StubEngine()):
        until(lambda: status_of(feed.connection, T0) == ("provisional", 1, 0))
        feed.flush(TRIPS, 1, mark=T0 + 2 * HOUR)
        until(lambda: status_of(feed.connection, T0) == ("final", 1, 0))


def test_when_all_are_idle_every_window_closes_provisionally(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + 9 * HOUR])
    feed.beat(0, caught_up_s=60)
    feed.beat(1, caught_up_s=60)
    with Running(settings(feed.url), StubEngine()):
        until(lambda: status_of(feed.connection, T0 + 9 * HOUR) == ("provisional", 1, 0))
        assert status_of(feed.connection, T0) == ("provisional", 1, 0)


def test_a_partition_that_falls_idle_without_a_sound_is_noticed_by_the_clock(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + 1], mark=T0 + 2 * HOUR)
    with Running(settings(feed.url, idle_timeout_s=1.0), StubEngine()):
        until(lambda: status_of(feed.connection, T0) == ("open", 2, 0))
        feed.beat(1, caught_up_s=0)
        until(lambda: status_of(feed.connection, T0) == ("provisional", 2, 0))


def test_a_dead_owner_blocks(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + 1], mark=T0 + 2 * HOUR)
    feed.beat(1, caught_up_s=60, beat_s=60)
    with Running(settings(feed.url), StubEngine()):
        until(lambda: status_of(feed.connection, T0) == ("open", 2, 0))
        feed.flush(TRIPS, 0, [T0 + 2, T0 + 2 * HOUR, T0 + 2 * HOUR + 1])
        until(lambda: status_of(feed.connection, T0 + 2 * HOUR) == ("open", 2, 0))
        until(lambda: status_of(feed.connection, T0) == ("open", 3, 0))


def test_a_closed_window_with_too_few_rows_is_insufficient_and_counts_as_final(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + HOUR, T0 + HOUR + 1])
    feed.finish()
    monitor(feed.url, StubEngine(min_rows=2))
    assert status_of(feed.connection, T0) == ("insufficient", 1, 0)
    assert status_of(feed.connection, T0 + HOUR) == ("final", 2, 0)


def test_results_do_not_depend_on_how_flushes_were_cut(database: str, feed: Feed) -> None:
    times = [T0 + n * 7 * MINUTE for n in range(40)]
    for partition in (0, 1):
        feed.flush(TRIPS, partition, times)
    feed.finish()
    with Feed(database, run="cut") as other:
        for time_ in times:
            for partition in (1, 0):
                other.flush(TRIPS, partition, [time_])
        other.finish()
    monitor(database)
    monitor(database, until_done="cut")
    for figures in (
        "SELECT window_start, rows, prediction_drift, offsets FROM driftline.window_result",
        "SELECT window_start, column_name, value FROM driftline.column_metric",
    ):
        one, cut = (
            feed.connection.execute(f"{figures} WHERE run_id = %s ORDER BY 1, 2", (run,)).fetchall()
            for run in ("r", "cut")
        )
        assert one
        assert one == cut


def test_windows_are_cut_in_utc_wherever_the_database_stands(database: str, feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + DAY - 1, T0 + DAY])
    feed.finish()
    feed.connection.execute(
        "DO $$ BEGIN"
        " EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'Asia/Kolkata'); END $$"
    )
    monitor(database, sizes=(HOUR, DAY))
    found = feed.connection.execute(
        "SELECT window_start, rows FROM driftline.window_result WHERE size_s = 86400 ORDER BY 1"
    ).fetchall()
    assert found == [(moment(T0), 2), (moment(T0 + DAY), 1)]


def test_two_monitors_share_the_work_and_leave_the_same_rows(database: str, feed: Feed) -> None:
    fill(feed, 60)
    feed.finish()
    alone = monitor(database)
    expected = results(feed.connection)
    feed.connection.execute(FORGET_RESULTS)
    engines, both = [StubEngine(), StubEngine()], Barrier(2, timeout=PATIENCE_S / 2)
    for engine in engines:  # each waits in its first window until the other has one too
        engine.break_on = lambda _, own=engine: len(own.computed) == 1 and both.wait() < 0
    running = [Running(settings(database), engine) for engine in engines]
    for one in running:
        one._thread.start()
    for one in running:
        one.join()
    assert results(feed.connection, more="") == expected
    assert sum(len(engine.computed) for engine in engines) == len(alone.computed)
    assert all(engine.computed for engine in engines)


def test_a_window_that_another_session_keeps_for_long_is_complained_of_and_not_well(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.scheduling.scheduler.WITHHELD_S", 0.1)
    monkeypatch.setattr("monitor.gauges.LIMIT_S", 0.2)
    fill(feed, 2)
    feed.finish()
    gauges = MonitorGauges()
    with connect(feed.url) as other, capture_logs() as logs:
        with other.transaction():
            other.execute("SELECT slot FROM driftline.claim FOR UPDATE")
            running = Running(settings(feed.url), StubEngine(), gauges)
            running._thread.start()
            until(lambda: any(entry["event"] == "windows_withheld" for entry in logs))
            until(lambda: gauges.health.report().reason.startswith("windows_withheld"))
        running.join()
    assert [status_of(feed.connection, T0 + n * HOUR) for n in range(2)] == [("final", 12, 0)] * 2


def test_a_window_that_cannot_be_computed_holds_up_nobody_and_says_why(feed: Feed) -> None:
    fill(feed, 4)
    feed.flush(TRIPS, 0, [T0 + 2 * HOUR + 1])
    feed.finish()
    monitor(feed.url, StubEngine(break_on=lambda rows: rows.num_rows == 13), attempts=2)
    assert [status_of(feed.connection, T0 + n * HOUR)[:2] for n in range(4)] == [
        ("final", 12),
        ("final", 12),
        ("final", 13),
        ("final", 12),
    ]
    failed = feed.connection.execute(
        "SELECT DISTINCT window_start, stream, status, reason FROM driftline.column_metric WHERE status <> 'ok'"
    ).fetchall()
    assert failed == [(moment(T0 + 2 * HOUR), "events", "failed", "ZeroDivisionError: broken on purpose")]


def test_a_window_that_fails_once_is_computed_again(feed: Feed) -> None:
    fill(feed, 2)
    feed.finish()
    engine = StubEngine()
    engine.break_on = lambda _: len(engine.computed) == 1
    monitor(feed.url, engine)
    assert [status_of(feed.connection, T0 + n * HOUR) for n in range(2)] == [("final", 12, 0)] * 2
    assert feed.connection.execute("SELECT DISTINCT status FROM driftline.column_metric").fetchall() == [("ok",)]


@pytest.mark.parametrize("damage", ["payload = ''", "payload = substring(payload for 300)", "payload = 'abc'"])
def test_a_damaged_chunk_costs_its_windows_only(feed: Feed, damage: str) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + 1])
    feed.flush(TRIPS, 0, [T0 + HOUR])
    feed.finish()
    feed.connection.execute(f"UPDATE driftline.chunk SET {damage} WHERE first_offset = 0")
    monitor(feed.url, attempts=1)
    assert status_of(feed.connection, T0) == ("final", 2, 0)
    assert status_of(feed.connection, T0 + HOUR) == ("final", 1, 0)
    found = feed.connection.execute(
        "SELECT DISTINCT window_start, status FROM driftline.column_metric ORDER BY 1"
    ).fetchall()
    assert found == [(moment(T0), "failed"), (moment(T0 + HOUR), "ok")]
    offsets = feed.connection.execute(
        "SELECT offsets FROM driftline.window_result ORDER BY window_start"
    ).fetchone()
    assert offsets == ({"0": [0, 1]},)


def test_a_damaged_page_of_postgres_costs_its_windows_only(feed: Feed) -> None:
    def damaged(rows: Table) -> bool:
        if rows.num_rows == 13:
            raise DataCorrupted("missing chunk number 0 for toast value")
        return False

    fill(feed, 3)
    feed.flush(TRIPS, 0, [T0 + HOUR + 1])
    feed.finish()
    monitor(feed.url, StubEngine(break_on=damaged), attempts=1)
    assert [status_of(feed.connection, T0 + n * HOUR)[0] for n in range(3)] == ["final"] * 3
    failed = feed.connection.execute(
        "SELECT DISTINCT window_start, stream, reason FROM driftline.column_metric WHERE status = 'failed'"
    ).fetchall()
    assert failed == [(moment(T0 + HOUR), "events", "DataCorrupted: missing chunk number 0 for toast value")]


def test_a_missing_chunk_is_told_from_an_empty_window(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0])
    feed.finish()
    feed.connection.execute("DELETE FROM driftline.chunk")
    monitor(feed.url, attempts=1)
    reason = feed.connection.execute("SELECT DISTINCT reason FROM driftline.column_metric").fetchall()
    assert reason == [("ValueError: chunk trips/0@0 lacks rows of its panes",)]


def test_the_frontier_follows_what_is_final_and_ends_with_the_run(feed: Feed) -> None:
    fill(feed, 5)
    feed.mark(T0 + 3 * HOUR + LATENESS["trips"])

    def frontiers() -> dict[str, int]:
        return dict(feed.connection.execute("SELECT stream, next_start_ms FROM driftline.frontier").fetchall())

    with Running(settings(feed.url), StubEngine()) as running:
        until(lambda: frontiers().get("events") == T0 + 4 * HOUR)  # the fifth hour's rows lead to 04:55 - 10 min
        feed.finish()
        until(lambda: frontiers() == {"events": END, "labels": END})
        running.join()


def test_rows_behind_the_frontier_are_found_when_the_run_is_over(feed: Feed) -> None:
    fill(feed, 3)
    feed.mark(T0 + 2 * HOUR + LATENESS["trips"])
    with Running(settings(feed.url), StubEngine()) as running:
        passed = "SELECT 1 FROM driftline.frontier WHERE stream = 'events' AND next_start_ms > %s"
        until(lambda: feed.connection.execute(passed, (T0,)).fetchone() is not None)
        assert status_of(feed.connection, T0) == ("final", 12, 0)
        feed.flush(TRIPS, 0, [T0 + 1])  # no consumer would accept it
        feed.finish()
        running.join()
    assert status_of(feed.connection, T0) == ("final", 13, 1)


def test_a_run_of_another_model_is_refused_and_the_others_go_on(database: str, feed: Feed) -> None:
    with Feed(database, run="foreign", model="b" * 64) as foreign:
        for one in (feed, foreign):
            one.flush(TRIPS, 0, [T0])
            one.finish()
    with pytest.raises(ModelUnusable, match="foreign"):
        monitor(database, until_done="foreign")
    with Running(settings(database, until_done=None), StubEngine()):
        until(lambda: status_of(feed.connection, T0) is not None)
    assert feed.connection.execute("SELECT DISTINCT run_id FROM driftline.window_result").fetchall() == [("r",)]


PAYMENTS = Stream(name="payments", events=SCORED)


def test_streams_side_by_side_are_each_computed_by_a_monitor_with_their_reference(
    database: str, feed: Feed
) -> None:
    with Feed(database, run="paid", model=None, stream=PAYMENTS) as paid:
        fill(feed, 2)
        paid.flush(SCORED, 0, [T0, T0 + HOUR])
        for one in (feed, paid):
            one.finish()
        with capture_logs() as logs:
            monitor(database)
            with pytest.raises(ModelUnusable, match="run paid is of stream payments, not of taxi as here"):
                monitor(database, until_done="paid")
        assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == []
        monitor(database, until_done="paid", stream=PAYMENTS)
        windows = "SELECT run_id, stream, count(*), sum(rows) FROM driftline.window_result GROUP BY 1, 2"
        assert sorted(paid.connection.execute(windows).fetchall()) == [
            ("paid", "events", 2, 2),
            ("r", "events", 2, 24),
            ("r", "labels", 2, 24),
        ]
        ends = "SELECT stream FROM driftline.frontier WHERE run_id = 'paid' AND next_start_ms = %s"
        assert paid.connection.execute(ends, (END,)).fetchall() == [("events",)]


OTHER_REFERENCE = "b" * 64


class Slower(StubEngine):
    """Has another reference, and computes while the monitor with the first one writes."""

    model = OTHER_REFERENCE

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self.feed = feed

    def figures(self, stream: Records, rows: LoadedRows, joined: LoadedRows | None) -> WindowFigures:
        self.feed.connection.execute("UPDATE driftline.run SET reference = %s", (MODEL,))
        return super().figures(stream, rows, joined)


@pytest.fixture
def paid(database: str) -> Iterator[Feed]:
    with Feed(database, run="paid", model=None, stream=PAYMENTS) as made:
        made.flush(SCORED, 0, [T0, T0 + HOUR])
        made.finish()
        yield made


def test_the_first_monitor_decides_which_reference_a_run_is_compared_with(paid: Feed) -> None:
    other = StubEngine()
    other.model = OTHER_REFERENCE
    monitor(paid.url, other, until_done="paid", stream=PAYMENTS)
    assert paid.connection.execute("SELECT model, reference FROM driftline.run").fetchall() == [
        (None, OTHER_REFERENCE)
    ]
    paid.connection.execute("DELETE FROM driftline.frontier")
    with pytest.raises(ModelUnusable, match=r"compared with the reference bbbbbbbbbbbb, .* is aaaaaaaa"):
        monitor(paid.url, until_done="paid", stream=PAYMENTS)
    monitor(paid.url, other, until_done="paid", stream=PAYMENTS)


def test_of_two_monitors_with_different_references_the_slower_one_writes_nothing(paid: Feed) -> None:
    with pytest.raises(ModelUnusable, match="run paid was compared with the reference aaaaaaaaaaaa"):
        monitor(paid.url, Slower(paid), until_done="paid", stream=PAYMENTS)
    assert results(paid.connection) == []
    with capture_logs() as logs, Running(settings(paid.url, until_done=None, stream=PAYMENTS), StubEngine()):
        until(lambda: status_of(paid.connection, T0 + HOUR, SCORED) == ("final", 1, 0))
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == []


def test_a_monitor_that_watches_all_runs_skips_one_that_is_given_another_reference(paid: Feed) -> None:
    def skipped() -> list[str]:
        return [entry["reason"] for entry in logs if entry["event"] == "run_skipped"]

    with (
        capture_logs() as logs,
        Running(settings(paid.url, until_done=None, stream=PAYMENTS), Slower(paid)),
    ):
        until(lambda: bool(skipped()))
    assert skipped() == ["run paid was compared with the reference aaaaaaaaaaaa, the loaded one is bbbbbbbbbbbb"]
    assert results(paid.connection) == []


def test_a_run_that_was_made_up_is_left_alone_and_advised_no_model(paid: Feed) -> None:
    paid.connection.execute("UPDATE driftline.run SET reference = %s", (MANUFACTURED,))
    with Feed(paid.url, run="r", model=None, stream=PAYMENTS) as real:
        real.flush(SCORED, 0, [T0])
        real.finish()
        with (
            capture_logs() as logs,
            Running(settings(paid.url, until_done=None, stream=PAYMENTS), StubEngine()),
        ):
            until(lambda: bool(results(real.connection)))
    assert [entry for entry in logs if entry["event"] == "run_skipped"] == []
    with pytest.raises(ModelMissing, match="it has metrics but no records"):
        monitor(paid.url, until_done="paid", stream=PAYMENTS)


def test_a_run_is_of_the_definition_that_it_was_begun_with(database: str) -> None:
    """Whatever has become of its stream since: the topic of its labels had another name then."""
    old = msgspec.structs.replace(OUTCOMES, topic="durations")
    stream = msgspec.structs.replace(TAXI, labels=old)
    with Feed(database, stream=stream) as before:
        before.flush(TRIPS, 0, [T0])
        before.flush(old, 0, [T0])
        before.finish()
        with pytest.raises(ModelUnusable, match="run r was begun when stream taxi had another topic of labels"):
            monitor(database)
        monitor(database, stream=stream)
        joined = "SELECT rows, joined_rows FROM driftline.window_result WHERE stream = 'labels'"
        assert before.connection.execute(joined).fetchall() == [(1, 1)]


def test_a_run_is_computed_though_a_bound_of_its_stream_has_changed_since(database: str) -> None:
    """A consumer goes on filling it."""
    wider = tuple(msgspec.structs.replace(field, low=None, unit="other") for field in TRIPS.fields)
    changed = msgspec.structs.replace(TAXI, events=msgspec.structs.replace(TRIPS, fields=wider))
    with Feed(database) as before:
        before.flush(TRIPS, 0, [T0])
        before.finish()
        monitor(database, stream=changed)
        assert status_of(before.connection, T0) == ("final", 1, 0)


@pytest.mark.parametrize("model", ["b" * 64, MODEL])
def test_a_run_that_is_removed_and_begun_anew_is_another_run(database: str, feed: Feed, model: str) -> None:
    """Whether the one before was skipped or computed."""
    with Feed(database, run="again", model=model) as before:
        before.flush(TRIPS, 0, [T0 + DAY])
        feed.flush(TRIPS, 0, [T0])
        for one in (before, feed):
            one.mark(T0 + 2 * DAY)
        with Running(settings(database, until_done=None, poll_s=0.1), StubEngine()):
            at_rest = "SELECT count(*) FROM driftline.frontier WHERE run_id = ANY(%s) AND next_start_ms > %s"
            computed = ["r", "again"] if model == MODEL else ["r"]
            until(lambda: feed.connection.execute(at_rest, (computed, T0 + DAY)).fetchone() == (2 * len(computed),))
            tables = ("window_result", "frontier", "pane", "chunk", "run_progress", "run")
            with before.connection.transaction():
                for table in tables:
                    before.connection.execute(f"DELETE FROM driftline.{table} WHERE run_id = 'again'")
                before.begin(MODEL)
            before.m.clear()
            before.flush(TRIPS, 0, [T0])
            before.mark(T0 + 2 * DAY)
            windows = "SELECT count(*) FROM driftline.window_result WHERE run_id = 'again' AND window_start = %s"
            until(lambda: before.connection.execute(windows, (moment(T0),)).fetchone() == (1,))


def test_sizes_that_are_no_whole_panes_are_refused_and_the_others_go_on(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0])
    feed.finish()
    with pytest.raises(UsageError, match="7m"):
        monitor(feed.url, sizes=(7 * MINUTE, HOUR))
    with Running(settings(feed.url, sizes=(7 * MINUTE, HOUR), until_done=None), StubEngine()):
        until(lambda: status_of(feed.connection, T0) == ("final", 1, 0))


def test_a_run_that_is_over_is_done_at_once(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0])
    feed.finish()
    monitor(feed.url)
    assert monitor(feed.url).computed == []


def test_a_run_is_waited_for_and_that_is_said_once(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    polls, poll = list[bool](), Scheduler._poll
    monkeypatch.setattr(Scheduler, "_poll", lambda own, moved: polls.append(True) or poll(own, moved))

    def said() -> list[object]:
        return [entry["run"] for entry in logs if entry["event"] == "waiting_for_run"]

    with capture_logs() as logs, Running(settings(database, poll_s=0.01), StubEngine()) as running:
        until(lambda: len(polls) > 3)
        with Feed(database) as feed:
            feed.flush(TRIPS, 0, [T0])
            feed.finish()
            running.join()
            assert status_of(feed.connection, T0) == ("final", 1, 0)
    assert said() == ["r"]


def test_a_run_without_any_row_ends_too(feed: Feed) -> None:
    feed.finish()
    assert monitor(feed.url).computed == []


def test_another_size_asked_for_later_is_computed_from_the_beginning(feed: Feed) -> None:
    fill(feed, 7)
    feed.finish()
    monitor(feed.url)
    monitor(feed.url, sizes=(HOUR, 6 * HOUR))
    rows = feed.connection.execute(
        "SELECT size_s, count(*) FROM driftline.window_result WHERE stream = 'events' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert rows == [(3600, 7), (21600, 2)]


def test_the_database_may_go_away_and_come_back(database: str, feed: Feed) -> None:
    def cut(connection: Connection[tuple[object, ...]]) -> None:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    fill(feed, 3)
    with Running(settings(database), StubEngine()) as running:
        until(lambda: status_of(feed.connection, T0) is not None)
        cut(feed.connection)
        feed.finish()
        cut(feed.connection)
        running.join()
    assert [status_of(feed.connection, T0 + n * HOUR)[:2] for n in range(3)] == [("final", 12)] * 3


LIMIT = (
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = %L',"
    " current_database(), '400ms'); END $$"
)


def test_a_window_may_take_longer_than_postgres_lets_a_transaction_idle(feed: Feed) -> None:
    fill(feed, 1)
    feed.finish()
    feed.connection.execute(LIMIT)

    def slow(_: object) -> bool:
        feed.connection.execute("SELECT pg_sleep(1)")
        return False

    with capture_logs() as logs:
        monitor(feed.url, StubEngine(break_on=slow))
    assert status_of(feed.connection, T0) == ("final", 12, 0)
    assert [entry["event"] for entry in logs if entry["event"].startswith("database")] == []


def test_a_monitor_that_was_stopped_in_a_window_for_too_long_goes_on_in_a_new_session(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by SIGSTOP, or a laptop that was closed: Postgres has ended the transaction meanwhile."""
    monkeypatch.setattr("storage.keepalive._interval", lambda _: 1_000.0)
    fill(feed, 2)
    feed.finish()
    feed.connection.execute(LIMIT)
    open_claims = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
    )
    engine = StubEngine()

    def stopped(_: object) -> bool:
        if len(engine.computed) == 1:
            until(lambda: feed.connection.execute(open_claims).fetchone() == (0,))
        return False

    engine.break_on = stopped
    with capture_logs() as logs:
        monitor(feed.url, engine)
    assert [status_of(feed.connection, T0 + n * HOUR) for n in range(2)] == [("final", 12, 0)] * 2
    assert [entry["event"] for entry in logs if entry["event"].startswith("database")] == ["database_down"]
    assert not any(entry["event"] == "window_failed" for entry in logs)


def test_a_wrong_password_is_said_at_once_and_not_printed(database: str) -> None:
    wrong = urlsplit(database)._replace(netloc=f"driftline:hush@{urlsplit(database).netloc.rpartition('@')[2]}")
    with pytest.raises(DatabaseUnreachable, match="Postgres refused") as caught:
        monitor(wrong.geturl())
    assert caught.value.do.startswith("correct DATABASE_URL, or the password that Postgres has for its role (")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:nonsense/there", "no url at all"])
def test_a_url_that_is_none_is_said_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="DATABASE_URL"):
        monitor(url)


def test_health_says_how_long_windows_take(feed: Feed) -> None:
    feed.flush(TRIPS, 0, [T0])
    with Running(settings(feed.url, until_done=None), StubEngine()):
        feed.finish()
        until(lambda: (health(feed) or {}).get("latency_p95_ms") is not None)
    assert (health(feed) or {}).keys() == {
        *("windows_per_s", "pending", "latency_p50_ms", "latency_p95_ms", "latency_p95_ms_1h"),
        *("model", "stream", "sizes_s"),
    }
    with connect(feed.url) as connection:
        assert monitors(connection) == [MonitorRow(None, MODEL, "taxi", [3600])]


def health(feed: Feed) -> dict[str, float] | None:
    row = feed.connection.execute("SELECT measures FROM driftline.health WHERE stage = 'monitor'").fetchone()
    return row[0] if row else None
