"""Evidence and alarms of a run, on a real Postgres: the same whoever folds, in whatever parts, killed wherever."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitor.recompute.evidence import evidence_differences
from monitor.scheduling import fold_job
from monitor.verdict.lifecycle import AlarmThresholds
from schemas.durations import moment
from storage.connect import connect
from storage.snapshot import Snapshot
from tests.fleet import exitcode
from tests.monitor.feed import HOUR, Feed, Running, settings, until
from tests.monitor.watched import (
    DELIVERIES,
    MONDAY,
    PARCELS,
    SIZES,
    STREAM,
    alarms,
    changes,
    engine,
    flush,
    hours,
    outcome,
    send,
    watch,
)

pytestmark = pytest.mark.integration

DRIFT = 30
"""Hour in which weights begin to grow."""


@pytest.fixture
def feed(database: str) -> Iterator[Feed]:
    with Feed(database, stream=STREAM) as made:
        yield made


def drifted(feed: Feed, until_hour: int = 60) -> None:
    """A calm beginning, then heavier parcels; the run is over."""
    send(feed, hours(0, DRIFT, seed=2))
    send(feed, hours(DRIFT, until_hour, seed=2, shift=4.0))
    end(feed, until_hour)


def end(feed: Feed, hour: int) -> None:
    feed.mark(MONDAY + hour * HOUR, feed.stream.topics)
    feed.finish()


def count(feed: Feed, table: str) -> int:
    ((found,),) = feed.connection.execute(f"SELECT count(*) FROM driftline.{table}").fetchall()
    return int(found)


def test_a_stream_that_changes_raises_one_alarm_that_names_what_changed(feed: Feed) -> None:
    drifted(feed)
    watch(feed.url)
    ((state, kind, columns, harm),) = alarms(feed.connection)
    assert (state, kind, columns[0], harm) == ("firing", "drift", "weight", "harmless")
    ((fired, first, message),) = feed.connection.execute(
        "SELECT started_at, first_evidence, message FROM driftline.alarm"
    ).fetchall()
    assert moment(MONDAY + DRIFT * HOUR) <= fired <= moment(MONDAY + (DRIFT + 8) * HOUR)
    assert abs((first - moment(MONDAY + DRIFT * HOUR)).total_seconds()) <= 6 * 3_600
    assert message.startswith("weight")
    assert changes(feed.connection) == [(1, "firing")]


def test_in_a_calm_stream_no_alarm_fires_and_every_window_is_evidence(feed: Feed) -> None:
    send(feed, hours(0, 60, seed=2))
    end(feed, 60)
    watch(feed.url)
    assert [state for state, *_ in alarms(feed.connection) if state != "pending"] == []
    assert count(feed, "evidence") == 2 * (60 + 10)
    assert count(feed, "unfolded") == 0
    assert feed.connection.execute("SELECT done, promise, sizes_s FROM driftline.watch").fetchall() == [
        (True, 1.0, [3_600, 21_600])
    ]
    ((about, weeks),) = feed.connection.execute("SELECT about, weeks FROM driftline.calibration").fetchall()
    assert "From your last 4 calm weeks" in about
    assert [week.timestamp() * 1_000 for week in weeks] == [MONDAY - n * 7 * 24 * HOUR for n in (4, 3, 2, 1)]


def test_over_a_holiday_evidence_stays_what_it_was_and_folding_again_gives_the_same(feed: Feed) -> None:
    """11 and 12 February 2022 are Lincoln's Birthday; the stream moves from 12 hours before on."""
    friday = 11 * 24
    send(feed, hours(0, friday - 12, seed=2))
    send(feed, hours(friday - 12, friday + 60, seed=2, shift=0.7))
    end(feed, friday + 60)
    watch(feed.url, holidays="US-NY")
    held = feed.connection.execute(
        "SELECT value, z FROM driftline.evidence WHERE stream = 'events' AND size_s = 3600"
        " AND window_start BETWEEN %s AND %s ORDER BY window_start",
        [moment(MONDAY + (friday - 1) * HOUR), moment(MONDAY + (friday + 48) * HOUR)],
    ).fetchall()
    assert len(held) == 50
    assert {value for value, _ in held[:-1]} == {held[0][0]}
    assert [bool(z) for _, z in held] == [True, *[False] * 48, True]
    before = outcome(feed.connection)
    again(feed)
    watch(feed.url, holidays="US-NY")
    assert outcome(feed.connection) == before


