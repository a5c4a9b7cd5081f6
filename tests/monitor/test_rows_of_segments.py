"""Figures of segments as rows, on a real Postgres: exact, gone with the run, and shown only where asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from board.settings import Settings
from cli.removal import holdings, remove_runs
from grafana.generate import dashboards
from monitor.recompute.compare import Recomputation
from schemas.durations import moment
from schemas.errors import UsageError
from schemas.figures import ColumnFigure, SegmentFigures, WindowFigures
from storage import listings
from storage.connect import Connection, connect
from storage.panes import ChunkCache, load_rows
from storage.prepare import prepare
from storage.queries import load_queries
from storage.results import open_store
from storage.snapshot import snapshot_of
from storage.windows import RowCounts, WindowKey, WindowResult, joined_with
from tests.board.conftest import Served, serving
from tests.grafana.asked import ask, choices, queries
from tests.grafana.expand import in_browser, on_server
from tests.monitor.feed import HOUR, Feed, StubModel, settings
from tests.monitor.test_alarms import end
from tests.monitor.watched import DIVIDED, MONDAY, engine, hours, send, watch

pytestmark = pytest.mark.integration

DEMO = load_queries(Path("local/demo/queries.sql"))
SIZE = 6 * HOUR
UNTIL = 48
SEGMENTS = ["depot=north", "depot=other", "depot=south", "depot=west"]
RANGE = (moment(MONDAY), moment(MONDAY + UNTIL * HOUR))


@pytest.fixture
def feed(database: str) -> Iterator[Feed]:
    prepare(database)
    with Feed(database, stream=DIVIDED) as made:
        send(made, hours(0, 30, seed=2))
        send(made, hours(30, UNTIL, seed=2, shift=3.0, only="west"))
        end(made, UNTIL)
        watch(made.url, DIVIDED)
        made.connection.execute("UPDATE driftline.run_progress SET moved_at = moved_at - interval '1 hour'")
        made.connection.execute("UPDATE driftline.run SET started_at = started_at - interval '1 hour'")
        made.connection.execute("UPDATE driftline.run SET finished_at = now()")
        yield made


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    with connect(url) as connection:
        yield connection


def of_whole_windows(url: str) -> dict[str, Any]:
    """What commands, board and dashboards show of a run, without naming a segment."""
    found: dict[str, Any] = {}
    with reading(url) as connection:
        found["runs"] = listings.runs(connection)
        found["windows"] = listings.windows(connection, "r")
        found["sizes"] = listings.sizes(connection, "r")
        found["shortages"] = listings.shortages(connection, "r", 30)
        for row in found["windows"]:
            start = round(row.window_start.timestamp() * 1_000)
            found[f"columns {row.size_s} {start}"] = listings.columns(connection, "r", row.size_s, start)
        found["holdings"] = holdings(connection, ["r"])
        found["demo"] = [
            connection.execute(DEMO[name], {"run": "r"}).fetchall()
            for name in ("windows_by_status", "worth_a_look", "promise")
        ]
        for view in ("size_score", "ml_metrics", "timed_window", "column_by_event", "timed_event"):
            found[view] = sorted(
                text for (text,) in connection.execute(f"SELECT to_jsonb(v)::text FROM driftline.{view} v")
            )
    return found | of_grafana(url)


def of_grafana(url: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with reading(url) as reader:
        for name, made in dashboards().items():
            chosen = choices(reader, made["templating"]["list"], RANGE, run="r") | {"axis": "event"}  # type: ignore[arg-type]
            found[name] = {k: v for k, v in chosen.items() if k != "segment"}
            for query in queries(made):
                if "now()" in query.target["rawSql"]:
                    continue
                text = on_server(in_browser(query.target["rawSql"], chosen, "1h"), RANGE)
                found[f"{name} {query.where} {query.target.get('refId', '')}"] = ask(
                    reader,
                    text,  # type: ignore[arg-type]
                ).rows
    return found


def of_board(board: Served) -> dict[str, Any]:
    found: dict[str, Any] = {"runs": board.json("/api/runs")}
    for size in ("1h", "6h"):
        shown = board.json("/api/board", run="r", size=size)
        found[f"board {size}"] = {k: v for k, v in shown.items() if k not in ("now", "status", "segments")}
        found[f"status {size}"] = {k: v for k, v in shown["status"].items() if k not in ("now", "age_ms", "stages")}
    window = board.json("/api/window", run="r", size="6h", start=MONDAY)
    found["window"] = {k: v for k, v in window.items() if k != "segments"}
    found["evidence"] = board.json("/api/evidence", run="r", axis="event")
    return found


def test_nobody_who_names_no_segment_sees_their_rows(feed: Feed, tmp_path: Any) -> None:
    ((rows,),) = feed.connection.execute(
        "SELECT count(*) FROM driftline.window_result WHERE segment <> ''"
    ).fetchall()
    assert rows == 2 * (UNTIL // 6) * len(SEGMENTS)
    with serving(Settings(stream=DIVIDED, database_url=feed.url, reports=tmp_path)) as board:
        with_them = of_whole_windows(feed.url) | of_board(board)
    feed.connection.execute("DELETE FROM driftline.window_result WHERE segment <> ''")
    with serving(Settings(stream=DIVIDED, database_url=feed.url, reports=tmp_path)) as board:
        without = of_whole_windows(feed.url) | of_board(board)
    assert [*with_them] == [*without]
    for name, shown in without.items():
        assert with_them[name] == shown, name


def test_a_segment_that_is_named_is_shown(feed: Feed) -> None:
    with reading(feed.url) as connection:
        found = listings.windows(connection, "r", segment="depot=west")
        assert {(row.size_s, row.stream) for row in found} == {(21_600, "events"), (21_600, "labels")}
        assert {row.status for row in found} == {"final"}
        drifted = [row for row in found if row.stream == "events" and row.columns_drifted]
        assert [row.worst_column for row in drifted] == ["prediction"] * len(drifted)
        assert {row.window_start for row in drifted} == {
            row.window_start for row in found if row.window_start >= moment(MONDAY + 30 * HOUR)
        }
        assert not any(row.columns_drifted for row in listings.windows(connection, "r", segment="depot=north"))
        columns = listings.columns_of_window(connection, "r", 21_600, MONDAY, segment="depot=west")
        assert {row.metric for row in columns} == {"drift", "missing_share", "new_share", "q50", "mae"}
        with pytest.raises(UsageError, match="has no segment depot=east") as refused:
            listings.check_segment(connection, "r", "depot=east")
        assert all(segment in refused.value.do for segment in SEGMENTS)
        with pytest.raises(UsageError, match="no such window") as nothing:
            listings.columns_of_window(connection, "r", 3_600, MONDAY, segment="depot=west")
        assert "--segment depot=west" in nothing.value.do


def test_recompute_compares_them(feed: Feed) -> None:
    made = engine(DIVIDED)
    with reading(feed.url) as connection, snapshot_of(connection) as snapshot:
        run, cache = snapshot.known("r", DIVIDED), ChunkCache(8)
        again = Recomputation(snapshot, settings(feed.url), run, made, StubModel())  # type: ignore[arg-type]
        for records in DIVIDED.topics:
            window = WindowKey("r", records, SIZE, MONDAY + 30 * HOUR)
            other = joined_with(DIVIDED, records)
            rows = load_rows(snapshot, window, cache)
            joined = None if other is None else load_rows(snapshot, window.with_records(other), cache)
            assert [*again.compare_summary(window, rows, joined)] == []
    key = "(stream, size_s, window_start) = ('events', 21600, %s) AND segment"
    at = (moment(MONDAY + 30 * HOUR),)
    feed.connection.execute(f"UPDATE driftline.window_result SET rows = 1 WHERE {key} = 'depot=west'", at)
    feed.connection.execute(
        f"UPDATE driftline.column_metric SET value = 9 WHERE {key} = 'depot=south' AND metric = 'drift'"
        " AND column_name = 'weight'",
        at,
    )
    feed.connection.execute(f"DELETE FROM driftline.window_result WHERE {key} = 'depot=north'", at)
    with reading(feed.url) as connection, snapshot_of(connection) as snapshot:
        again = Recomputation(snapshot, settings(feed.url), run, made, StubModel())  # type: ignore[arg-type]
        window = WindowKey("r", DIVIDED.events, SIZE, MONDAY + 30 * HOUR)
        rows = load_rows(snapshot, window, cache)
        found = {difference.figure for difference in again.compare_summary(window, rows, None)}
    assert found == {"depot=west rows", "depot=south weight drift value", "depot=north"}


def test_they_go_with_their_run(feed: Feed) -> None:
    with reading(feed.url) as connection:
        remove_runs(connection, ["r"])
    for table in ("window_result", "column_metric"):
        assert feed.connection.execute(f"SELECT count(*) FROM driftline.{table}").fetchall() == [(0,)]


def test_a_revision_puts_others_in_their_place(database: str) -> None:
    with Feed(database, stream=DIVIDED), open_store(database) as store:
        window = WindowKey("r", DIVIDED.events, SIZE, MONDAY)
        for status, rows, names in (("open", 5, ()), ("provisional", 10, ("a", "b")), ("final", 12, ("a", "c"))):
            columns = (ColumnFigure("weight", "q50", value=float(rows)),)
            figures = WindowFigures(columns=columns, sampled=rows, sufficient=rows > 10)
            segments = tuple(SegmentFigures(f"depot={name}", rows, 0, figures) for name in names)
            with store.claim(window) as claim:
                assert claim is not None
                claim.publish(
                    WindowResult(
                        status=status,  # type: ignore[arg-type]
                        counts=RowCounts(rows),
                        figures=figures,
                        offsets={},
                        segments=segments,
                        closed_at=None if status == "open" else MONDAY,
                    )
                )
    with reading(database) as connection:
        found = connection.execute(
            "SELECT w.segment, w.status, w.revision, w.rows, c.value FROM driftline.window_result w"
            " JOIN driftline.column_metric c USING (run_id, stream, size_s, window_start, segment) ORDER BY 1"
        ).fetchall()
    assert found == [(name, "final", 1, 12, 12.0) for name in ("", "depot=a", "depot=c")]
