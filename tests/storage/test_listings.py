"""What the listings say, from a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import psycopg
import pytest

from schemas.durations import moment
from schemas.errors import UsageError
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage import listings
from tests.monitor.feed import HOUR, T0, Feed, monitor

pytestmark = pytest.mark.integration


@pytest.fixture
def feed(database: str) -> Iterator[Feed]:
    with Feed(database) as made:
        for hour in (0, 1):
            made.flush(TRIPS, 0, [T0 + hour * HOUR + n for n in range(3)])
            made.flush(OUTCOMES, 0, [T0 + hour * HOUR])
        made.connection.execute(
            "INSERT INTO driftline.dead_letter (topic, partition, kafka_offset, run_id, reason, event_time) VALUES"
            " ('trips', 0, 90, 'r', 'late', %(at)s), ('trips', 0, 91, 'r', 'future', %(at)s),"
            " ('trips', 0, 92, 'r', 'late', %(at)s), ('trips', 0, 93, 'other', 'late', %(at)s),"
            " ('outcomes', 0, 94, 'r', 'late', %(at)s), ('trips', 0, 95, 'r', 'undecodable', NULL)",
            {"at": moment(T0 + HOUR + 5)},
        )
        made.finish()
        monitor(made.url, sizes=(HOUR, 6 * HOUR))
        yield made


def test_windows_come_newest_first_with_what_was_late_for_them(feed: Feed) -> None:
    found = listings.windows(feed.connection, "r", 3600)
    assert [(w.stream, w.window_start, w.rows, w.late, w.dead_letters) for w in found] == [
        ("events", moment(T0 + HOUR), 3, 2, 3),
        ("labels", moment(T0 + HOUR), 1, 1, 1),
        ("events", moment(T0), 3, 0, 0),
        ("labels", moment(T0), 1, 0, 0),
    ]


def test_a_window_with_rows_enough_says_why_it_has_no_verdict_or_no_error(feed: Feed) -> None:
    feed.connection.execute(
        "UPDATE driftline.window_result SET columns_tested = (stream = 'events')::int, mae = NULL, status = 'final'"
    )
    feed.connection.execute("UPDATE driftline.column_metric SET reason = stream || ' broken'")
    remarks = {(row.stream, row.remark) for row in listings.windows(feed.connection, "r")}
    assert remarks == {("events", None), ("labels", "labels broken")}
    feed.connection.execute("UPDATE driftline.window_result SET status = 'insufficient'")
    assert {row.remark for row in listings.windows(feed.connection, "r")} == {None}, "the status says it"


def test_windows_can_be_chosen_and_limited(feed: Feed) -> None:
    assert len(listings.windows(feed.connection, "r")) == 6
    assert [w.stream for w in listings.windows(feed.connection, "r", stream="labels")] == ["labels"] * 3
    assert len(listings.windows(feed.connection, "r", limit=2)) == 2
    assert listings.windows(feed.connection, "nobody") == []


def test_columns_are_those_of_the_window_in_both_streams(feed: Feed) -> None:
    found = listings.columns(feed.connection, "r", 3600, T0)
    assert {c.stream for c in found} == {"events", "labels"}
    assert {c.column_name for c in found if c.stream == "events"} == set(TRIPS.numbers)
    assert listings.columns(feed.connection, "r", 3600, T0 + 1) == []


def test_a_run_is_known_or_it_is_said(feed: Feed) -> None:
    assert listings.run_named(feed.connection, "r").run_id == "r"
    with pytest.raises(UsageError, match="there is no run nobody"):
        listings.run_named(feed.connection, "nobody")


def test_runs_add_up_over_partitions_and_keep_labels_apart(feed: Feed) -> None:
    feed.connection.execute("UPDATE driftline.run_progress SET accepted = 5, late = 1")
    feed.connection.execute('UPDATE driftline.run SET manifest = \'{"scenario": "miles-to-km"}\'')
    (run,) = listings.runs(feed.connection)
    assert (run.run_id, run.rows, run.labels, run.windows, run.scenario) == ("r", 10, 10, 3, "miles-to-km")
    assert (run.dead_letters, run.reasons, run.rejected) == (4, {"late": 4}, "4 late")


def test_everything_can_be_written_as_json(feed: Feed) -> None:
    rows = [
        *listings.runs(feed.connection),
        *listings.windows(feed.connection, "r"),
        *listings.columns(feed.connection, "r", 3600, T0),
    ]
    assert len(msgspec.json.decode(msgspec.json.encode(rows))) == len(rows)


def test_a_database_without_tables_lists_nothing(stack: object, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA driftline CASCADE")
        assert listings.runs(connection) == []
