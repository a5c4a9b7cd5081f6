"""SineClusters, a published benchmark of drift detectors, with its generator and metric, through our own code.

Lukats et al. 2024: four columns, of which two change every 5,000 rows how they follow from the other two. Rows come
in cycles of 500. Here a cycle is a day, so that an hour is about 21 rows. The detector is calibrated on the cycles
that follow the last alarm, watches hour by hour, and begins anew after each alarm, as detectors there do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.drift.columns import Floats
from monitor.verdict.calibration import CalmSeason, calibrate
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.season import DAY, HOUR, Season
from monitor.verdict.summary import Summary, summarize_events
from schemas.definition import EVENTS, Field, Records, Stream
from tuning.evidence import evidence

ROWS, EVERY, CYCLE, SEED = 154_987, 5_000, 500, 531_874
NAMES = ("one", "two", "sine", "cosine")
START = 4 * DAY

PUBLISHED = 136.0
"""MTR of the best of seven detectors."""

STREAM = Stream(
    name="sine",
    events=Records(
        topic="sine",
        kind="sine",
        id="id",
        time="at",
        fields=tuple(Field(name=name, type="float", role="number") for name in NAMES),
    ),
    season_ms=DAY,
)


def rows() -> tuple[Floats, list[int]]:
    """The stream as published, shape (rows, 4), and the rows at which it changes."""
    random = np.random.default_rng(SEED)
    angles, out, current = np.linspace(0, 2 * np.pi, CYCLE + 1), np.empty((ROWS, 4)), None
    for start in range(0, ROWS, EVERY):
        for _ in range(6):  # draws of the published generator that this stream does not use
            random.uniform(low=-1, high=1, size=2)
        new = int(random.choice(3, 1)[0])
        while new == current:
            new = int(random.choice(3, 1)[0])
        current, count = new, min(EVERY, ROWS - start)
        at = angles[np.arange(start, start + count) % CYCLE]
        sine, cosine = np.sin(at), np.cos(at)
        first, second = [(sine, cosine), (-sine, cosine), (-cosine, -cosine)][new]
        noise = random.normal(0, 0.25, (count, 4))
        out[start : start + count] = np.stack([first, second, sine, cosine], 1) + noise
    return out, [number * EVERY for number in range(1, ROWS // EVERY)]


def measured(known: Sequence[int], found: Sequence[int]) -> dict[str, float]:
    """The published metric: mean time between false alarms / mean time to detection x share that is found."""
    delays: list[int] = []
    false: list[int] = []
    open_, since = False, 0
    for at in sorted({*known, *found}):
        if at in known:
            open_, since = True, at
        if at in found:
            (delays if open_ else false).append(at - since if open_ else at)
            open_ = False
    between = float(np.mean(np.diff(false))) if len(false) > 1 else float("nan")
    delay = float(np.mean(delays)) if delays else float("nan")
    share = len(delays) / len(known)
    return {
        "MTR": round(between / delay * share, 1),
        "rows between false alarms": round(between),
        "rows to detection": round(delay, 1),
        "missed": round(1 - share, 3),
        "false alarms": len(false),
    }


def watched(values: Floats, cycles: int) -> list[int]:
    """Rows at which an alarm is raised. cycles: that a calibration takes."""
    step, hours = DAY // CYCLE, cycles * 24
    times = START + np.arange(len(values), dtype=np.int64) * step
    plain = {"id": [str(at) for at in range(len(values))], "at": times}
    table = pa.table(plain | {name: values[:, at] for at, name in enumerate(NAMES)})
    layout = SummaryLayout.from_reference(table.slice(0, cycles * CYCLE), STREAM)
    last = len(values) * step // HOUR
    whole = summarize_events(table, layout, STREAM, start=START, size=(last + 1) * HOUR)
    found: list[int] = []
    at = 0
    while at + hours < last:
        hour = _alarm(layout, whole, at, hours, last)
        if hour is None:
            break
        found.append(hour * HOUR // step)
        at = hour
    return found


def _alarm(layout: SummaryLayout, whole: Summary, first: int, hours: int, last: int) -> int | None:
    """The end of the first hour with an alarm, after a calibration that begins with hour `first`."""

    def between(start: int, end: int) -> Summary:
        return whole.between(START + start * HOUR, START + end * HOUR)

    calm = CalmSeason(START + first * HOUR, {EVENTS: between(first, first + hours)})
    calibration = calibrate(layout, Season(DAY), [calm], sizes=(HOUR,))
    for start in range(first + hours, last, hours):
        levels = evidence(calibration, between(start, min(start + hours, last)), EVENTS, HOUR)
        above = np.flatnonzero(levels.max(1) > 1)
        if len(above):
            return start + int(above[0]) + 1
    return None


def table(cycles: Sequence[int] = (8, 6, 4, 3)) -> list[dict[str, Any]]:
    """How well drift is found, by the length of the calibration."""
    values, known = rows()
    return [{"cycles in a calibration": each, **measured(known, watched(values, each))} for each in cycles]
