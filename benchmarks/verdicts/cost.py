"""What alarms cost: the calibration of a month, and each window's evidence."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.verdicts.months import SEASON
from benchmarks.verdicts.real import Replay
from benchmarks.verdicts.watching import scored
from monitor.calibrating import Calibrator
from monitor.verdict.calibration import DEFAULT_SIZES
from monitor.verdict.fold import State, encode_state, fold
from schemas.definition import EVENTS
from schemas.streams.taxi import TAXI
from storage.alarms import WatchTerms

ROUNDS = 5


def calibration(run: Replay) -> dict[str, float]:
    """Seconds of CPU from the rows of the reference to a calibration of all sizes."""
    known, table = run.trained.known[EVENTS], run.trained.model.reference()
    terms = WatchTerms(layout=run.layout.hash, sizes=DEFAULT_SIZES, promise=1.0)

    def once() -> Any:
        made = Calibrator(run.layout, TAXI, table, (known.start, known.end))
        return made.calibrate(SEASON.start(known.end), [], lambda _: {}, terms=terms, excluded=())

    return {"rows": table.num_rows, "seconds": round(_seconds(once), 2)}


def evidence(run: Replay) -> dict[str, float]:
    """Milliseconds of CPU of one window: its scores, and the fold of a window, over a week of all sizes."""
    known = run.trained.known[EVENTS]
    calibrator = Calibrator(run.layout, TAXI, run.trained.model.reference(), (known.start, known.end))
    terms = WatchTerms(layout=run.layout.hash, sizes=DEFAULT_SIZES, promise=1.0)
    start = SEASON.start(run.live[EVENTS].start) + SEASON.length
    measure = calibrator.calibrate(start, [], lambda _: {}, terms=terms, excluded=())
    part = {role: one.between(start, start + SEASON.length) for role, one in run.live.items()}
    lateness = dict.fromkeys(part, 0)
    windows = scored(measure, part, lateness)
    scoring = _seconds(lambda: scored(measure, part, lateness)) / len(windows)

    def one_by_one() -> None:
        state = State()
        for window in windows:
            state = fold(state, [window], measure.watch).state
            encode_state(state)

    return {
        "windows": len(windows),
        "ms to score one": round(scoring * 1_000, 2),
        "ms to fold one, alone": round(_seconds(one_by_one) / len(windows) * 1_000, 2),
    }


def _seconds(once: Callable[[], Any]) -> float:
    """Median seconds of CPU."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        once()
        found.append(time.process_time() - began)
    return float(np.median(found))