def test_alarms_are_the_same_folded_window_by_window_or_all_at_once(feed: Feed, stack: Any) -> None:
    with Running(settings(feed.url, sizes=SIZES, stream=STREAM, poll_s=0.1), engine()) as running:
        for first in range(0, 60, 6):
            send(feed, hours(first, first + 6, seed=2, shift=4.0 if first >= DRIFT else 0.0))
            expected = max(first - 2, 0)
            until(lambda expected=expected: count(feed, "evidence") >= expected)  # type: ignore[misc]
        end(feed, 60)
        running.join()
    live = outcome(feed.connection)
    again(feed)
    watch(feed.url)
    assert outcome(feed.connection) == live
    assert any('"state": "firing"' in alarm for alarm in live["alarm"])


def test_an_hour_is_folded_before_the_larger_window_that_it_lies_in(feed: Feed) -> None:
    with Running(settings(feed.url, sizes=SIZES, stream=STREAM, poll_s=0.1), engine()) as running:
        send(feed, hours(0, 11, seed=2))
        query = "SELECT max(window_start) FROM driftline.evidence WHERE size_s = 3600 AND stream = 'events'"
        until(lambda: feed.connection.execute(query).fetchone() == (moment(MONDAY + 9 * HOUR),))
        end(feed, 11)
        running.join()


def test_a_few_large_errors_are_harm_though_nothing_else_has_changed(feed: Feed) -> None:
    send(feed, hours(0, DRIFT, seed=2))
    later = hours(DRIFT, 60, seed=2)
    took = np.where(np.arange(later.num_rows) % 120 == 7, 180.0, 0.0) + later["took"].to_numpy()
    send(feed, later.set_column(later.schema.get_field_index("took"), "took", pa.array(took)))
    end(feed, 60)
    watch(feed.url)
    found = [alarm for alarm in alarms(feed.connection) if alarm[0] != "pending"]
    assert found == [("firing", "error", ["mae"], "concept")]
    ((track, fired, message),) = feed.connection.execute(
        "SELECT track, started_at, message FROM driftline.alarm WHERE kind = 'error'"
    ).fetchall()
    assert track == "harm"
    assert moment(MONDAY + DRIFT * HOUR) < fired < moment(MONDAY + (DRIFT + 12) * HOUR)
    assert message.startswith("Larger errors of the model: 0.79")
    live = outcome(feed.connection)
    again(feed)
    watch(feed.url)
    assert outcome(feed.connection) == live


def again(feed: Feed) -> None:
    """Let everything be folded anew from the summaries."""
    feed.connection.execute("TRUNCATE driftline.evidence, driftline.calibration, driftline.alarm, driftline.watch")
    feed.connection.execute(
        "INSERT INTO driftline.unfolded (run_id, stream, size_s, window_start)"
        " SELECT run_id, stream, size_s, window_start FROM driftline.window_summary"
    )


