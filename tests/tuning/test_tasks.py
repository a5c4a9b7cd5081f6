"""Tuning consists of parts that are done once, whoever does them, and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.verdict.season import DAY, HOUR
from producer import scenarios
from producer.drift import Moment
from producer.drift_kinds import Lost, NewCategory
from schemas.definition import Field
from schemas.streams.taxi import TAXI
from tests.streams import flights, payments
from tests.tuning.made import UNTIL, history, plan, scale, scenario
from tuning import pool, tasks
from tuning.tasks import (
    CalmTask,
    DriftTask,
    PowerTask,
    Task,
    drift_tasks,
    power_tasks,
    read_calm,
    read_drift,
    read_power,
)
from tuning.trials import Trials

STRONG = DriftTask(scenario(scale(2.0)), 1.0)
TASKS: list[Task] = [CalmTask(0), CalmTask(1), STRONG]


def files(store: pool.Store) -> dict[str, tuple[bytes, int]]:
    """What is kept of tasks, and when it was written."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in store.folder.glob("*.json")}


@pytest.mark.parametrize(("type", "top", "value"), [("int", "5.0", 5), ("float", "2.5", 2.5), ("str", "74", "74")])
def test_what_a_category_becomes_is_of_its_type(type: Any, top: str, value: Any) -> None:
    for _, drift in tasks._levels(Field(name="zone", type=type, role="category"), top):
        assert isinstance(drift, NewCategory)
        assert drift.becomes == value
        assert isinstance(drift.becomes, value.__class__)


def test_what_was_done_is_not_done_again_and_what_is_missing_is(tmp_path: Path) -> None:
    store, done = pool.Store(tmp_path, history(), plan()), list[Task]()
    pool.run(store, TASKS[:2], 1, done.append)
    before = files(store)
    again = pool.Store(tmp_path, history(), plan())
    pool.run(again, TASKS, 1, done.append)
    assert done == TASKS
    assert {name: after for name, after in files(again).items() if name in before} == before
    assert len(files(again)) == 3
    assert again.missing(TASKS) == []
    assert {path.suffix for path in again.folder.iterdir()} == {".json"}  # what only workers need is gone


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    kept = []
    for jobs in (1, 2):
        store = pool.Store(tmp_path / str(jobs), history(), plan(onsets=3))
        pool.run(store, TASKS, jobs, lambda _: None)
        kept.append({name: content for name, (content, _) in files(store).items()})
    assert kept[0] == kept[1]


def test_another_plan_or_stream_is_kept_apart(tmp_path: Path) -> None:
    folders = {
        pool.Store(tmp_path, history(*stream), made).folder
        for stream in ((), (flights.STREAM,))
        for made in (plan(), plan(seed=8), plan((HOUR,)))
    }
    assert len(folders) == 6


def test_results_are_read_as_they_were_found(tmp_path: Path) -> None:
    store, trials = pool.Store(tmp_path, history(), plan()), Trials(history(), plan())
    pool.run(store, TASKS, 1, lambda _: None)
    assert read_calm(store.read(CalmTask(1))) == trials.calm(1)
    assert read_drift(store.read(STRONG)) == trials.injected(STRONG.scenario)


def test_a_strength_that_changes_nothing_is_not_tried_twice() -> None:
    gone = scenario(Lost(share=1.0, starts_at=Moment(0), ends_at=Moment(1)), name="gone")
    found = [(one.scenario.name, one.strength) for one in drift_tasks([gone, STRONG.scenario], (0.5, 1.0, 2.0))]
    assert found == [("gone", 1.0), ("gone", 0.5), ("dearer", 1.0), ("dearer", 0.5), ("dearer", 2.0)]
    assert len({one.name for one in drift_tasks([gone], (0.5, 1.0))}) == 2


@pytest.mark.parametrize("name", scenarios.shipped())
def test_every_shipped_scenario_can_be_half_and_twice_as_strong(name: str) -> None:
    loaded = scenarios.load(name, TAXI, (UNTIL, UNTIL + 8 * DAY))
    for strength in (0.5, 2.0):
        assert [drift.check(TAXI) for drift in loaded.scaled(strength).drifts] == [None] * len(loaded.drifts)
    assert loaded.scaled(0.5) != loaded


def test_the_power_table_has_a_row_for_each_column_but_the_prediction_and_for_the_label() -> None:
    assert [one.column for one in power_tasks(payments.STREAM, history().layout)] == ["country", "amount"]
    known = power_tasks(flights.STREAM, history(flights.STREAM).layout)
    assert [one.column for one in known] == ["carrier", "stand", "distance", "seats", "delay"]
    for one in known:
        assert [d.check(flights.STREAM) for _, s in one.levels for d in s.drifts] == [None] * len(one.levels)


def test_the_smallest_change_that_shows_grows_as_time_gets_shorter(tmp_path: Path) -> None:
    task = next(one for one in power_tasks(payments.STREAM, history().layout) if one.column == "amount")
    store = pool.Store(tmp_path, history(), plan((6 * HOUR,)))
    pool.run(store, [task], 1, lambda _: None)
    (found,) = read_power(store.read(task))
    texts = [text for text, _ in task.levels]
    places = [texts.index(found.least[horizon] or texts[-1]) for horizon in ("1d", "3d", "7d")]
    assert places == sorted(places, reverse=True)
    assert found.least["7d"] is not None
    assert isinstance(task, PowerTask)
