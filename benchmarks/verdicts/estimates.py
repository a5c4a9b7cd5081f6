"""Errors that are estimated before labels come, beside those that labels showed: window by window of real months.

A window is claimed as the monitor would claim it then: its values are like those of the training, and on the
last days that had labels before it, estimates were right. Labels are held against estimates, not used by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.verdicts.months import (
    SEASON,
    Bend,
    Summaries,
    Trained,
    replayed,
    scenario,
    summaries,
    trained,
    trips,
)
from monitor import estimating
from monitor.drift.columns import Floats
from monitor.verdict.estimate import RELIABLE, ComparedDay, Estimation, kept_days, off_by
from monitor.verdict.harm import errors
from monitor.verdict.season import DAY, HOUR
from monitor.verdict.signals import Reference, SlotSums
from monitor.verdict.summary import Summary, error_unit, merge
from producer.scenarios import shipped
from schemas.definition import EVENTS, LABELS, Role
from schemas.durations import moment_ms
from schemas.streams.taxi import TAXI, TRIPS

SIZES: Mapping[str, int] = {"6h": 6 * HOUR, "1d": DAY}
ENOUGH = 100
"""Labels of a window whose mean error is compared."""

ONSET = moment_ms("2022-02-11") + 12 * HOUR


def thinned(where: Any, share: float) -> Bend:
    """Let only a share of some trips come, so that the mixture of trips moves and nothing else does."""

    def bent(table: pa.Table) -> pa.Table:
        lucky = pa.array(np.random.default_rng(3).random(table.num_rows) < share)
        kept = pc.or_(pc.invert(pc.fill_null(where(table), False)), lucky)
        return table.filter(pc.or_(pc.less(table[TRIPS.time], ONSET), kept))

    return bent


MIXTURES: Mapping[str, Bend] = {
    "few short trips": thinned(lambda t: pc.less(t["trip_distance"], 4.0), 0.3),
    "few long trips": thinned(lambda t: pc.greater(t["trip_distance"], 2.5), 0.3),
    "few street hails": thinned(lambda t: pc.is_valid(t["passenger_count"]), 0.2),
    "few from East Harlem": thinned(lambda t: pc.is_in(t["PULocationID"], value_set=pa.array([74, 75])), 0.1),
}


@dataclass(frozen=True)
class Told:
    """Windows of one size and run, those with enough labels. Shapes (windows,).

    Attributes:
        starts: ms.
        estimated, found: Mean absolute errors, minutes.
        claimed: Whether the estimate would have been used.
    """

    starts: Any
    estimated: Floats
    found: Floats
    claimed: Any

    def of(self, chosen: Any) -> Told:
        """Some of them."""
        return Told(*(each[chosen] for each in (self.starts, self.estimated, self.found, self.claimed)))


_LEARNT: dict[str, Estimation] = {}


def estimation(known: Trained) -> Estimation:
    """What `driftline train` stores beside this model."""
    model = known.model
    if model.hash not in _LEARNT:
        found = estimating.fit(TAXI, model.reference(), model.inputs)
        assert found is not None
        _LEARNT[model.hash] = Estimation(found, known.layout)
    return _LEARNT[model.hash]


def told(known: Trained, live: Summaries, size: int) -> Told:
    """Estimate and hold against labels all windows of a size."""
    made, unit = estimation(known), error_unit(known.layout)
    reference = {role: _reference(known.known[role]) for role in (EVENTS, LABELS)}
    days: list[ComparedDay] = []
    rows = []
    for start in range(-(-live[EVENTS].start // size) * size, live[EVENTS].end - size + 1, size):
        events, labels = (live[role].between(start, start + size) for role in (EVENTS, LABELS))
        count, added = (int(labels.sum(name).sum()) for name in ("errors", "absolute_error"))
        off = off_by(days, start)
        if count >= ENOUGH:
            is_claimed = made.remark(events) is None and (off is None or off <= RELIABLE)
            rows.append((start, made.mean(events), unit * added / count, is_claimed))
        days = kept_days(days, made.expected(reference[EVENTS], events))
        days = kept_days(days, errors(reference[LABELS], labels))
    return Told(*(np.array(each) for each in zip(*rows, strict=True)))


def _reference(summary: Summary) -> Reference:
    sums = SlotSums.from_summary(summary, SEASON)
    return Reference(SEASON, sums, sums)


def agreement(parts: Sequence[Told]) -> dict[str, Any]:
    """How estimates and errors of some windows agree."""
    estimated, found = (np.concatenate([getattr(part, name) for part in parts]) for name in ("estimated", "found"))
    some = len(found) > 2
    return {
        "windows": len(found),
        "estimated": round(float(estimated.mean()), 2) if len(found) else None,
        "found": round(float(found.mean()), 2) if len(found) else None,
        "correlation": round(float(np.corrcoef(estimated, found)[0, 1]), 3) if some else None,
        "off": round(float(np.abs(estimated / found - 1).mean()), 3) if len(found) else None,
    }


def injected() -> dict[str, Summaries]:
    """February 2022, calm, and with every shipped drift and change of the mixture from 11 February on."""
    known = trained("2022-01")
    covered, table = trips("2022-02")
    calm = summaries(replayed(known.model, table), known.layout, covered)
    found = {"calm": calm}
    for name in shipped():
        scored = replayed(known.model, table, scenario(name, covered))
        time = scored[TRIPS.time]  # a wrong clock puts some trips before the month
        scored = scored.filter(pc.and_(pc.greater_equal(time, covered[0]), pc.less(time, covered[1])))
        bent = summaries(scored, known.layout, covered)
        found[name] = {role: _from_onset(calm[role], bent[role]) for role in calm}
    for name, mixture in MIXTURES.items():
        found[name] = summaries(replayed(known.model, table, mixture), known.layout, covered)
    return found


def _from_onset(calm: Summary, bent: Summary) -> Summary:
    return merge([calm.between(calm.start, ONSET), bent.between(ONSET, bent.end)])


def real() -> dict[str, tuple[Trained, Summaries]]:
    """Months in which something happened."""
    covid = trained("2020-03", (moment_ms("2020-03-01"), moment_ms("2020-03-09")))
    covered, table = trips("2020-03", "2020-04")
    live = summaries(replayed(covid.model, table), covid.layout, covered)
    later: dict[Role, Summary] = {r: one.between(moment_ms("2020-03-09"), one.end) for r, one in live.items()}
    known = trained("2022-01")
    found: dict[str, tuple[Trained, Summaries]] = {"COVID, 2020-03-09 to 04-30": (covid, later)}
    for name, month in {"calm, 2022-03": "2022-03", "fares risen, 2023-01": "2023-01"}.items():
        covered, table = trips(month)
        found[name] = known, summaries(replayed(known.model, table), known.layout, covered)
    return found


UNCHANGED = (
    "delayed-events",
    "dispatched-fares",
    "duplicated-events",
    "fare-rise",
    "lost-labels",
    "new-payment",
    "nightly-gaps",
)
"""Drifts that change neither what the model reads nor labels: their windows are those of the calm month again."""


def rows() -> Iterable[tuple[str, str, Told, Told]]:
    """Drift, size, the windows since its onset, and those of them that are claimed; of calm months all."""
    known = trained("2022-01")
    runs = {name: (known, live) for name, live in injected().items()} | real()
    for name, (of, live) in runs.items():
        for text, size in SIZES.items():
            every = told(of, live, size)
            is_bent = name not in ("calm",) and of is known and every.starts[0] < ONSET < every.starts[-1]
            since = every.of(every.starts >= ONSET) if is_bent else every
            yield name, text, since, since.of(since.claimed.astype(bool))
