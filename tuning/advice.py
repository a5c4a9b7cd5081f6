"""From scores to advice: who is best at what, one recommendation in words, and what each size can see. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, sqrt

import msgspec
import numpy as np

from monitor.verdict.season import DAY, HOUR, WEEK
from schemas.durations import approximate_duration, duration_text
from tuning.plan import WITHIN, Candidate
from tuning.scores import CalmScore, DriftScore

HORIZONS = (DAY, 3 * DAY, WEEK)
"""Of the power table."""

FEW_WEEKS = 8
"""With fewer calm weeks false alarms can hardly be told from chance."""

_LIMIT = WITHIN / HOUR


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate among the others.

    Attributes:
        calm: In weeks without a drift.
        delay: Mean hours until a drift is found, over all drifts alike; one that is missed counts as a week.
        missed: Share of drifts that are missed.
        in_time: Share found within the worst delay that is tolerated.
        error: Its standard error.
        is_on_front: Whether no other is at least as good in delay, false alarms and windows, and better in one.
    """

    calm: CalmScore
    delay: float
    missed: float
    in_time: float
    error: float
    is_on_front: bool = False

    @property
    def candidate(self) -> Candidate:
        return self.calm.candidate


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest change of a column that most onsets show.

    Attributes:
        candidate: To whom.
        column: Of the stream.
        change: What was tried, in words.
        least: By horizon, ms as text: the smallest that was seen within it at half of the onsets or more; None:
            none of those that were tried.
    """

    candidate: Candidate
    column: str
    change: str
    least: Mapping[str, str | None]


def standings(calm: Sequence[CalmScore], drifts: Sequence[DriftScore], worst_delay: int) -> list[Standing]:
    """Compare candidates by the drifts as they come (strength 1, or the nearest to it that was tried).

    Args:
        calm: Of all candidates.
        drifts: Of all candidates and drifts.
        worst_delay: That is tolerated, ms.
    """
    strength = min((one.strength for one in drifts), key=lambda each: abs(each - 1), default=1.0)
    found = [
        _standing(one, [d for d in drifts if d.candidate == one.candidate and d.strength == strength], worst_delay)
        for one in calm
        if len(one.unwatched) < len(one.candidate.sizes)
    ]
    return [msgspec.structs.replace(one, is_on_front=not any(_beats(o, one) for o in found)) for one in found]


def _standing(calm: CalmScore, drifts: Sequence[DriftScore], worst_delay: int) -> Standing:
    """Drifts count alike, however many of their onsets do."""
    hours = [np.array([_LIMIT if h is None else h for h in one.hours]) for one in drifts if one.hours]
    missed = [one.missed for one in drifts if one.missed is not None]
    in_time = [float((each <= worst_delay / HOUR).mean()) for each in hours]
    error = sqrt(sum(p * (1 - p) / len(h) for p, h in zip(in_time, hours, strict=True))) / max(len(hours), 1)
    return Standing(
        calm=calm,
        delay=float(np.mean([each.mean() for each in hours])) if hours else _LIMIT,
        missed=float(np.mean(missed)) if missed else 1.0,
        in_time=float(np.mean(in_time)) if in_time else 0.0,
        error=error,
    )


def _cost(one: Standing) -> tuple[float, float, float]:
    return one.delay, one.calm.realised, one.candidate.windows_a_day


def _beats(other: Standing, one: Standing) -> bool:
    pairs = [*zip(_cost(other), _cost(one), strict=True)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def keeps(calm: CalmScore) -> bool:
    """Whether a candidate had no more false alarms than it promised, as far as anybody can tell."""
    return calm.refused is None and calm.low <= calm.promised and calm.realised <= 2 * calm.promised


def recommended(found: Sequence[Standing]) -> Standing | None:
    """Choose, among those that keep the promise, the cheapest of those that find as much in time as the best.

    As much: no more than a standard error less (Breiman et al. 1984 choose trees so). Where two are as cheap, the
    one with the shorter delay. A candidate with the training as its reference is chosen only where no other was
    tried: the monitor's alarms have a rolling one.
    """
    known = [one for one in found if one.candidate.reference == "rolling"] or found
    able = [one for one in known if keeps(one.calm)]
    if not able:
        return None
    best = max(able, key=lambda one: (one.in_time, -one.delay))
    near = [one for one in able if one.in_time >= best.in_time - best.error]
    return min(near, key=lambda one: (one.candidate.windows_a_day, one.delay))


def sentences(
    found: Sequence[Standing], drifts: Sequence[DriftScore], worst_delay: int, promise: float
) -> list[str]:
    """Say what to choose and what the others would buy, or why nothing can be said.

    Args:
        found: The candidates.
        drifts: Of all candidates and drifts.
        worst_delay: That is tolerated, ms.
        promise: False alarms a month that are accepted.
    """
    weeks = min((one.calm.weeks for one in found), default=0)
    said = [f"Only {weeks} calm weeks: false alarms can hardly be told from chance."] if weeks < FEW_WEEKS else []
    chosen = recommended(found)
    if chosen is None:
        refused = next((one.calm.refused for one in found if one.calm.refused), None)
        return [*said, f"No candidate keeps {promise:g} false alarms a month.", *([refused] if refused else [])]
    calm = chosen.calm
    return [
        f"{chosen.candidate}: {calm.realised:.1f} false alarms a month in {calm.weeks} calm weeks"
        f" ({calm.low:.1f} to {calm.high:.1f}), {calm.promised:.1f} promised.",
        f"It finds {chosen.in_time:.0%} of the drifts within {duration_text(worst_delay)}, misses"
        f" {chosen.missed:.0%} within a week: {_delays(chosen.candidate, drifts)}.",
        *_others(chosen, found),
        *said,
    ]


def _delays(candidate: Candidate, drifts: Sequence[DriftScore]) -> str:
    own = [one for one in drifts if one.candidate == candidate and one.onsets]
    strength = min((one.strength for one in own), key=lambda each: abs(each - 1), default=1.0)
    own = sorted((one for one in own if one.strength == strength), key=lambda one: one.p50 or inf)
    return ", ".join(
        f"{one.scenario} after {hours(one.p50)}" if one.p50 is not None else f"{one.scenario} mostly missed"
        for one in own
    )


def _others(chosen: Standing, found: Sequence[Standing]) -> list[str]:
    """What the quickest would buy, and what the cheapest of its sizes alone would lose."""
    said = []
    quickest = min((one for one in found if one.is_on_front and keeps(one.calm)), key=lambda one: one.delay)
    if quickest.delay < chosen.delay:
        times = quickest.candidate.windows_a_day / chosen.candidate.windows_a_day
        said.append(
            f"{quickest.candidate} is {hours(chosen.delay - quickest.delay)} quicker on average,"
            f" for {times:.1f} times as many windows."
        )
    alone = [one for one in found if len(one.candidate.sizes) == 1 and one.missed > chosen.missed + 0.02]
    if alone:
        worst = max(alone, key=lambda one: one.missed)
        said.append(f"{worst.candidate}, would miss {worst.missed:.0%}.")
    return said


def hours(number: float | None) -> str:
    """Hours for people."""
    return "-" if number is None else approximate_duration(number * 3_600)
