"""Watching weeks of summaries as the monitor does: calibrated anew each week, from the calm weeks before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats, Ints
from monitor.verdict.calibration import Calibration, CalmSeason, Key, calibrate
from monitor.verdict.evidence import allowances, cusum
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.season import HOUR, Season
from monitor.verdict.summary import Summary, merge
from schemas.definition import EVENTS, Role


@dataclass(frozen=True)
class Crossing:
    """Where evidence first crosses the line. at: end of the window, ms."""

    at: int
    role: Role
    size: int
    signal: str
    value: float


@dataclass(frozen=True)
class Week:
    """A week that was watched.

    Attributes:
        start: ms.
        calibration: That it was watched with.
        holidays: That fall in it; '' for none.
        curves: By role and size, ends of the windows and evidence in units of the line.
        crossing: The alarm, if any.
        most: The most evidence, and by which signal.
    """

    start: int
    calibration: Calibration
    holidays: str
    curves: Mapping[Key, tuple[Ints, Floats]]
    crossing: Crossing | None
    most: tuple[float, str]


def watch(
    layout: SummaryLayout,
    season: Season,
    before: Sequence[CalmSeason],
    live: Sequence[CalmSeason],
    *,
    holidays: Mapping[int, str],
    seasons: int = 4,
    promise: float = 1.0,
) -> list[Week]:
    """Watch weeks one after the other; each is calm for those after it, unless a holiday falls in it."""
    known = [week for week in before if season.start(week.start) not in holidays]
    found: list[Week] = []
    calibration: Calibration | None = None
    for week in live:
        calm = known[-seasons:]
        if calibration is None or calibration.seasons != tuple(one.start for one in calm):
            calibration = calibrate(layout, season, calm, promise=promise)
        begin = season.start(week.start)
        found.append(watched_week(calibration, week, holidays.get(begin, "")))
        if week.start == begin and week.summaries[EVENTS].size == season.length and begin not in holidays:
            known.append(week)
    return found


def watched_week(calibration: Calibration, week: CalmSeason, holidays: str = "") -> Week:
    """Watch one week."""
    curves: dict[Key, tuple[Ints, Floats]] = {}
    crossings: list[Crossing] = []
    most = (0.0, "")
    for role, size in calibration.watched:
        summary = aligned(week.summaries[role], size)
        if not len(summary.rows):
            continue
        found = evidence(calibration, summary, role, size)
        ends = summary.start + size * (1 + np.arange(len(found)))
        names = [signal.name for signal in calibration.signals(role)]
        curves[role, size] = ends, found.max(1)
        most = max(most, (float(found.max()), f"{names[int(found.max(0).argmax())]} at {size // HOUR} h"))
        crossings += first_crossing(found, ends, (role, size), names)
    first = min(crossings, key=lambda c: (c.at, -c.value), default=None)
    return Week(week.start, calibration, holidays, curves, first, most)


def evidence(calibration: Calibration, summary: Summary, role: Role, size: int) -> Floats:
    """Evidence in units of the line after each window of a week, shape (windows, signals)."""
    k = allowances(calibration.signals(role), size)
    return cusum(calibration.z(summary, size), k) / calibration.lines[role, size]


def first_crossing(found: Floats, ends: Ints, key: Key, names: Sequence[str], *, after: int = 0) -> list[Crossing]:
    """The first window that ends after a moment and whose evidence is above the line; [] if there is none."""
    above = np.flatnonzero((found.max(1) > 1) & (ends > after))
    if not len(above):
        return []
    at = above[0]
    return [Crossing(int(ends[at]), *key, names[int(found[at].argmax())], float(found[at].max()))]


def aligned(summary: Summary, size: int) -> Summary:
    """The part of a summary that whole windows of a size cover."""
    return summary.between(-(-summary.start // size) * size, summary.end // size * size)


def spliced(calm: Summary, bent: Summary, onset: int) -> Summary:
    """One summary until the onset, the other from there on; both of the same stretch."""
    return merge([calm.between(calm.start, onset), bent.between(onset, bent.end)])
