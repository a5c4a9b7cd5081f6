"""One worker, with servers of its own: schedule after schedule."""

from __future__ import annotations

import shutil
import time
import traceback
from multiprocessing.queues import Queue
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from runtime.connections import STATE
from tests.chaos.arena import Arena, opened
from tests.chaos.schedule import drawn
from tests.chaos.storm import survives

KEPT = STATE / "chaos"


class Outcome(NamedTuple):
    seed: int
    wrong: bool
    summary: str
    seconds: float


def work(seeds: Queue[int | None], outcomes: Queue[Outcome], state: Path, model: Path) -> None:
    """Try seeds until None comes."""
    with opened(state, model) as arena:
        while (seed := seeds.get()) is not None:
            began = time.monotonic()
            wrong, summary = tried(arena, seed)
            outcomes.put(Outcome(seed, wrong, summary, time.monotonic() - began))


def tried(arena: Arena, seed: int) -> tuple[bool, str]:
    """Whether a seed failed, and what there is to say of it. What is left of one that did is kept."""
    folder = KEPT / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    schedule = drawn(seed)
    (folder / "schedule.json").write_bytes(msgspec.json.format(msgspec.json.encode(schedule)))
    try:
        summary = survives(arena, schedule, folder)
    except (Exception, pytest.fail.Exception) as error:  # whatever it is, the next seed is tried too
        (folder / "failure").write_text(traceback.format_exc(), encoding="utf-8")
        return True, f"{' '.join(str(error).split())[:200]} (kept in {folder})"
    shutil.rmtree(folder)
    return False, summary
