"""What a monitor refuses or says before it imports Evidently."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from monitor.settings import Settings
from monitor.stage import run
from monitor.starting import announced, check_sizes, unless_stopped
from schemas.definition import Field, Records, Stream
from schemas.errors import ModelUnusable, UsageError
from schemas.streams.taxi import TAXI, TRIPS
from storage import listings
from tests.fleet import eventually
from tests.monitor.feed import HOUR, T0, Feed, monitor

pytestmark = pytest.mark.integration

MINUTE = 60_000


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(database, autocommit=True) as made:
        yield made


def run_of(connection: psycopg.Connection[tuple[object, ...]], name: str, pane: int, *, over: bool = False) -> None:
    connection.execute(
        "INSERT INTO driftline.run (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, finished_at)"
        " VALUES (%s, %s, 1, 1, 1, CASE WHEN %s THEN now() END)",
        (name, pane, over),
    )


def settings(*minutes: int, until_done: str | None = None) -> Settings:
    return Settings(stream=TAXI, database_url="", sizes=tuple(n * MINUTE for n in minutes), until_done=until_done)


def test_sizes_that_fit_no_run_which_goes_on_are_refused(
    connection: psycopg.Connection[tuple[object, ...]],
) -> None:
    run_of(connection, "five", 5 * MINUTE)
    with pytest.raises(UsageError, match="windows of 7m are no whole number of the 5m panes of run five"):
        check_sizes(connection, settings(7))
    check_sizes(connection, settings(7, 60))
    run_of(connection, "seven", 7 * MINUTE)
    check_sizes(connection, settings(7))


def test_a_run_that_is_over_refuses_nothing_unless_it_is_the_one_that_is_awaited(
    connection: psycopg.Connection[tuple[object, ...]],
) -> None:
    run_of(connection, "five", 5 * MINUTE, over=True)
    with capture_logs() as logged:
        check_sizes(connection, settings(7))
    assert [(line["event"], line["sizes"]) for line in logged] == [("sizes_of_no_known_pane", "7m")]
    with pytest.raises(UsageError, match="of run five"):
        check_sizes(connection, settings(7, until_done="five"))


def test_where_there_is_no_run_yet_a_size_of_no_usual_pane_is_said_and_others_are_not(
    connection: psycopg.Connection[tuple[object, ...]],
) -> None:
    for minutes, events in ((7, ["sizes_of_no_known_pane"]), (10, [])):
        with capture_logs() as logged:
            check_sizes(connection, settings(minutes))
        assert [line["event"] for line in logged] == events


def test_a_model_that_is_not_there_is_said_before_a_database_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="there is no model"):
        run(
            Settings(stream=TAXI, database_url="postgresql://127.0.0.1:1/x", model=tmp_path / "none"),
            threading.Event(),
        )


def test_a_stream_that_carries_its_predictions_needs_a_reference_all_the_same(tmp_path: Path) -> None:
    events = Records(
        topic="payments",
        kind="payment",
        id="payment",
        time="at",
        fields=(Field(name="risk", type="float", role="number"),),
        prediction="risk",
    )
    stream = Stream(name="payments", events=events)
    with pytest.raises(ModelUnusable, match="stream payments carry their predictions, and there is no reference"):
        run(Settings(stream=stream, database_url="", model=tmp_path / "none"), threading.Event())


def test_a_monitor_is_heard_of_while_it_starts(
    database: str, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    def reported_health() -> object:
        return connection.execute(
            "SELECT run_id, measures FROM driftline.health WHERE stage = 'monitor'"
        ).fetchone()

    with announced(database, "r"):
        eventually(lambda: reported_health() == ("r", {"starting": True}), reported_health)


def test_who_is_to_stop_does_not_wait_for_an_import_to_end() -> None:
    stop, never, begun = threading.Event(), threading.Event(), threading.Event()

    def make() -> None:
        begun.set()
        stop.set()
        never.wait()

    assert unless_stopped(make, stop) is None
    assert begun.is_set()
    never.set()


def test_what_fails_while_a_monitor_starts_is_raised() -> None:
    def make() -> None:
        raise ModelUnusable("damaged", "train it again")

    assert unless_stopped(lambda: 7, threading.Event()) == 7
    with pytest.raises(ModelUnusable, match="damaged"):
        unless_stopped(make, threading.Event())


def test_windows_of_too_few_rows_are_counted_beside_the_size_that_would_do(database: str) -> None:
    with Feed(database) as feed:
        for minute in range(0, 6 * 60, 5):
            feed.flush(TRIPS, 0, [T0 + minute * MINUTE + n for n in range(4)])  # 48 an hour
        feed.finish()
        monitor(feed.url, sizes=(5 * MINUTE, HOUR))
        feed.connection.execute("UPDATE driftline.window_result SET status = 'insufficient' WHERE rows < 30")
        (short,) = listings.shortages(feed.connection, "r", min_rows=30)
    assert (short.size_s, short.sufficient, short.useful_s) == (300, 0, 3_600)
    assert (
        "0 of 72 windows of 5m had the 30 rows that a verdict needs: 1h is the smallest useful size"
        in short.describe(30)
    )


def test_the_lag_of_a_run_is_what_may_be_of_it(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    run_of(connection, "over", 5 * MINUTE, over=True)
    run_of(connection, "new", 5 * MINUTE)
    connection.execute(
        "INSERT INTO driftline.partition_progress (topic, partition, next_offset, log_end)"
        " VALUES ('trips', 0, 100, 140), ('trips', 1, 100, 102), ('outcomes', 0, 7, 7)"
    )
    connection.execute(
        "INSERT INTO driftline.run_progress (run_id, topic, partition, finished, first_offset) VALUES"
        " ('over', 'trips', 0, true, 0), ('over', 'trips', 1, true, 0), ('over', 'outcomes', 0, true, 0),"
        " ('new', 'trips', 1, true, 0)"
    )
    assert {run.run_id: run.lag for run in listings.runs(connection)} == {"over": 0, "new": 40}


def test_the_package_is_no_program_and_says_so() -> None:
    """Its stage is begun by `driftline monitor`; a silent exit 0 would look like a run."""
    ended = subprocess.run(
        [sys.executable, "-m", "monitor"], check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode != 0
    assert "cannot be directly executed" in ended.stderr
