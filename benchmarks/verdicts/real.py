"""Real months: calm ones, injected drift, COVID, and the fares of 2022-12-19."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.calm import SIZES, flagged, windows
from benchmarks.verdicts.months import (
    SEASON,
    Summaries,
    Trained,
    files,
    replayed,
    scenario,
    summaries,
    trained,
    trips,
    weeks,
)
from benchmarks.verdicts.watching import Followed, Week, first_harm, follow
from monitor.calibrating import Calibrator
from monitor.drift.figures import Config
from monitor.evidently.reference import Reference
from monitor.evidently.window_figures import event_figures
from monitor.verdict.calibration import Calibration, CalmSeason, calibrate
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.lifecycle import Alarm
from monitor.verdict.record import record
from monitor.verdict.season import DAY, HOUR, short_seasons
from producer.sources.selection import from_files
from schemas.alarm_text import headline
from schemas.definition import EVENTS, LABELS
from schemas.durations import moment, moment_ms
from schemas.streams.taxi import TAXI, TRIPS
from tuning.evidence import Crossing, aligned, evidence, first_crossing, spliced

REGION = "US-NY"
ONSETS = 6
"""In each week."""

WITHIN = 7 * DAY
"""A drift that is found later than this counts as missed."""

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "miles-to-km": ("trip_distance", "prediction", "error"),
    "fare-rise": ("fare_amount", "total_amount"),
    "slower-traffic": ("duration_min", "error"),
    "zone-closed": ("PULocationID",),
}
"""The column that is bent, and what follows from it."""


@dataclass(frozen=True)
class Replay:
    """A run over months that a model trained on the month before scores.

    Attributes:
        trained: The model.
        live: What the run holds, hour by hour.
        bent: The same by drift, bent from its beginning.
        tables: The scored trips: `calm`, and by drift.
    """

    trained: Trained
    live: Summaries
    bent: Mapping[str, Summaries]
    tables: Mapping[str, pa.Table]

    @property
    def layout(self) -> SummaryLayout:
        return self.trained.layout


def replay(training: str, *months: str, period: tuple[int, int] | None = None, bends: Sequence[str] = ()) -> Replay:
    """Score and summarise months, calm and bent from their beginning."""
    known = trained(training, period)
    covered, table = trips(*months)
    tables = {"calm": replayed(known.model, table)}
    tables |= {name: replayed(known.model, table, scenario(name, covered)) for name in bends}
    found = {name: summaries(scored, known.layout, covered) for name, scored in tables.items()}
    return Replay(known, found.pop("calm"), found, tables)


def calm(run: Replay, region: str | None, promise: float = 1.0) -> Followed:
    """Watch a run as the monitor does: first from the calm weeks of the training, then from its own."""
    known = run.trained.known[EVENTS]
    calibrator = Calibrator(run.layout, TAXI, run.trained.model.reference(), (known.start, known.end))
    return follow(calibrator, TAXI, run.live, region=region, promise=promise)


def onsets(run: Replay, seed: int = 7) -> list[tuple[int, int]]:
    """Random moments: number of a whole week of the run, and ms."""
    random = np.random.default_rng(seed)
    return [
        (number, week.start + int(hour) * HOUR)
        for number, week in enumerate(weeks(run.live)[:-1])
        for hour in random.integers(24, 144, ONSETS)
    ]


def found(run: Replay, watched: Sequence[Week], promise: float = 1.0) -> dict[str, list[tuple[float, str]]]:
    """Inject each drift at random moments; hours until it is found (infinite if missed) and what is named first.

    A drift that lasts into the next week is watched there as the monitor would: with a calibration that counts the
    week in which it began as calm, since nobody has excluded it.
    """
    every, by_start = weeks(run.live), {week.start: week for week in watched}
    results = {}
    for name, bent in run.bent.items():
        ends = weeks(bent)
        results[name] = [
            _delay(
                run,
                every[n : n + 2],
                ends[n : n + 2],
                [by_start[week.start].calibration for week in every[n : n + 2]],
                onset=onset,
                promise=promise,
            )
            for n, onset in onsets(run)
        ]
    return results


def harmed(run: Replay, watched: Sequence[Week]) -> dict[str, list[float]]:
    """Hours until the error of a day is harm by itself, from the same moments as `found`; infinite if missed."""
    every, by_start = weeks(run.live), {week.start: week.calibration for week in watched}
    results: dict[str, list[float]] = {}
    for name, bent in run.bent.items():
        ends = weeks(bent)
        for n, onset in onsets(run):
            both = [by_start[week.start] for week in every[n : n + 2]]
            first = spliced(every[n].summaries[LABELS], ends[n].summaries[LABELS], onset)
            at = first_harm(both, [first, ends[n + 1].summaries[LABELS]], after=onset)
            is_found = at is not None and at - onset <= WITHIN
            results.setdefault(name, []).append(((at or 0) - onset) / HOUR if is_found else float("inf"))
    return results


def _delay(
    run: Replay,
    usual: Sequence[CalmSeason],
    bent: Sequence[CalmSeason],
    calibrations: Sequence[Calibration],
    *,
    onset: int,
    promise: float,
) -> tuple[float, str]:
    parts = {role: spliced(one, bent[0].summaries[role], onset) for role, one in usual[0].summaries.items()}
    first = CalmSeason(usual[0].start, parts)
    crossing = _crossing(calibrations[0], first, onset)
    if crossing is None:
        days = {**calibrations[0].left_out, **calibrations[1].left_out}
        known = [*_calm_of(run, calibrations[0]), *([] if first.start in short_seasons(SEASON, days) else [first])]
        calm = [week.without(days) for week in known[-4:]]
        calibration = calibrate(run.layout, SEASON, calm, promise=promise).leaving_out(days)
        crossing = _crossing(calibration, bent[1], onset)
    if crossing is None or crossing.at - onset > WITHIN:
        return float("inf"), ""
    return (crossing.at - onset) / HOUR, crossing.signal


def _calm_of(run: Replay, calibration: Calibration) -> list[CalmSeason]:
    return [week for week in (*weeks(run.trained.known), *weeks(run.live)) if week.start in calibration.seasons]


def _crossing(calibration: Calibration, week: CalmSeason, onset: int) -> Crossing | None:
    crossings: list[Crossing] = []
    for role, size in calibration.watched:
        summary = aligned(week.summaries[role], size)
        names = [signal.name for signal in calibration.signals(role)]
        levels = evidence(calibration, summary, role, size)
        ends = summary.start + size * (1 + np.arange(len(levels)))
        crossings += first_crossing(levels, ends, (role, size), names, after=onset)
    return min(crossings, key=lambda c: (c.at, -c.value), default=None)


def covid() -> tuple[Replay, Followed]:
    """Reference 2020-03-01 to 03-08, replay of March and April 2020 from there on."""
    period = moment_ms("2020-03-01"), moment_ms("2020-03-09")
    run = replay("2020-03", "2020-03", "2020-04", period=period)
    later = {role: one.between(period[1], one.end) for role, one in run.live.items()}
    after = Replay(run.trained, later, {}, {})
    return after, calm(after, None)


def called(run: Replay, first: int, last: int) -> int | None:
    """When an alarm first says that the model is hurt, ms: the end of the first six hours after which one does.

    Args:
        run: The run.
        first: From when on to look, ms.
        last: Until when; None is returned if nothing is said by then.
    """
    for end in range(first // (6 * HOUR) * 6 * HOUR, last + 1, 6 * HOUR):
        until = {role: one.between(one.start, end) for role, one in run.live.items()}
        if any(
            alarm.harm in ("concept", "both") for alarm in calm(Replay(run.trained, until, {}, {}), None).alarms
        ):
            return end
    return None


def fares() -> tuple[Replay, Followed]:
    """Trained on 2022-01, replay of 2023-01, after the fares had risen on 2022-12-19."""
    run = replay("2022-01", "2023-01")
    return run, calm(run, REGION)


def red_cells(run: Replay, months: Sequence[str]) -> list[dict[str, Any]]:
    """How much of the heat map is red in calm months, at each window size."""
    reference = Reference.from_table(run.trained.model.reference(), TAXI, Config())
    table = run.tables["calm"].sort_by(TRIPS.time)
    rows = []
    for name, size in SIZES.items():
        found = [
            event_figures(part, reference, Config(), span)
            for month in months
            for span, part in windows(from_files(files(month)), table, size)
        ]
        cells, any_cell = flagged(found)
        rows.append(
            {
                "size": name,
                "windows": len(found),
                "red cells": round(cells, 4),
                "windows with one": round(any_cell, 3),
            }
        )
    return rows


def described(week: Week, followed: Followed) -> dict[str, Any]:
    """A week as the report shows it."""
    calibration = week.calibration
    return {
        "week": f"{moment(week.start):%Y-%m-%d}",
        "holidays": week.holidays,
        "calm weeks": [f"{moment(start):%m-%d}" for start in calibration.seasons],
        "line set by": str(calibration.set_by),
        "promised a month": None if calibration.refused else round(calibration.promise.rate, 2),
        "refused": calibration.refused,
        "most evidence": round(week.most[0], 2),
        "by": week.most[1],
        "alarms": [told(alarm) for alarm in followed.changes(week, SEASON.length)],
    }


def told(alarm: Alarm) -> str:
    """An alarm for people."""
    fired = text(alarm.fired_at or 0)
    until = f"recovered {text(alarm.recovered_at)}" if alarm.recovered_at else "not recovered"
    said = headline(record(alarm, "run", TAXI, 1.0).message)
    return f"{said} (fired {fired}, {until})"


def text(at: int) -> str:
    """A moment for people."""
    return f"{moment(at):%Y-%m-%d %H:%M}"


def delay(hours: Sequence[float]) -> dict[str, Any]:
    """Summarise hours until something is found; infinite where it is missed."""
    return {
        "onsets": len(hours),
        "missed": round(float(np.isinf(hours).mean()), 3),
        "median hours": float(np.median(hours)),
        "hours (90 %)": float(np.quantile(hours, 0.9, method="higher")),
    }


def delays(results: Mapping[str, Sequence[tuple[float, str]]]) -> dict[str, dict[str, Any]]:
    """Summarise what `found` returned."""
    rows = {}
    for name, each in results.items():
        named = [signal for _, signal in each if signal]
        rows[name] = {
            **delay([hour for hour, _ in each]),
            "column or consequence first": round(sum(n in EXPECTED[name] for n in named) / max(len(named), 1), 3),
            "named": dict(Counter(named).most_common()),
        }
    return rows