def test_an_alarm_that_fired_and_is_only_suspected_now_is_withdrawn_for_those_who_were_told(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifted(feed)
    watch(feed.url)
    assert changes(feed.connection) == [(1, "firing")]
    revised = (
        "INSERT INTO driftline.unfolded (run_id, stream, size_s, window_start) VALUES ('r', 'events', 3600, %s)"
    )
    with monkeypatch.context() as patched:  # as if the rows that came late had left less evidence
        patched.setattr(fold_job, "fold", partial(fold_job.fold, thresholds=AlarmThresholds(firing=1e9)))
        for _ in range(2):
            feed.connection.execute(revised, (moment(MONDAY),))
            watch(feed.url)
    assert changes(feed.connection) == [(1, "firing"), (2, "withdrawn")]
    assert [state for state, *_ in alarms(feed.connection)] == ["pending"]
    feed.connection.execute(revised, (moment(MONDAY),))
    watch(feed.url)
    assert changes(feed.connection) == [(1, "firing"), (2, "withdrawn"), (3, "firing")]


@pytest.mark.faults
def test_monitors_killed_while_they_fold_leave_the_alarms_of_a_quiet_one(feed: Feed) -> None:
    drifted(feed)
    watch(feed.url)
    expected, written = outcome(feed.connection), changes(feed.connection)
    feed.connection.execute(
        "TRUNCATE driftline.window_result, driftline.column_metric, driftline.window_summary, driftline.frontier,"
        " driftline.evidence, driftline.calibration, driftline.alarm, driftline.watch, driftline.alarm_change,"
        " driftline.notification"
    )
    for failpoint in ("before_fold_commit:1", "after_fold_commit:1", "before_fold_commit:2", "before_commit:20"):
        assert exitcode(f"monitor.{failpoint}", watch, feed.url) == -9
    watch(feed.url)
    assert outcome(feed.connection) == expected
    assert changes(feed.connection) == written


@pytest.mark.faults
def test_two_monitors_beside_one_another_raise_each_alarm_once(feed: Feed) -> None:
    with (
        Running(settings(feed.url, sizes=SIZES, stream=STREAM, poll_s=0.1), engine()) as one,
        Running(settings(feed.url, sizes=SIZES, stream=STREAM, poll_s=0.1), engine()) as other,
    ):
        drifted(feed)
        one.join()
        other.join()
    both, written = outcome(feed.connection), changes(feed.connection)
    again(feed)
    watch(feed.url)
    assert outcome(feed.connection) == both
    assert written == [(1, "firing")] == changes(feed.connection)


def test_a_revision_that_takes_the_evidence_away_withdraws_the_alarm(feed: Feed) -> None:
    """Partition 1 is idle, and 0 alone has half of the rows; then those of 1 come."""
    send(feed, hours(0, DRIFT, seed=2))
    calm = hours(DRIFT, 50, seed=2)
    for records in (PARCELS, DELIVERIES):
        flush(feed, records, 0, calm.take(pa.array(range(0, calm.num_rows, 2))))
        feed.flush(records, 0, mark=MONDAY + 50 * HOUR)
        feed.beat(0, caught_up_s=60, stream=records)
        feed.beat(1, caught_up_s=60, stream=records)
    with Running(settings(feed.url, sizes=SIZES, stream=STREAM, poll_s=0.1, idle_timeout_s=1.0), engine()):
        until(lambda: [(n, state) for n, state in changes(feed.connection)] == [(1, "firing")])
    for records in (PARCELS, DELIVERIES):
        flush(feed, records, 1, calm.take(pa.array(range(1, calm.num_rows, 2))))
    end(feed, 50)
    watch(feed.url)
    assert changes(feed.connection) == [(1, "firing"), (2, "withdrawn")]
    assert [state for state, *_ in alarms(feed.connection)] == ["withdrawn"]
    folded = outcome(feed.connection)
    again(feed)
    watch(feed.url)
    assert outcome(feed.connection) == folded


def test_what_has_aged_is_told_once_and_withdrawn_where_a_revision_takes_it_away(feed: Feed) -> None:
    """Three weeks heavier than what the model was trained on, then late rows that make the first two as light."""
    week, light = 168, {"rows": 20, "shift": -0.6}
    send(feed, hours(0, 2 * week + 12, seed=2, rows=20, shift=0.6))
    feed.mark(MONDAY + (2 * week + 12) * HOUR, feed.stream.topics)
    with Running(settings(feed.url, sizes=(6 * HOUR,), stream=STREAM, poll_s=0.1), engine()) as running:
        until(lambda: ("ageing", "firing") in tracks(feed))
        for records in (PARCELS, DELIVERIES):
            flush(feed, records, 0, hours(0, 2 * week, seed=3, **light))
        end(feed, 2 * week + 12)
        running.join()
    assert ("ageing", "withdrawn") in tracks(feed)
    assert ("ageing", "firing") not in tracks(feed)


def tracks(feed: Feed) -> list[tuple[Any, ...]]:
    """(track, state) of each alarm."""
    return feed.connection.execute("SELECT track, state FROM driftline.alarm").fetchall()


def test_hours_without_rows_are_a_gap_and_not_a_drift(feed: Feed) -> None:
    send(feed, hours(0, DRIFT, seed=2))
    end(feed, 60)
    watch(feed.url)
    ((_, kind, columns, _),) = alarms(feed.connection)
    assert (kind, columns) == ("gap", ["volume"])


def test_an_excluded_week_is_measured_by_no_more(feed: Feed) -> None:
    send(feed, hours(0, 60, seed=2))
    end(feed, 60)
    watch(feed.url)
    before = feed.connection.execute("SELECT calibration_id FROM driftline.calibration").fetchall()
    feed.connection.execute(
        "INSERT INTO driftline.excluded_week (stream, season_start, reason, author)"
        " VALUES (%s, %s, 'strike', 'me')",
        (STREAM.name, moment(MONDAY - 7 * 24 * HOUR)),
    )
    feed.connection.execute("INSERT INTO driftline.unfolded (run_id) VALUES ('r')")
    watch(feed.url)
    ((after, weeks),) = feed.connection.execute(
        "SELECT calibration_id, weeks FROM driftline.calibration"
    ).fetchall()
    assert [after] != [row[0] for row in before]
    assert len(weeks) == 3
    assert count(feed, "evidence") == 140


def test_the_second_week_is_measured_by_the_first(feed: Feed) -> None:
    send(feed, hours(0, 180, seed=2))
    end(feed, 180)
    watch(feed.url)
    weeks = feed.connection.execute("SELECT weeks FROM driftline.calibration ORDER BY season_start").fetchall()
    assert [max(found).timestamp() * 1_000 for (found,) in weeks] == [MONDAY - 7 * 24 * HOUR, MONDAY]
    assert {len(found) for (found,) in weeks} == {4}


def recomputed(feed: Feed, start: int, size: int = HOUR, forgery: str = "SELECT") -> list[tuple[str, str]]:
    """(role, figure) of what differs from what is folded again. forgery: changes the tables before."""
    known = engine().calibrator
    assert known is not None
    with connect(feed.url) as connection, connection.transaction(force_rollback=True):
        connection.execute(forgery)
        run = Snapshot(connection).known(feed.run, STREAM)
        return [(d.stream, d.figure) for d in evidence_differences(connection, run, size, start, known)]


def test_recompute_folds_again_and_names_what_differs(feed: Feed) -> None:
    send(feed, hours(0, 150, seed=2))
    send(feed, hours(150, 200, seed=2, shift=4.0))
    end(feed, 200)
    watch(feed.url)
    before, start, second = outcome(feed.connection), MONDAY + 36 * HOUR, MONDAY + 180 * HOUR
    assert recomputed(feed, start) == recomputed(feed, start, 6 * HOUR) == recomputed(feed, second) == []
    ((alarm, raised_by),) = feed.connection.execute("SELECT alarm_id, stream FROM driftline.alarm").fetchall()
    at = f"WHERE stream = 'labels' AND size_s = 3600 AND window_start = '{moment(start):%F %T}+00'"
    late = f"WHERE size_s = 21600 AND window_start = '{moment(second):%F %T}+00' AND stream = 'events'"
    row, season = "evidence 1h 2022-02-01T12:00", "calibration 2022-02-07"
    for forgery, expected in {
        f"UPDATE driftline.evidence SET value = value + 0.001 {at}": [("labels", f"{row} value")],
        f"UPDATE driftline.evidence SET z[1] = z[1] + 0.001 {at}": [("labels", f"{row} z")],
        f"UPDATE driftline.evidence SET season_start = 'epoch' {at}": [("labels", f"{row} season")],
        f"DELETE FROM driftline.evidence {at}": [("labels", row)],
        f"DELETE FROM driftline.evidence {late}": [("events", "evidence 6h 2022-02-07T12:00")],
        "UPDATE driftline.calibration SET calibration_id = 'x' WHERE season_start > '2022-02-06'": [
            ("", f"{season} calibration_id")
        ],
        "UPDATE driftline.calibration SET weeks = weeks[2:] WHERE season_start > '2022-02-06'": [
            ("", f"{season} weeks")
        ],
        "UPDATE driftline.alarm SET members = '[]'": [(raised_by, f"alarm {alarm} members")],
        "UPDATE driftline.alarm SET first_evidence = first_evidence + interval '1 hour'": [
            (raised_by, f"alarm {alarm} first_evidence")
        ],
        "UPDATE driftline.alarm SET state = 'recovered'": [(raised_by, f"alarm {alarm} state")],
        "DELETE FROM driftline.alarm": [(raised_by, f"alarm {alarm}")],
        "INSERT INTO driftline.alarm SELECT (jsonb_populate_record(a, jsonb_build_object('alarm_id', 'made up'))).*"
        " FROM driftline.alarm a": [(raised_by, "alarm made up")],
    }.items():
        assert recomputed(feed, start, forgery=forgery) == expected, forgery
    assert recomputed(feed, second, forgery="DELETE FROM driftline.alarm") == [(raised_by, f"alarm {alarm}")]
    assert outcome(feed.connection) == before


def test_recompute_compares_no_evidence_of_what_is_not_folded(
    feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    drifted(feed)
    watch(feed.url)
    again = (
        "INSERT INTO driftline.unfolded (run_id, stream, size_s, window_start)"
        f" VALUES ('r', 'events', 3600, '{moment(MONDAY):%F %T}+00')"
    )
    forged = "; DELETE FROM driftline.evidence"
    for size, start, forgery, reason in (
        (HOUR, MONDAY, again + forged, "written again"),
        (2 * HOUR, MONDAY, "SELECT" + forged, "not watched"),
        (HOUR, MONDAY + 100 * HOUR, "SELECT" + forged, "not folded yet"),
        (HOUR, MONDAY, "UPDATE driftline.watch SET layout = (SELECT hash FROM driftline.summary_layout)", ""),
    ):
        assert recomputed(feed, start, size, forgery) == []
        assert reason in capsys.readouterr().out
