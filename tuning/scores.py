"""What the trials of a candidate come to: false alarms, delays, misses, with intervals. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf

import msgspec
import numpy as np

from monitor.drift.columns import Ints
from monitor.verdict.promise import MONTH
from monitor.verdict.season import HOUR, WEEK
from tuning.plan import WITHIN, Candidate
from tuning.trials import CalmWeek, Detection

DRAWS = 500
"""Of the bootstrap."""

MIN_ROWS = 30
"""A window of fewer rows is `insufficient`, as the monitor's default has it."""

_LIMIT = WITHIN / HOUR


class CalmScore(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate in weeks without a drift.

    Attributes:
        candidate: Whose score it is.
        weeks: How many were watched.
        alarms: Weeks whose evidence crossed the line.
        promised: False alarms a month at most, on average.
        realised: Alarm weeks a month.
        low, high: Its 95 % interval (Clopper and Pearson).
        refused: Why nothing is promised in the last week that was refused; None where in all something is.
        unwatched: Sizes with too few rows, or that cannot be watched for another reason, ms.
        rows: Of a window of its smallest size, the median.
        insufficient: Share of the windows of all its sizes with fewer than MIN_ROWS rows.
        cpu: Seconds for a day of the stream; None: not measured.
    """

    candidate: Candidate
    weeks: int
    alarms: int
    promised: float
    realised: float
    low: float
    high: float
    refused: str | None
    unwatched: tuple[int, ...]
    rows: float
    insufficient: float
    cpu: float | None


class DriftScore(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate and a drift.

    Attributes:
        candidate: Whose score it is.
        scenario: The drift.
        strength: How many times as strong as it comes.
        onsets: Moments that count: at which no alarm was there already.
        missed: Share that was not found within a week.
        p50, p90: Hours until it was found, of all that count; None: that many were not.
        low, high: 95 % interval of p50, by bootstrap; None as there.
        first: How often each signal crossed the line first, the most frequent first.
        hours: Of each onset that counts; None: missed.
    """

    candidate: Candidate
    scenario: str
    strength: float
    onsets: int
    missed: float | None
    p50: float | None
    p90: float | None
    low: float | None
    high: float | None
    first: Mapping[str, int]
    hours: tuple[float | None, ...]


def calm_score(
    candidate: Candidate, weeks: Sequence[CalmWeek], rows: Mapping[int, Ints], cpu: Mapping[int, float]
) -> CalmScore:
    """Add up weeks without a drift.

    Args:
        candidate: The candidate.
        weeks: What it sees of each.
        rows: Of windows, by size.
        cpu: Seconds of a day of the stream, by size.
    """
    number, alarms, a_month = len(weeks), sum(week.alarm for week in weeks), MONTH / WEEK
    low, high = _clopper_pearson(alarms, number)
    counts = np.concatenate([rows[size] for size in candidate.sizes])
    watched = {size for week in weeks for size in week.watched}
    return CalmScore(
        candidate=candidate,
        weeks=number,
        alarms=alarms,
        promised=a_month * sum(week.chance for week in weeks) / number,
        realised=a_month * alarms / number,
        low=a_month * low,
        high=a_month * high,
        refused=next((week.refused for week in reversed(weeks) if week.refused), None),
        unwatched=tuple(size for size in candidate.sizes if size not in watched),
        rows=float(np.median(rows[candidate.sizes[0]])),
        insufficient=float((counts < MIN_ROWS).mean()),
        cpu=sum(cpu[size] for size in candidate.sizes) if {*candidate.sizes} <= {*cpu} else None,
    )


def drift_score(
    candidate: Candidate, scenario: str, strength: float, found: Sequence[Detection], seed: int
) -> DriftScore:
    """Add up what was found of a drift.

    Args:
        candidate: The candidate.
        scenario: The drift.
        strength: Of it.
        found: One for each onset.
        seed: Of the bootstrap.
    """
    counted = [one for one in found if one.counts]
    hours = np.array([inf if one.hours is None else one.hours for one in counted])
    low = high = p50 = p90 = missed = None
    if len(hours):
        missed = float(np.isinf(hours).mean())
        p50, p90 = (_quantile(hours, share) for share in (0.5, 0.9))
        draws = np.random.default_rng(seed).choice(hours, (DRAWS, len(hours)))
        medians = np.quantile(draws, 0.5, axis=1, method="higher")
        low, high = _quantile(medians, 0.025), _quantile(medians, 0.975)
    return DriftScore(
        candidate=candidate,
        scenario=scenario,
        strength=strength,
        onsets=len(counted),
        missed=missed,
        p50=p50,
        p90=p90,
        low=low,
        high=high,
        first=dict(Counter(one.signal for one in counted if one.signal).most_common()),
        hours=tuple(one.hours for one in counted),
    )


def _quantile(hours: np.ndarray[tuple[int, ...], np.dtype[np.float64]], share: float) -> float | None:
    found = float(np.quantile(hours, share, method="higher"))
    return found if found < inf else None


def _clopper_pearson(hits: int, tries: int) -> tuple[float, float]:
    from scipy.stats import beta  # noqa: PLC0415 - it takes long

    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, tries - hits + 1))
    high = 1.0 if hits == tries else float(beta.ppf(0.975, hits + 1, tries - hits))
    return low, high
