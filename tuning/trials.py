"""Trials: weeks without a drift, and drifts that begin at random moments, watched as the monitor does. Pure.

Weeks are calibrated, and their evidence is added up, by the monitor's own code. In the week after the one in which
a drift began, a rolling reference holds what has drifted, since nobody has excluded it, as on a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from monitor.drift.columns import Floats, Ints
from monitor.verdict.calibration import Calibration, CalmSeason, Key, calibrate_each
from monitor.verdict.season import HOUR, holidays_of, short_seasons
from producer.scenario import Scenario
from schemas.definition import EVENTS
from tuning.evidence import Crossing, accumulated, aligned, first_crossing, spliced
from tuning.history import History, Summaries, starts_at_once
from tuning.plan import WITHIN, Plan, ReferenceKind, calm_weeks

Added = Mapping[Key, tuple[Ints, Floats]]
"""By role and size, ends of the windows of a week, and evidence in units of z."""


class CalmWeek(msgspec.Struct, frozen=True):
    """A week without a drift, as one candidate sees it.

    Attributes:
        start: ms.
        alarm: Whether its evidence crosses the line.
        chance: Most that the promise allows for that.
        refused: Why nothing is promised; None where something is.
        watched: Sizes that are watched, ms.
        signal: Which crossed the line first.
    """

    start: int
    alarm: bool
    chance: float
    refused: str | None
    watched: tuple[int, ...]
    signal: str | None = None


class Detection(msgspec.Struct, frozen=True):
    """A drift that began at a random moment, as one candidate sees it.

    Attributes:
        onset: ms.
        hours: Until it was found; None: it was missed.
        signal: Which crossed the line first.
        size: In windows of which size, ms.
        counts: Whether it says something: no alarm was there already.
    """

    onset: int
    hours: float | None = None
    signal: str | None = None
    size: int | None = None
    counts: bool = True


@dataclass(frozen=True)
class Measured:
    """How a week is watched.

    Attributes:
        whole: At all sizes, whose evidence is added up once.
        sets: At those of each set, in the order of the plan.
    """

    whole: Calibration
    sets: tuple[Calibration, ...]


class Trials:
    """All that is tried on one history."""

    def __init__(self, history: History, plan: Plan) -> None:
        """Try a plan.

        Args:
            history: On which stream.
            plan: What is tried.
        """
        self.history, self.plan = history, plan
        self._measured: dict[tuple[int, ReferenceKind], Measured] = {}

    @cached_property
    def _holidays(self) -> Mapping[int, str]:
        first = self.history.known[0].start
        return holidays_of(self.plan.holidays or None, first, self.history.period[1])

    @cached_property
    def _known(self) -> list[CalmSeason]:
        return [week.without(self._holidays) for week in self.history.known]

    @cached_property
    def _weeks(self) -> list[CalmSeason]:
        return [week.without(self._holidays) for week in self.history.weeks]

    def _calm(self, number: int, reference: ReferenceKind, newest: CalmSeason | None = None) -> list[CalmSeason]:
        """The calm weeks that a week is measured by. newest: In place of the one before it."""
        own = [*self._weeks[: number - 1], newest or self._weeks[number - 1]] if number else []
        short = short_seasons(self.history.season, self._holidays)
        every = self._known if reference == "training" else [*self._known, *own]
        return [week for week in every if week.start not in short][-calm_weeks(self.plan.promise) :]

    def measured(self, number: int, reference: ReferenceKind) -> Measured:
        """How a week is watched; remembered. number: of the week."""
        key = (0 if reference == "training" else number), reference
        if key not in self._measured:
            self._measured[key] = self._drawn(self._calm(number, reference), range(len(self.plan.sets)))
        return self._for(self._measured[key], number)

    def _drawn(self, calm: Sequence[CalmSeason], sets: Sequence[int]) -> Measured:
        """Calibrate, for some of the sets."""
        wanted = [self.plan.sets[at] for at in sets]
        whole = tuple(sorted({size for each in wanted for size in each}))
        history, promise = self.history, self.plan.promise
        first, *others = calibrate_each(
            history.layout, history.season, calm, sets=[whole, *wanted], promise=promise
        )
        return Measured(first, tuple(others))

    def _for(self, measured: Measured, number: int) -> Measured:
        days = self._weeks[number].left_out
        if not days:
            return measured
        return Measured(measured.whole.leaving_out(days), tuple(one.leaving_out(days) for one in measured.sets))

    def calm(self, number: int) -> dict[ReferenceKind, list[CalmWeek]]:
        """Watch one week without a drift: by reference, what each set sees. number: of the week."""
        found: dict[ReferenceKind, list[CalmWeek]] = {}
        for reference in self.plan.references:
            measured, week = self.measured(number, reference), self._weeks[number]
            added = _added(measured.whole, week)
            found[reference] = [_calm_week(one, week.start, crossing(one, added)) for one in measured.sets]
        return found

    def onsets(self) -> list[tuple[int, int]]:
        """Random moments: number of a week, but not the last, and ms."""
        random = np.random.default_rng(self.plan.seed)
        hours, weeks = self.history.season.length // HOUR, len(self._weeks) - 1
        numbers = sorted(at % weeks for at in range(self.plan.onsets))
        return [(n, self._weeks[n].start + int(random.integers(hours)) * HOUR) for n in numbers]

    def injected(
        self, scenario: Scenario, references: Sequence[ReferenceKind] | None = None
    ) -> dict[ReferenceKind, list[list[Detection]]]:
        """Inject a drift at each of the onsets: by reference and set, what was found.

        Args:
            scenario: The drift; each begins at the onset and stays.
            references: Instead of the plan's.
        """
        history = self.history
        wanted = self.plan.references if references is None else references
        found: dict[ReferenceKind, list[list[Detection]]] = {one: [[] for _ in self.plan.sets] for one in wanted}
        first = history.period[0]
        whole = history.bent(scenario, first, history.period) if starts_at_once(scenario) else None
        for number, onset in self.onsets():
            start, end = self._weeks[number].start, self._weeks[number + 1].start + history.season.length
            bent = whole or history.bent(scenario, onset, (start, end))
            for reference in wanted:
                each = self._watched(number, onset, bent, reference)
                for of_set, one in zip(found[reference], each, strict=True):
                    of_set.append(one)
        return found

    def _watched(self, number: int, onset: int, bent: Summaries, reference: ReferenceKind) -> list[Detection]:
        """What each set sees of a drift in the week in which it begins, and the next."""
        first, second = (self._with(at, onset, bent) for at in (number, number + 1))
        measured = self.measured(number, reference)
        added = _added(measured.whole, first)
        found = [_detection(one, added, onset) for one in measured.sets]
        left = [at for at, one in enumerate(found) if one.counts and one.hours is None]
        if left:
            if reference == "training":
                later = self.measured(number + 1, reference)
                of_set = {at: later.sets[at] for at in left}
            else:
                drawn = self._drawn(self._calm(number + 1, reference, first), left)
                later = self._for(drawn, number + 1)
                of_set = dict(zip(left, later.sets, strict=True))
            added = _added(later.whole, second)
            for at, calibration in of_set.items():
                crossed = crossing(calibration, added, after=onset)
                if crossed is not None and crossed.at - onset <= WITHIN:
                    found[at] = _found(onset, crossed)
        return found

    def _with(self, number: int, onset: int, bent: Summaries) -> CalmSeason:
        """A week of the stream with the drift in it from the onset on."""
        week = self._weeks[number]
        end = week.start + self.history.season.length
        at = min(max(onset, week.start), end)
        parts = {
            role: spliced(calm, bent[role].between(week.start, end), at) if at > week.start
            else bent[role].between(week.start, end)
            for role, calm in week.summaries.items()
        }  # fmt: skip
        return CalmSeason(week.start, parts, week.left_out)

    def rows(self, size: int) -> Ints:
        """Events of each window of a size in the weeks after the training."""
        return self.history.live[EVENTS].by_step(size).rows


def crossing(calibration: Calibration, added: Added, *, after: int = 0) -> Crossing | None:
    """Where a set of sizes first crosses its line.

    Args:
        calibration: Of the set.
        added: Evidence at these sizes, and maybe at others.
        after: Windows that end later than this count, ms.
    """
    found = [
        one
        for key in calibration.watched
        for one in first_crossing(
            added[key][1] / calibration.lines[key],
            added[key][0],
            key,
            [signal.name for signal in calibration.signals(key[0])],
            after=after,
        )
    ]
    return min(found, key=lambda one: (one.at, -one.value), default=None)


def _added(calibration: Calibration, week: CalmSeason) -> Added:
    found = {}
    for role, size in calibration.watched:
        summary = aligned(week.summaries[role], size)
        sums = accumulated(calibration, summary, role, size)
        found[role, size] = summary.start + size * (1 + np.arange(len(sums))), sums
    return found


def _calm_week(calibration: Calibration, start: int, crossed: Crossing | None) -> CalmWeek:
    return CalmWeek(
        start,
        crossed is not None,
        calibration.promise.rank / (calibration.promise.seasons + 1),
        calibration.refused,
        tuple(sorted({size for _, size in calibration.watched})),
        None if crossed is None else crossed.signal,
    )


def _detection(calibration: Calibration, added: Added, onset: int) -> Detection:
    if _is_above(calibration, added, onset):
        return Detection(onset, counts=False)
    crossed = crossing(calibration, added, after=onset)
    return Detection(onset) if crossed is None or crossed.at - onset > WITHIN else _found(onset, crossed)


def _is_above(calibration: Calibration, added: Added, onset: int) -> bool:
    """Whether there was an alarm when the drift began."""
    for key in calibration.watched:
        ends, sums = added[key]
        before = np.flatnonzero(ends <= onset)
        if len(before) and (sums[before[-1]] / calibration.lines[key]).max() > 1:
            return True
    return False


def _found(onset: int, crossed: Crossing) -> Detection:
    return Detection(onset, (crossed.at - onset) / HOUR, crossed.signal, crossed.size)
