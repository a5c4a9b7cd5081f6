"""A plan, driven without a database: its questions are answered from plain dictionaries."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.scheduling.plan import BATCH, OPEN_SHOWN, RunPlan, Track
from monitor.scheduling.plan_queries import FirstPane, LastPane, PlanQuery, WindowsBetween
from monitor.scheduling.readiness import RunProgress, Watermarks, start_of
from schemas.definition import Records, Stream
from schemas.status import WindowStatus
from schemas.streams.taxi import OUTCOMES, STREAMS, TAXI, TRIPS
from schemas.watermark import END, NEVER
from storage.windows import RowCounts, StoredRun, WindowKey, WindowScan, WrittenResult
from tests.monitor.feed import HOUR, MINUTE, PANE, T0

RUN = StoredRun("r", TAXI, PANE, {"events": 10 * MINUTE, "labels": 2 * HOUR}, None)


@dataclass
class Tables:
    """panes: rows by topic and start. written: results by topic, size and start. asked: all queries, in order."""

    panes: dict[str, dict[int, int]] = field(default_factory=lambda: {s.topic: {} for s in STREAMS})
    written: dict[tuple[str, int, int], WrittenResult] = field(default_factory=dict)
    asked: list[PlanQuery] = field(default_factory=list)

    def run(self, steps: Generator[PlanQuery, Any, list[Track]]) -> list[Track]:
        answer: Any = None
        while True:
            try:
                query = steps.send(answer)
            except StopIteration as end:
                moved: list[Track] = end.value
                return moved
            self.asked.append(query)
            answer = self.answer(query)

    def answer(self, query: PlanQuery) -> Any:
        panes = self.panes[query.records.topic]
        match query:
            case FirstPane(_, at):
                return min((start for start in panes if start >= at), default=None)
            case LastPane():
                return max(panes, default=None)
            case WindowsBetween(records, joined, size, start, end):
                assert joined is (TRIPS if records is OUTCOMES else None)
                return self.scan(records, size, start, end)

    def scan(self, stream: Records, size: int, start: int, end: int) -> WindowScan:
        holds = self.rows(stream, size, start, end)
        joined = self.rows(TRIPS, size, start, end) if stream is OUTCOMES else {}
        results = {
            at: result
            for (topic, of_size, at), result in self.written.items()
            if (topic, of_size) == (stream.topic, size) and start <= at < end
        }
        return WindowScan(
            size, start, end, {at: RowCounts(n, joined.get(at, 0)) for at, n in holds.items()}, results
        )

    def rows(self, stream: Records, size: int, start: int, end: int) -> dict[int, int]:
        found: dict[int, int] = {}
        for pane, rows in self.panes[stream.topic].items():
            at = start_of(pane, size)
            if start <= at < end:
                found[at] = found.get(at, 0) + rows
        return found

    def add(self, *times: int, stream: Records = TRIPS) -> None:
        for time in times:
            at = start_of(time, PANE)
            self.panes[stream.topic][at] = self.panes[stream.topic].get(at, 0) + 1

    def write(self, window: WindowKey, status: WindowStatus) -> None:
        """What a monitor leaves of a window that it computed now."""
        held = self.scan(window.records, window.size, window.start, window.end).holds[window.start]
        self.written[window.records.topic, window.size, window.start] = WrittenResult(status, held)


def at(watermark: int, strict: int | None = None, position: int = 0) -> RunProgress:
    """Both streams have come so far."""
    marks = Watermarks(watermark, watermark if strict is None else strict)
    return RunProgress({s.role: marks for s in STREAMS}, {s.role: 0 for s in STREAMS}, 0, position)


def work(plan: RunPlan, tables: Tables, progress: RunProgress, now: float = 0.0) -> list[WindowKey]:
    """Plan and compute until nothing is left to do at once; the windows, in order."""
    done: list[WindowKey] = []
    for _ in range(1_000):
        tables.run(plan.refill(progress, now))
        while plan.queue:
            window = plan.queue.popleft()
            tables.write(window, progress.watermarks[window.records.role].closing(window.end))
            plan.settled(window)
            done.append(window)
        if not plan.busy:
            return done
    pytest.fail("the plan never comes to rest")


def plan_of(*sizes: int, min_rows: int = 1) -> RunPlan:
    return RunPlan(RUN, sizes, {}, 0.0, min_rows)


def test_windows_come_by_their_end_and_small_before_large() -> None:
    tables = Tables()
    tables.add(*(T0 + n * HOUR for n in range(3)))
    done = work(plan_of(3 * HOUR, HOUR), tables, at(T0 + 3 * HOUR))
    assert [(w.size, w.start) for w in done] == [
        (HOUR, T0),
        (HOUR, T0 + HOUR),
        (HOUR, T0 + 2 * HOUR),
        (3 * HOUR, T0),
    ]


def test_nothing_is_asked_of_a_run_that_is_at_rest_until_it_moves() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(T0)
    work(plan, tables, at(T0 + HOUR, position=1))
    assert plan.quiet
    tables.asked.clear()
    tables.run(plan.refill(at(T0 + HOUR, position=1), 0.0))
    assert tables.asked == []
    tables.run(plan.refill(at(T0 + HOUR, position=2), 0.0))
    assert tables.asked


def test_a_run_at_rest_that_is_set_back_is_planned_again() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(T0, T0 + HOUR)
    work(plan, tables, at(END))
    assert plan.done
    assert plan.quiet
    tables.add(T0)
    plan.set_back(plan.tracks[0], T0)
    assert [window.start for window in work(plan, tables, at(END))] == [T0]
    assert plan.done


def test_the_frontier_follows_what_is_final_and_not_what_is_provisional() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(T0, T0 + HOUR)
    work(plan, tables, at(T0 + 2 * HOUR, strict=T0 + HOUR))
    assert {t.records.role: t.frontier for t in plan.tracks} == {"events": T0 + HOUR, "labels": T0 + HOUR}
    work(plan, tables, at(END))
    assert [result.status for result in tables.written.values()] == ["final", "final"]
    assert plan.done


def test_old_rows_in_a_provisional_window_are_found_once_it_closes_again() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(T0)
    work(plan, tables, at(T0 + HOUR, strict=NEVER, position=1))
    tables.add(T0 + 1)
    assert [w.start for w in work(plan, tables, at(T0 + HOUR, position=2))] == [T0]
    assert tables.written["trips", HOUR, T0] == WrittenResult("final", RowCounts(2))


def test_a_provisional_window_that_got_rows_is_revised_though_its_frontier_cannot_move() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(T0)
    work(plan, tables, at(T0 + HOUR, strict=NEVER, position=1))
    tables.add(T0 + 1)
    assert [w.start for w in work(plan, tables, at(T0 + HOUR, strict=NEVER, position=2), now=1.0)] == [T0]
    assert tables.written["trips", HOUR, T0] == WrittenResult("provisional", RowCounts(2))


def test_a_long_run_is_planned_in_batches_and_none_of_it_is_passed_over() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    hours = 3 * BATCH + 5
    tables.add(*(T0 + n * HOUR for n in range(hours)))
    tables.run(plan.refill(at(END), 0.0))
    assert len(plan.queue) == BATCH
    assert [w.start for w in work(plan_of(HOUR), tables, at(END))] == [T0 + n * HOUR for n in range(hours)]


def test_the_newest_open_windows_are_shown_one_at_a_time_when_nothing_closes() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(*(T0 + n * HOUR for n in range(6)))
    progress = at(T0)
    tables.run(plan.refill(progress, 0.0))
    assert len(plan.queue) == 1
    done = work(plan, tables, progress)
    assert [w.start for w in done] == [T0 + n * HOUR for n in range(6 - OPEN_SHOWN, 6)]
    assert {tables.written["trips", HOUR, w.start].status for w in done} == {"open"}


def test_an_open_window_is_not_computed_before_it_has_the_rows_of_a_verdict() -> None:
    tables, plan = Tables(), plan_of(HOUR, min_rows=3)
    tables.add(T0, T0 + 1)
    assert work(plan, tables, at(T0, position=1)) == []
    tables.add(T0 + 2)
    assert [w.start for w in work(plan, tables, at(T0, position=2), now=1.0)] == [T0]
    assert tables.written["trips", HOUR, T0] == WrittenResult("open", RowCounts(3))


def test_a_closed_window_is_computed_however_few_rows_it_has() -> None:
    for progress in (at(T0 + HOUR), at(T0 + HOUR, strict=NEVER)):
        tables, plan = Tables(), plan_of(HOUR, min_rows=3)
        tables.add(T0)
        assert [w.start for w in work(plan, tables, progress)] == [T0]


def test_a_window_that_failed_waits_and_holds_up_nobody() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(T0, T0 + HOUR)
    tables.run(plan.refill(at(T0 + 2 * HOUR), 0.0))
    bad = plan.queue.popleft()
    tried = plan.failed(bad, "broken", 0.0)
    assert [w.start for w in work(plan, tables, at(T0 + 2 * HOUR), now=tried.at / 2)] == [T0 + HOUR]
    assert [w.start for w in work(plan, tables, at(T0 + 2 * HOUR), now=tried.at)] == [T0]


def test_a_window_with_another_monitor_is_looked_at_again_soon_and_known_to_be_withheld() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(T0)
    tables.run(plan.refill(at(END), 0.0))
    window = plan.queue.popleft()
    plan.taken(window, 7.0)
    assert plan.withheld(6.9) == []
    assert plan.withheld(7.0) == [window]
    assert work(plan, tables, at(END), now=7.01) == []
    assert work(plan, tables, at(END), now=8.0) == [window]
    assert plan.withheld(9.0) == []


def test_a_stream_without_labels_is_planned_and_done_without_them() -> None:
    alone = Stream(name="alone", events=TRIPS)
    tables, plan = Tables(), RunPlan(StoredRun("r", alone, PANE, {"events": 0}, None), [HOUR], {}, 0.0, 1)
    tables.add(T0)
    events = Watermarks(END, END)
    done = work(plan, tables, RunProgress({"events": events}, {"events": 0}, 0, 1))
    assert [w.records for w in done] == [TRIPS]
    assert plan.done


def test_labels_are_planned_when_their_events_change_too() -> None:
    tables, plan = Tables(), plan_of(HOUR)
    tables.add(T0, stream=OUTCOMES)
    tables.add(T0)
    work(plan, tables, at(T0 + HOUR, strict=NEVER, position=1))
    tables.add(T0 + 1)
    work(plan, tables, at(END, position=2))
    assert tables.written["outcomes", HOUR, T0] == WrittenResult("final", RowCounts(1, 2))


arrivals = st.lists(st.tuples(st.sampled_from(STREAMS), st.integers(0, 30 * 60)), max_size=40)  # minutes after T0
steps = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), arrivals), max_size=6)


@given(steps, arrivals)
def test_whatever_came_in_whatever_order_every_row_is_in_a_final_window_in_the_end(
    history: list[tuple[int, int, list[tuple[Records, int]]]], last: list[tuple[Records, int]]
) -> None:
    """Rows never join a window behind the strict watermark: consumers see to that."""
    tables, plan = Tables(), plan_of(HOUR, 6 * HOUR)
    strict = now = position = 0
    for hours, idle, rows in [*history, (40, 0, last)]:
        position += 1
        now += 10
        for stream, minute in rows:
            tables.add(T0 + max(minute, 60 * strict) * MINUTE, stream=stream)
        strict = max(strict, hours)
        work(plan, tables, at(T0 + (strict + idle) * HOUR, strict=T0 + strict * HOUR, position=position), now)
    work(plan, tables, at(END, position=position + 1), now + 10.0)
    assert plan.done
    for track in plan.tracks:
        held = tables.scan(track.records, track.size, 0, END)
        assert {start: result.counts for start, result in held.written.items()} == held.holds
        assert {result.status for result in held.written.values()} <= {"final"}
