"""Is the promise kept? Synthetic months, drawn hour by hour: weekly structure, weather, growth and holidays.

Hours of a day resemble one another, days of a week do, and every week differs from the others in its level and in
what it holds: what happens on one day of a real stream lasts for hours, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from benchmarks.verdicts.watching import watch
from monitor.drift.columns import Floats, Ints
from monitor.verdict.calibration import CalmSeason
from monitor.verdict.layout import NumberLayout, SummaryLayout
from monitor.verdict.season import HOUR, WEEK, Season
from monitor.verdict.summary import SUMS, Summary
from schemas.definition import EVENTS, LABELS, Field, Records, Role, Stream
from schemas.durations import moment_ms

MONDAY = moment_ms("2024-01-01")
HOURS = WEEK // HOUR
ROWS = 90.0
"""An hour, on average."""

HOLIDAY = 0.08
"""Share of weeks with a holiday."""

STREAM = Stream(
    name="synthetic",
    events=Records(
        topic="synthetic",
        kind="synthetic",
        id="id",
        time="at",
        fields=(
            Field(name="distance", type="float", role="number"),
            Field(name="amount", type="float", role="number"),
            Field(name="place", type="str", role="category"),
            Field(name="way", type="str", role="category"),
        ),
    ),
    labels=Records(
        topic="synthetic_labels",
        kind="label",
        id="id",
        time="at",
        fields=(Field(name="took", type="float", role="number"),),
        label="took",
        label_range=(0.0, 60.0),
    ),
    season_ms=WEEK,
)


@dataclass(frozen=True)
class Made:
    """What was made. tilt: of the content, per week, in standard deviations, on purpose."""

    weeks: list[CalmSeason]
    holidays: dict[int, str]


@cache
def layout() -> SummaryLayout:
    """Bins of a reference with few distinct values, so that months are made quickly."""
    random = np.random.default_rng(0)
    values = np.clip(np.round(random.normal(10, 3, 4_000)), 2, 18)
    table = pa.table(
        {
            "id": [str(n) for n in range(4_000)],
            "distance": values,
            "amount": values,
            "place": random.choice([f"p{n:02}" for n in range(12)], 4_000),
            "way": random.choice(["a", "b", "c"], 4_000),
            "prediction": values,
            "took": values + np.round(random.normal(0, 2, 4_000)),
        }
    )
    return SummaryLayout.from_reference(table, STREAM)


def made(weeks: int, seed: int, *, growth: float = 0.01, tilt: float = 0.0) -> Made:
    """Draw weeks.

    Args:
        weeks: How many.
        seed: Of all draws.
        growth: Of the rows, per week.
        tilt: By how much the content moves, per week, in standard deviations of the reference.
    """
    random = np.random.default_rng(seed)
    begins = MONDAY + WEEK * np.arange(weeks)
    holidays = {int(at): "holiday" for at in begins if random.random() < HOLIDAY}
    hours = np.arange(weeks * HOURS)
    week, day, hour = hours // HOURS, hours // 24, hours % 24
    shape = 1 + 0.7 * np.sin((hour - 9) / 24 * 2 * np.pi) - 0.25 * (day % 7 >= 5)
    on_holiday = np.isin(begins, [*holidays])[week] & (day % 7 == 0)
    level = (1 + growth) ** week * np.exp(_weather(random, weeks, 0.04, 0.08, 0.08))
    rows = random.poisson(ROWS * shape * level * np.where(on_holiday, 0.6, 1.0))
    found: dict[Role, Summary] = {}
    for role, sums in ((EVENTS, np.zeros((len(hours), 0), np.int64)), (LABELS, _sums(random, rows))):
        parts = []
        for column in layout().columns(role):
            moved = _weather(random, weeks, 0.03, 0.06, 0.06) + tilt * week + 0.3 * on_holiday
            moved = moved + 0.2 * np.sin(hour / 24 * 2 * np.pi)
            parts.append(random.multinomial(rows, _shares(column.bins, moved, isinstance(column, NumberLayout))))
        counts = np.concatenate(parts, axis=1)
        found[role] = Summary(layout().hash, role, MONDAY, HOUR, rows, counts, sums)
    cut = [CalmSeason(int(at), {r: s.between(int(at), int(at) + WEEK) for r, s in found.items()}) for at in begins]
    return Made(cut, holidays)


def _weather(random: np.random.Generator, weeks: int, of_week: float, of_day: float, of_hour: float) -> Floats:
    """A random level of each hour: of its week, its day, and one that hours hand on to the next."""
    by_hour = random.normal(0, of_hour, weeks * HOURS)
    for at in range(1, len(by_hour)):
        by_hour[at] = 0.6 * by_hour[at - 1] + 0.8 * by_hour[at]
    days = random.normal(0, of_day, weeks * 7) * np.where(random.random(weeks * 7) < 0.05, 3.0, 1.0)
    return np.repeat(random.normal(0, of_week, weeks), HOURS) + np.repeat(days, 24) + by_hour


def _shares(bins: int, moved: Floats, numeric: bool) -> Floats:
    """Shares of the bins of each hour, moved by so many standard deviations; the last bins stay nearly empty."""
    at = np.arange(bins)
    usual = np.exp(-(((at - bins / 2) / (bins / 5)) ** 2) / 2) if numeric else 1.0 / (1 + at)
    shares = usual * np.exp(moved[:, None] * (at - bins / 2) / (bins / 5))
    shares[:, -2:] *= 0.001
    normed: Floats = shares / shares.sum(1, keepdims=True)
    return normed


def _sums(random: np.random.Generator, rows: Ints) -> Ints:
    sums = np.zeros((len(rows), len(SUMS)), np.int64)
    sums[:, 0], sums[:, 1] = rows, random.binomial(rows, 0.97)
    sums[:, 2] = sums[:, 1]
    return sums


def kept(seasons: int, months: int, *, promise: float = 1.0, tilt: float = 0.0) -> dict[str, float]:
    """Watch so many months of four weeks, each a stream of its own, and compare what came with what was promised.

    Days that are holidays do not count.
    """
    counted = alarms = with_holiday = refused = 0
    promised = 0.0
    for month in range(months):
        stream = made(seasons + 4, 1_000 * seasons + month, tilt=tilt)
        before, live = stream.weeks[:seasons], stream.weeks[seasons:]
        for week in watch(
            layout(), Season(WEEK), before, live, holidays=stream.holidays, seasons=seasons, promise=promise
        ):
            if week.calibration.refused:
                refused += 1
            else:
                counted += 1
                alarms += week.crossing is not None
                with_holiday += bool(week.holidays) and week.crossing is not None
                promised += week.calibration.promise.rank / (seasons + 1)
    return {
        "K": seasons,
        "months": months,
        "wanted a month": promise,
        "weeks": counted,
        "weeks refused": refused,
        "alarm weeks": alarms,
        "promised at most": round(promised, 1),
        "realised / promised": round(alarms / promised, 2) if promised else 0.0,
        "of them with a holiday": with_holiday,
    }
