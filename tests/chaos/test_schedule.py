"""Schedules are their seed's, and do all that there is to do; a seed that fails is kept and said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import worker
from tests.chaos.schedule import LASTS_S, OVERSLEEPS_S, PLACES, SESSION_S, STAGES, WIRES, drawn

SCHEDULES = [drawn(seed) for seed in range(1, 301)]
ACTS = [act for schedule in SCHEDULES for act in schedule.acts]


def test_a_seed_always_draws_the_same_schedule_and_another_seed_another() -> None:
    assert drawn(7) == drawn(7)
    assert len({schedule.acts for schedule in SCHEDULES}) == len(SCHEDULES)


def test_three_hundred_seeds_do_everything_to_everybody() -> None:
    done = Counter((act.what, act.who) for act in ACTS)
    assert {("kill", who) for who in STAGES} | {("freeze", who) for who in STAGES} <= done.keys()
    assert {("trap", who) for who in STAGES} | {("cut", who) for who in WIRES} <= done.keys()
    assert {("leave", "consumer"), ("join", "consumer"), ("join", "monitor")} <= done.keys()
    assert {("server", "kafka"), ("server", "postgres")} <= done.keys()
    traps = {act.how.partition(":")[0] for act in ACTS if act.what == "trap"}
    assert traps == {f"{who}.{place}" for who, places in PLACES.items() for place in places}


def test_consumers_sleep_beyond_their_session_too() -> None:
    assert any(act.what == "freeze" and act.who == "consumer" and act.lasts > SESSION_S for act in ACTS)
    assert OVERSLEEPS_S > SESSION_S


def test_one_seed_in_five_wakes_a_consumer_that_has_rows_to_write_and_not_its_partition_any_more() -> None:
    zombies = [
        schedule.seed
        for schedule in SCHEDULES
        if any(act.how.startswith("consumer.before_flush") and act.how.endswith(" sleep") for act in schedule.acts)
    ]
    assert len(zombies) > len(SCHEDULES) / 5


def test_all_happens_while_records_come_and_in_order() -> None:
    for schedule in SCHEDULES:
        times = [act.at for act in schedule.acts]
        assert times == sorted(times)
        assert times[-1] <= LASTS_S


def test_a_seed_that_fails_is_kept_with_its_schedule_and_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def survives(_: Any, schedule: Any, __: Path) -> str:
        if schedule.seed == 3:
            pytest.fail("rows: 1 too many")  # as `tests.rows` does
        return "20 windows"

    monkeypatch.setattr(worker, "survives", survives)
    monkeypatch.setattr(worker, "KEPT", tmp_path)
    arena: Any = None
    assert worker.tried(arena, 2) == (False, "20 windows")
    wrong, summary = worker.tried(arena, 3)
    assert wrong
    assert summary.startswith("rows: 1 too many")
    assert [path.name for path in tmp_path.iterdir()] == ["seed-3"]
    assert {path.name for path in (tmp_path / "seed-3").iterdir()} == {"schedule.json", "failure"}
