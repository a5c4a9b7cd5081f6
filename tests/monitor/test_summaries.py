"""What windows held is stored with their figures, in bins that add up."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.recompute.compare import Recomputation
from monitor.summaries import Summarizer
from monitor.verdict.estimate import Agreement, Estimation, Estimator
from monitor.verdict.season import Season
from monitor.verdict.summary import Summary, decode, error_unit, merge
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from storage import panes
from storage.connect import connect
from storage.panes import ChunkCache, LoadedRows, load_rows
from storage.snapshot import snapshot_of
from storage.windows import WindowKey
from tests.monitor.feed import (
    HOUR,
    MINUTE,
    T0,
    Feed,
    Running,
    StubEngine,
    StubModel,
    fill,
    monitor,
    settings,
    status_of,
    taxi_summarizer,
    until,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def summarizer() -> Summarizer:
    return taxi_summarizer()


def summaries(feed: Feed, summarizer: Summarizer, role: str, size: int) -> dict[int, Summary]:
    """By start, ms."""
    rows = feed.connection.execute(
        "SELECT window_start, payload, rows FROM driftline.window_summary WHERE (stream, size_s) = (%s, %s)",
        (role, size // 1_000),
    ).fetchall()
    found = {round(at.timestamp() * 1_000): decode(payload, summarizer.layout) for at, payload, _ in rows}
    assert [int(found[round(at.timestamp() * 1_000)].rows.sum()) for at, *_ in rows] == [n for *_, n in rows]
    return found


def same(one: Summary, other: Summary) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("rows", "counts", "sums"))


def test_summaries_of_hours_add_up_to_those_of_larger_windows(feed: Feed, summarizer: Summarizer) -> None:
    fill(feed, 12)
    feed.finish()
    monitor(feed.url, StubEngine(summarizer=summarizer), sizes=(HOUR, 6 * HOUR))
    for role in ("events", "labels"):
        hours, whole = (summaries(feed, summarizer, role, size) for size in (HOUR, 6 * HOUR))
        assert (len(hours), len(whole)) == (12, 2)
        for start, summary in whole.items():
            assert summary.rows.sum() == 72
            assert same(merge([hours[start + n * HOUR] for n in range(6)]), summary)


def test_every_row_is_counted_though_figures_take_a_sample(
    feed: Feed, summarizer: Summarizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panes, "REDUCE_FROM", 20)
    engine = StubEngine(summarizer=summarizer)
    monkeypatch.setattr(engine, "sample", lambda stream, rows: rows.slice(0, 5))
    for n in range(10):
        feed.flush(TRIPS, 0, [T0 + n * MINUTE + second for second in range(30)])
    feed.finish()
    monitor(feed.url, engine)
    assert engine.computed[0][1] < 60
    assert summaries(feed, summarizer, "events", HOUR)[T0].rows.sum() == 300


def test_a_window_that_fills_has_no_summary_and_a_revision_replaces_it(feed: Feed, summarizer: Summarizer) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + MINUTE])
    with Running(settings(feed.url, idle_timeout_s=1.0), StubEngine(summarizer=summarizer)):
        until(lambda: status_of(feed.connection, T0) is not None)
        assert not summaries(feed, summarizer, "events", HOUR)
        feed.flush(TRIPS, 0, mark=T0 + 9 * HOUR)
        feed.mark(T0 + 9 * HOUR, [OUTCOMES])
        feed.beat(1, caught_up_s=60)
        until(lambda: status_of(feed.connection, T0) == ("provisional", 2, 0))
        assert summaries(feed, summarizer, "events", HOUR)[T0].rows.sum() == 2
    feed.flush(TRIPS, 1, [T0 + 30 * MINUTE])
    feed.finish()
    monitor(feed.url, StubEngine(summarizer=summarizer))
    assert status_of(feed.connection, T0) == ("final", 3, 1)
    assert summaries(feed, summarizer, "events", HOUR)[T0].rows.sum() == 3


def test_a_window_whose_rows_cannot_be_read_has_none(feed: Feed, summarizer: Summarizer) -> None:
    feed.flush(TRIPS, 0, [T0, T0 + MINUTE])
    feed.finish()
    engine = StubEngine(break_on=lambda rows: rows.num_rows == 2, summarizer=summarizer)
    monitor(feed.url, engine, attempts=1)
    assert status_of(feed.connection, T0) == ("final", 2, 0)
    assert not summaries(feed, summarizer, "events", HOUR)


def test_recompute_names_counts_that_the_log_does_not_give(feed: Feed, summarizer: Summarizer) -> None:
    fill(feed, 2)
    feed.finish()
    engine = StubEngine(summarizer=summarizer)
    monitor(feed.url, engine)
    window = WindowKey("r", TRIPS, HOUR, T0)
    with connect(feed.url) as connection, snapshot_of(connection) as snapshot:
        run = snapshot.known("r", TAXI)
        again = Recomputation(snapshot, settings(feed.url), run, engine, StubModel())  # type: ignore[arg-type]
        rows = load_rows(snapshot, window, ChunkCache(0))
        assert [*again.compare_summary(window, rows, None)] == []
        fewer = LoadedRows(rows.table.slice(1), rows.offsets)
        found = {d.figure: (d.stored, d.computed) for d in again.compare_summary(window, fewer, None)}
    assert found["summary rows"] == (12, 11)
    assert {*found} == {"summary rows", "summary counts"}


def test_the_bins_are_stored_as_they_were_drawn(feed: Feed, summarizer: Summarizer) -> None:
    fill(feed, 1)
    feed.finish()
    monitor(feed.url, StubEngine(summarizer=summarizer))
    stored = feed.connection.execute("SELECT hash, layout::text FROM driftline.summary_layout").fetchall()
    assert stored == [(summarizer.layout.hash, summarizer.layout.encode().decode())]
    found = feed.connection.execute("SELECT DISTINCT layout FROM driftline.window_summary").fetchall()
    assert found == [(summarizer.layout.hash,)]


@pytest.mark.parametrize("refused", [None, "it is a test"])
def test_the_error_of_a_window_is_estimated_when_its_events_have_come(
    feed: Feed, summarizer: Summarizer, refused: str | None
) -> None:
    layout = summarizer.layout
    threes = Estimator(
        layout=layout.hash,
        season=Season(None),
        base=round(3 / error_unit(layout)),
        hours=(0,),
        columns=(),
        usual_strange=0.0,
        agreement=(Agreement(size=HOUR, stretches=9, correlation=None, off=0.5 if refused else 0.1, chance=0.0),),
    )
    fill(feed, 6)
    feed.finish()
    estimating = Summarizer(layout, TAXI, estimation=Estimation(threes, layout))
    monitor(feed.url, StubEngine(summarizer=estimating), sizes=(HOUR, 6 * HOUR))
    rows = feed.connection.execute(
        "SELECT w.stream, count(*), array_agg(DISTINCT w.estimated_mae), array_agg(DISTINCT m.reason)"
        " FROM driftline.window_result w LEFT JOIN driftline.column_metric m"
        " ON (m.run_id, m.stream, m.size_s, m.window_start, m.metric)"
        " = (w.run_id, w.stream, w.size_s, w.window_start, 'estimated_mae') GROUP BY 1 ORDER BY 1"
    ).fetchall()
    events = ([None], [threes.refused]) if refused else ([3.0], [None])
    assert rows == [("events", 7, *events), ("labels", 7, [None], [None])]
