"""Segments of a run, on a real Postgres: what is stored of them, and their alarms beside those of the stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from monitor.recompute.evidence import evidence_differences
from schemas.errors import ModelUnusable
from storage.connect import connect
from storage.snapshot import Snapshot
from tests.monitor.feed import HOUR, Feed
from tests.monitor.test_alarms import again, end
from tests.monitor.watched import DIVIDED, MONDAY, STREAM, calibrator, hours, outcome, send, watch

pytestmark = pytest.mark.integration

DRIFT, END = 30, 72


@pytest.fixture
def feed(database: str) -> Iterator[Feed]:
    with Feed(database, stream=DIVIDED) as made:
        send(made, hours(0, DRIFT, seed=2))
        send(made, hours(DRIFT, END, seed=2, shift=3.0, only="west"))
        end(made, END)
        yield made


def fired(feed: Feed) -> list[tuple[Any, ...]]:
    """(track, what it names) of each alarm, the first first."""
    return feed.connection.execute(
        "SELECT track, ARRAY(SELECT DISTINCT coalesce(m ->> 'segment', '') FROM jsonb_array_elements(members) m"
        " ORDER BY 1) FROM driftline.alarm WHERE state = 'firing' ORDER BY started_at"
    ).fetchall()


def unchanged(feed: Feed) -> list[Any]:
    """What segments must not change."""
    queries = (
        "SELECT (to_jsonb(e))::text FROM driftline.evidence e WHERE segment = '' ORDER BY 1",
        "SELECT calibration_id, lines::text, encode(payload, 'hex') FROM driftline.calibration ORDER BY 1",
        "SELECT alarm_id, state, track, started_at, severity, columns[1], harm FROM driftline.alarm"
        " WHERE track <> 'segments' ORDER BY 1",
        "SELECT stream, size_s, window_start, layout, encode(payload, 'hex') FROM driftline.window_summary"
        " ORDER BY 1, 2, 3",
    )
    return [feed.connection.execute(query).fetchall() for query in queries]


def test_the_segment_is_named_and_the_stream_has_the_evidence_and_alarms_that_it_has_without(feed: Feed) -> None:
    watch(feed.url, DIVIDED)
    found = fired(feed)
    assert found
    assert all("depot=west" in segments for _, segments in found)
    assert not any(segment.startswith(("depot=north", "depot=south")) for _, each in found for segment in each)
    ((about,),) = feed.connection.execute("SELECT about FROM driftline.calibration").fetchall()
    assert "3 segments are watched as well" in about
    with_segments, live = unchanged(feed), outcome(feed.connection)
    again(feed)
    watch(feed.url, DIVIDED)
    assert outcome(feed.connection) == live
    with connect(feed.url) as reader, reader.transaction():
        run = Snapshot(reader).known("r", DIVIDED)
        assert [*evidence_differences(reader, run, 6 * HOUR, MONDAY, calibrator(DIVIDED))] == []
    feed.connection.execute(
        "TRUNCATE driftline.window_result, driftline.column_metric, driftline.window_summary, driftline.frontier,"
        " driftline.evidence, driftline.calibration, driftline.alarm, driftline.watch,"
        " driftline.alarm_change CASCADE"
    )
    watch(feed.url, STREAM)
    assert unchanged(feed) == with_segments


def test_a_monitor_that_does_not_count_the_segments_of_a_run_does_not_fold_it(feed: Feed) -> None:
    watch(feed.url, DIVIDED)
    before = outcome(feed.connection)
    feed.connection.execute("UPDATE driftline.watch SET done = false")
    with pytest.raises(ModelUnusable, match="watched with its segments"):
        watch(feed.url, STREAM, attempts=1)
    feed.connection.execute("UPDATE driftline.watch SET done = true")
    assert outcome(feed.connection) == before


def test_a_run_that_was_begun_without_segments_goes_on_without_them(feed: Feed) -> None:
    watch(feed.url, STREAM)
    before = unchanged(feed)
    feed.connection.execute("UPDATE driftline.watch SET done = false")
    feed.connection.execute("INSERT INTO driftline.unfolded (run_id) VALUES ('r')")
    watch(feed.url, DIVIDED)
    assert unchanged(feed) == before
    assert feed.connection.execute("SELECT segments FROM driftline.watch").fetchall() == [("",)]
