"""Real months: calm ones, injected drift, COVID, and the fares of 2022-12-19."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.verdicts.months import (
    SEASON,
    Summaries,
    Trained,
    replayed,
    scenario,
    summaries,
    trained,
    trips,
    weeks,
)
from benchmarks.verdicts.watching import Crossing, Week, aligned, evidence, first_crossing, spliced, watch
from monitor.verdict.ageing import ageing
from monitor.verdict.calibration import Calibration, CalmSeason, calibrate
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.season import DAY, HOUR, holiday_seasons
from schemas.definition import EVENTS
from schemas.durations import duration_text, moment, moment_ms

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
    """A run over months that a model trained on the month before scores."""

    trained: Trained
    live: Summaries
    bent: Mapping[str, Summaries]

    @property
    def layout(self) -> SummaryLayout:
        return self.trained.layout


def replay(training: str, *months: str, period: tuple[int, int] | None = None, bends: Sequence[str] = ()) -> Replay:
    """Score and summarise months, calm and bent from their beginning."""
    known = trained(training, period)
    covered, table = trips(*months)
    bent = {
        name: summaries(replayed(known.model, table, scenario(name, covered)), known.layout, covered)
        for name in bends
    }
    return Replay(known, summaries(replayed(known.model, table), known.layout, covered), bent)


def calm(run: Replay, region: str | None, promise: float = 1.0, seasons: int = 4) -> list[Week]:
    """Watch a run as the monitor does: first from the calm weeks of the training, then from its own."""
    period = run.trained.known[EVENTS].start, run.live[EVENTS].end
    return watch(
        run.layout,
        SEASON,
        weeks(run.trained.known),
        weeks(run.live, whole=False),
        holidays=holiday_seasons(SEASON, region, *period),
        seasons=seasons,
        promise=promise,
    )


def found(
    run: Replay, watched: Sequence[Week], *, renewed: bool = True, seed: int = 7
) -> dict[str, list[tuple[float, str]]]:
    """Inject each drift at random moments; hours until it is found (infinite if missed) and what is named first.

    A drift that lasts into the next week is watched there with the calibration that follows from a week in which it
    has begun, as the monitor would; without `renewed`, with the calibration of the week before.
    """
    random, every = np.random.default_rng(seed), weeks(run.live)
    onsets = [
        (number, week.start + int(hour) * HOUR)
        for number, week in enumerate(every[:-1])
        for hour in random.integers(24, 144, ONSETS)
    ]
    by_start = {week.start: week for week in watched}
    results = {}
    for name, bent in run.bent.items():
        ends = weeks(bent)
        results[name] = [
            _delay(
                run,
                every[number : number + 2],
                ends[number : number + 2],
                by_start[every[number].start],
                onset=onset,
                renewed=renewed,
            )
            for number, onset in onsets
        ]
    return results


def _delay(
    run: Replay,
    usual: Sequence[CalmSeason],
    bent: Sequence[CalmSeason],
    watched: Week,
    *,
    onset: int,
    renewed: bool,
) -> tuple[float, str]:
    parts = {role: spliced(one, bent[0].summaries[role], onset) for role, one in usual[0].summaries.items()}
    first = CalmSeason(usual[0].start, parts)
    crossing = _crossing(watched.calibration, first, onset)
    if crossing is None:
        calibration = watched.calibration
        if renewed and not watched.holidays:
            known = [*_calm_of(run, watched.calibration), first]
            calibration = calibrate(run.layout, SEASON, known[-4:])
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


def covid() -> dict[str, Any]:
    """Reference 2020-03-01 to 03-08, replay of March and April 2020."""
    period = moment_ms("2020-03-01"), moment_ms("2020-03-09")
    run = replay("2020-03", "2020-03", "2020-04", period=period)
    later = {role: one.between(period[1], one.end) for role, one in run.live.items()}
    watched = calm(Replay(run.trained, later, {}), None)
    return {
        "weeks": [described(week) for week in watched],
        "first alarm": next((text(week.crossing.at) for week in watched if week.crossing), None),
        "said": watched[0].calibration.sentence(),
    }


def fares() -> dict[str, Any]:
    """Trained on 2022-01, replay of 2023-01, after the fares had risen on 2022-12-19."""
    run = replay("2022-01", "2023-01")
    watched = calm(run, REGION)
    aged = ageing(run.layout, SEASON, [CalmSeason(0, run.trained.known)], weeks(run.live))
    return {
        "weeks": [described(week) for week in watched],
        "alarms after the first week": sum(week.crossing is not None for week in watched[1:]),
        "ageing": [
            {
                "signal": one.name,
                "moved by": round(one.value, 3),
                "at least": round(one.low, 3),
                "tolerance": one.tolerance,
                "ticket": one.is_beyond,
            }
            for one in aged
        ],
    }


def described(week: Week) -> dict[str, Any]:
    """A week as the report shows it."""
    crossing, calibration = week.crossing, week.calibration
    return {
        "week": f"{moment(week.start):%Y-%m-%d}",
        "holidays": week.holidays,
        "calm weeks": [f"{moment(start):%Y-%m-%d}" for start in calibration.seasons],
        "line set by": str(calibration.set_by),
        "promised": None if calibration.refused else round(calibration.promise.rate, 2),
        "refused": calibration.refused,
        "most evidence": round(week.most[0], 2),
        "by": week.most[1],
        "alarm": None
        if crossing is None
        else f"{crossing.signal} at {duration_text(crossing.size)}, {text(crossing.at)}",
    }


def text(at: int) -> str:
    """A moment for people."""
    return f"{moment(at):%Y-%m-%d %H:%M}"


def delays(results: Mapping[str, Sequence[tuple[float, str]]]) -> dict[str, dict[str, Any]]:
    """Summarise what `found` returned."""
    rows = {}
    for name, each in results.items():
        hours = np.array([hour for hour, _ in each])
        named = [signal for _, signal in each if signal]
        rows[name] = {
            "onsets": len(each),
            "missed": round(float(np.isinf(hours).mean()), 3),
            "median hours": float(np.median(hours)),
            "hours (90 %)": float(np.quantile(hours, 0.9, method="higher")),
            "column or consequence first": round(sum(n in EXPECTED[name] for n in named) / max(len(named), 1), 3),
            "named": dict(Counter(named).most_common()),
        }
    return rows
