"""What kind of change an alarm is about, where the counts show it: another unit, a shift, a lost value. Pure.

What has been found since a change began is compared with what the same hours usually hold. A kind is named only if
undoing it makes nearly all of the difference go away. Where nothing does, nothing is named: no guess is better than
a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt

import msgspec
import numpy as np
from scipy.special import rel_entr

from monitor.drift.columns import Floats, Ints
from monitor.verdict.calibration import Calibration
from monitor.verdict.layout import CategoryLayout, NumberLayout, SummaryLayout
from monitor.verdict.lifecycle import Alarm
from monitor.verdict.members import Member, SignalKind
from monitor.verdict.season import DAY, HOUR
from monitor.verdict.signals import Reference, area, distances
from monitor.verdict.summary import SUMS, Summary
from schemas.alarms import Change, ChangeKind
from schemas.definition import EVENTS, LABELS, Role, Stream

LONGEST = 7 * DAY
"""What is looked at, back from the end."""

MIN_ROWS = 60
"""Of fewer rows nothing is said."""

LEAST_MISSING = 0.08
"""Records whose value is missing, as a share, above or below the usual."""

LEAST_NEW = 0.01
LEAST_SHARE = 0.04
LEAST_DISTANCE = 0.08
"""In standard deviations."""

NOISE = 3.0
"""So many times what chance alone makes of it, a difference has to be."""

LEFT = 0.15
"""Of a difference, what may be left when it is undone, beside noise."""

GONE = 0.25
"""Of a value that is gone, what may be left."""

CLEARLY = 3.0
"""By so much the logarithm of the likelihood of one known unit has to be above that of the next."""

DAILY = (2, 3, 4, 6, 8)
"""Hours of a day that a change may take, day after day."""

_OF_HOURS: tuple[ChangeKind, ...] = ("missing", "new", "gone", "unit")
"""Kinds that are recognised in hours which were chosen because they differ most; others fit too easily there."""

LEAST_ROWS = 0.12
"""Of the rows, what has to be missing or too many."""

FURTHEST = 12
"""Hours that a clock may be off."""

_OF_A_CLOCK: tuple[SignalKind, ...] = ("column", "prediction", "label", "volume")
"""What moves when records come with the times of others."""

LEAST_OF_CLOCK = 20 * HOUR
"""Of a shorter time no clock is said to be off: one slope may be anything."""

LEFT_OF_CLOCK = 0.35
"""Of what tells the hours from the usual, what may be left with the clock put right."""

FEW = 0.04
"""Labels whose event never came, or that come twice, as a share."""


@dataclass(frozen=True)
class Ratio:
    """A change of unit. of: units of columns that it may be of; () for any."""

    name: str
    factor: float
    offset: float = 0.0
    of: tuple[str, ...] = ()


_MILES, _KM = ("mi", "mile", "miles"), ("km", "kilometre", "kilometres", "kilometer", "kilometers")
_POUNDS, _KG = ("lb", "lbs", "pound", "pounds"), ("kg", "kilogram", "kilograms")
_FEET, _METRES = ("ft", "foot", "feet"), ("m", "metre", "metres", "meter", "meters")
_F, _C = ("°F", "F", "fahrenheit"), ("°C", "C", "celsius")
_TIME = ("h", "hour", "hours", "min", "minute", "minutes", "s", "second", "seconds")
_MONEY = ("$", "USD", "€", "EUR", "£", "GBP", "cent", "cents", "%")
_THOUSANDS = (*_KG, *_KM, *_METRES, "g", "mm", "ms", "s", "W", "kW", "l", "ml")
RATIOS = (
    Ratio("miles as kilometres", 1.609344, of=_MILES),
    Ratio("kilometres as miles", 1 / 1.609344, of=_KM),
    Ratio("pounds as kilograms", 0.45359237, of=_POUNDS),
    Ratio("kilograms as pounds", 1 / 0.45359237, of=_KG),
    Ratio("feet as metres", 0.3048, of=_FEET),
    Ratio("metres as feet", 1 / 0.3048, of=_METRES),
    Ratio("hours as minutes, or minutes as seconds", 60.0, of=_TIME),
    Ratio("minutes as hours, or seconds as minutes", 1 / 60.0, of=_TIME),
    Ratio("dollars as cents, or something else as hundredths", 100.0, of=_MONEY),
    Ratio("cents as dollars, or hundredths as the whole", 0.01, of=_MONEY),
    Ratio("something as thousandths of it, such as kilograms as grams", 1000.0, of=_THOUSANDS),
    Ratio("thousandths as the whole, such as grams as kilograms", 0.001, of=_THOUSANDS),
    Ratio("Celsius as Fahrenheit", 1.8, 32.0, of=_C),
    Ratio("Fahrenheit as Celsius", 1 / 1.8, -32 / 1.8, of=_F),
)
"""What a column is recognised as; the definition's unit, where there is one, rules others out."""


@dataclass(frozen=True)
class Stretch:
    """Steps of one role that follow one another, and what they usually hold.

    Attributes:
        layout: Of the bins.
        summary: The steps.
        reference: Of the role.
    """

    layout: SummaryLayout
    summary: Summary
    reference: Reference

    @property
    def starts(self) -> Ints:
        return self.summary.start + self.summary.step * np.arange(len(self.summary.rows))

    def usual(self) -> Floats:
        """What each step usually holds, shape (steps, bins)."""
        slots = self.reference.season.slots(self.starts)[0]
        found: Floats = self.reference.counts[slots] * (self.summary.step / HOUR)
        return found

    def usual_rows(self) -> Floats:
        """Rows that each step usually holds, shape (steps,)."""
        slots = self.reference.season.slots(self.starts)[0]
        found: Floats = self.reference.rows[slots] * (self.summary.step / HOUR)
        return found


def changes(
    layout: SummaryLayout,
    references: Mapping[Role, Reference],
    found: Mapping[Role, Summary],
    members: Sequence[Member],
    stream: Stream,
) -> dict[tuple[Role, str], Change]:
    """Say of which kind the changes of an alarm's members are.

    Args:
        layout: Of the summaries.
        references: What they are compared with, by role.
        found: By role, what came since some time before the onset, in steps that follow one another.
        members: Of the alarm.
        stream: Whose units rule kinds out.

    Returns:
        By role and name of the member; those that nothing can be said of are left out.
    """
    known = {
        role: Stretch(layout, summary, references[role])
        for role, summary in found.items()
        if role in references and len(summary.rows)
    }
    moved = [m for m in members if m.kind in _OF_A_CLOCK]
    clock = _clock(known.get(EVENTS), min((m.since for m in moved), default=0)) if moved else None
    if clock is not None:
        return {(m.role, m.name): clock for m in moved}
    said: dict[tuple[Role, str], Change] = {}
    for role, stretch in known.items():
        own = [m for m in members if m.role == role and m.kind in ("column", "label")]
        since = _onsets(stretch, own)
        usual = stretch.usual()
        for column, place in layout.slices(role):
            for member in own:
                if (member.column or member.name) == column.name and member.name in since:
                    first = since[member.name]
                    counts = stretch.summary.counts[first:, place].sum(0).astype(np.float64)
                    unit = stream.unit_of(column.name)
                    change = of_column(column, counts, usual[first:, place].sum(0), unit)
                    if change is None or change.kind in _OF_HOURS:
                        change = _clearer(change, _of_hours(stretch, column, place, member, unit))
                    if change is not None:
                        at = change.since or int(stretch.starts[first])
                        said[role, member.name] = msgspec.structs.replace(change, since=at)
    for member in members:
        change = None
        if member.kind == "volume":
            change = _of_rows(known, member)
        elif member.kind == "coverage":
            change = _of_coverage(known.get(LABELS), member)
        elif member.kind == "error":
            change = _of_ids(known.get(LABELS), member.since) or _concept(members, member)
        if change is not None:
            said[member.role, member.name] = change
    return said


def looked_at(alarm: Alarm, end: int) -> int:
    """From when on the records are looked at, ms: from a day before the onset. end: of the newest window."""
    onset = min((m.since for m in alarm.members), default=alarm.first_evidence)
    return max(onset - DAY, end - LONGEST)


def explained(alarm: Alarm, calibration: Calibration, found: Mapping[Role, Summary], stream: Stream) -> Alarm:
    """Add to an alarm's members of which kind their changes are; what was said of them before stays otherwise.

    Args:
        alarm: One that fires.
        calibration: Of the season.
        found: As for `changes`.
        stream: As for `changes`.
    """
    is_usual = any(start + calibration.season.length > alarm.first_evidence for start in calibration.seasons)
    if is_usual and any(m.change for m in alarm.members):
        return alarm  # what is usual by now holds some of the change
    said = changes(calibration.layout, calibration.references, found, alarm.members, stream)
    members = tuple(msgspec.structs.replace(m, change=said.get((m.role, m.name), m.change)) for m in alarm.members)
    return msgspec.structs.replace(alarm, members=members)


def _onsets(stretch: Stretch, members: Sequence[Member]) -> dict[str, int]:
    """Where the change of each member begins, as a step: what came since then differs most, for its number of rows.

    If only a part w of n rows is changed, the squared distance is in proportion to w², and n·w² is largest where
    all that is changed, and nothing else, is counted.
    """
    since: dict[str, int] = {}
    columns = [column.name for column in stretch.layout.columns(stretch.summary.role)]
    wanted = [m for m in members if (m.column or m.name) in columns]
    if not wanted:
        return since
    counts = np.cumsum(stretch.summary.counts[::-1], 0)[::-1].astype(np.float64)
    usual = np.cumsum(stretch.usual()[::-1], 0)[::-1]
    places = stretch.layout.places(stretch.summary.role)
    rows = np.cumsum(stretch.summary.rows[::-1])[::-1]
    weight = distances(places, counts, usual) ** 2 * rows[:, None]
    for member in wanted:
        usable = (rows >= MIN_ROWS) & (stretch.starts >= min(member.since - DAY, stretch.summary.end - DAY))
        if usable.any():
            own = np.where(usable, weight[:, columns.index(member.column or member.name)], -1.0)
            since[member.name] = int(own.argmax())
    return since


def _clearer(whole: Change | None, of_hours: Change | None) -> Change | None:
    """What is so for some hours of each day, if it is at least twice as much there."""
    if whole is None or of_hours is None:
        return whole or of_hours
    much, more = (abs((each.after or 0.0) - (each.before or 0.0)) for each in (whole, of_hours))
    return of_hours if (whole.kind, whole.value) == (of_hours.kind, of_hours.value) and more > 2 * much else whole


def _of_hours(
    stretch: Stretch, column: NumberLayout | CategoryLayout, place: slice, member: Member, unit: str | None
) -> Change | None:
    """Say how a column has changed in some hours of each day; None where it has not, or that explains nothing.

    What is changed for a few hours of each day is too little of the whole to be recognised in it.
    """
    if stretch.summary.step > HOUR:
        return None
    first = stretch.starts >= member.since // HOUR * HOUR
    days = (stretch.starts[first] - stretch.starts[0] // DAY * DAY) // DAY
    hour = stretch.starts[first] % DAY // HOUR
    by_hour = np.zeros((2, int(days.max(initial=0)) + 1, 24, stretch.summary.counts.shape[1]))
    np.add.at(by_hour[0], (days, hour), stretch.summary.counts[first])
    np.add.at(by_hour[1], (days, hour), stretch.usual()[first])
    spans = [(begin, length) for length in DAILY for begin in range(24)]
    of_spans = [(begin + np.arange(length)) % 24 for begin, length in spans]
    columns = [each.name for each in stretch.layout.columns(stretch.summary.role)]

    def apart(found: Floats, usual: Floats) -> Floats:
        places = stretch.layout.places(stretch.summary.role)
        distance: Floats = distances(places, found, usual)[:, columns.index(column.name)]
        return distance

    found, usual = (np.stack([held.sum(0)[of].sum(0) for of in of_spans]) for held in by_hour)
    rows = found[:, place].sum(1)
    best = int(np.where(rows >= MIN_ROWS, apart(found, usual) ** 2 * rows, -1.0).argmax())
    daily = by_hour[:, :, of_spans[best]].sum(2)
    others = daily.sum(1, keepdims=True) - daily
    if np.count_nonzero(daily[0].sum(1)) < 2 or 2 * apart(*others).min() < apart(found[[best]], usual[[best]])[0]:
        return None  # one day makes most of it
    change = of_column(column, found[best, place], usual[best, place], unit)
    if change is None or change.kind not in _OF_HOURS:
        return None
    begin, length = spans[best]
    inside = first & np.isin(stretch.starts % DAY // HOUR, of_spans[best])
    since = int(stretch.starts[inside][0])
    return msgspec.structs.replace(change, since=since, hours=(begin, (begin + length) % 24))


def of_column(
    column: NumberLayout | CategoryLayout, found: Floats, usual: Floats, unit: str | None = None
) -> Change | None:
    """Say how a column has changed; None where nothing explains it.

    Args:
        column: Its bins.
        found: Rows in each bin, shape (bins,).
        usual: The same of what is usual, in any number.
        unit: Of its values, if it has one.
    """
    if found.sum() < MIN_ROWS or usual.sum() <= 0:
        return None
    missing = _missing(found, usual)
    if missing is not None:
        return missing
    if found[:-1].sum() < MIN_ROWS or usual[:-1].sum() <= 0:
        return None
    if isinstance(column, CategoryLayout):
        return _category(column, found[:-1], usual[:-1])
    return _number(column, found[:-1], usual[:-1], unit)


def _missing(found: Floats, usual: Floats) -> Change | None:
    n, now, before = float(found.sum()), float(found[-1] / found.sum()), float(usual[-1] / usual.sum())
    noise = sqrt(max(before * (1 - before), 1 / n) / n)
    apart = abs(now - before)
    if apart < LEAST_MISSING + NOISE * noise or (now < before and now > before / 2):
        return None
    return Change(kind="missing", sure=_sure(1.0, apart, noise), before=_rounded(before), after=_rounded(now))


def _category(column: CategoryLayout, found: Floats, usual: Floats) -> Change | None:
    n, now, before = float(found.sum()), found / found.sum(), usual / usual.sum()
    moved = now - before
    noise = np.sqrt(np.maximum(before * (1 - before), 1 / n) / n)
    if moved[-1] >= LEAST_NEW + NOISE * noise[-1]:
        sure = _sure(1.0, float(moved[-1]), float(noise[-1]))
        return Change(kind="new", sure=sure, before=_rounded(before[-1]), after=_rounded(now[-1]))
    strong = np.abs(moved[:-2]) >= LEAST_SHARE + NOISE * noise[:-2]
    if not strong.any():
        return None
    whole = float(np.abs(moved).sum() / 2)
    by_chance = float(sqrt(2 / np.pi) * noise.sum() / 2)
    fallen = int(np.argmin(moved[:-2]))
    if strong[fallen] and moved[fallen] < 0 and now[fallen] <= GONE * before[fallen]:
        explained = -moved[fallen] / max(whole - by_chance, -moved[fallen])
        if explained >= 0.5:
            gone = Change(
                kind="gone",
                sure=_sure(float(explained), whole, by_chance),
                value=column.values[fallen],
                before=_rounded(before[fallen]),
                after=_rounded(now[fallen]),
            )
            return _with_other(gone, column, moved, before, now)
    most = int(np.argmax(np.abs(moved[:-2]) * strong))
    explained = float(np.abs(moved[:-2][strong]).sum() / 2 / max(whole - by_chance, 1e-9))
    shares = Change(
        kind="shares",
        sure=_sure(min(explained, 1.0), whole, by_chance),
        value=column.values[most],
        before=_rounded(before[most]),
        after=_rounded(now[most]),
    )
    return _with_other(shares, column, moved if moved[most] < 0 else -moved, before, now)


def _with_other(change: Change, column: CategoryLayout, moved: Floats, before: Floats, now: Floats) -> Change:
    """Add the value that took most of what another one lost, or the other way round, if it took half of it."""
    most = int(np.argmax(moved[:-2]))
    if 2 * moved[most] < abs((change.after or 0.0) - (change.before or 0.0)):
        return change
    return msgspec.structs.replace(
        change,
        other=column.values[most],
        other_before=_rounded(before[most]),
        other_after=_rounded(now[most]),
    )


@dataclass(frozen=True)
class _Fit:
    """One kind of change as far as it fits. left: distance when it is undone."""

    kind: ChangeKind
    left: float
    factor: float = 1.0
    offset: float = 0.0


Move = Callable[[Floats, Floats], Floats]
"""Given numbers of a kind, shape (n,), and values: where these were before, shape (n, values)."""


class _Fitting:
    """Compares a number with what is usual, as it is and with a change undone; distances are in its scales."""

    def __init__(self, column: NumberLayout, found: Floats, usual: Floats) -> None:
        """found, usual: Without the missing values."""
        self.edges = column.bounds
        self._widths = np.diff(self.edges) / column.scale
        self.scale = column.scale
        self.found = np.cumsum(found)[:-1] / found.sum()
        self.usual = np.cumsum(usual)[:-1] / usual.sum()
        self.counts, self.rows = found, float(found.sum())
        spread = np.sqrt(np.maximum(self.usual * (1 - self.usual), 0.0) * 2 / np.pi / self.rows)
        self.noise = float((spread[:-1] + spread[1:]) @ self._widths / 2) if len(self.edges) > 1 else 0.0
        self.apart = float(self._distance(self.usual[None])[0])

    def _distance(self, usual: Floats) -> Floats:
        gap = self.found - usual
        distance: Floats = area(gap[:, :-1], gap[:, 1:]) @ self._widths
        return distance

    def left(self, before: Floats) -> Floats:
        """Distances if the values at the edges were elsewhere before, shape (n,). before: shape (n, edges)."""
        return self._distance(np.interp(before, self.edges, self.usual, left=0.0, right=1.0))

    def likelihood(self, before: Floats) -> float:
        """Logarithm of how likely the rows are if the values at the edges were elsewhere before, shape (edges,)."""
        below = np.interp(before, self.edges, self.usual, left=0.0, right=1.0)
        shares = np.diff(below, prepend=0.0, append=1.0)
        return float(self.counts @ np.log(np.maximum(shares, 1e-5)))

    def quantiles(self) -> tuple[Floats, Floats]:
        """Those of what was found and of what is usual, where both lie between the outermost edges."""
        low, high = max(self.found[0], self.usual[0]), min(self.found[-1], self.usual[-1])
        if high - low < 0.05:
            return np.zeros(0), np.zeros(0)
        at = np.linspace(low, high, 43)[1:-1]
        return self.at(self.found, at), self.at(self.usual, at)

    def at(self, shares: Floats, at: Floats) -> Floats:
        """The values below which these shares lie."""
        found: Floats = np.asarray(np.interp(at, shares, self.edges))
        return found

    def middle(self, shares: Floats) -> float:
        """The median."""
        return float(np.interp(0.5, shares, self.edges))

    def best(self, move: Move, about: float, reach: float, *, grows: bool) -> tuple[float, float]:
        """Search the number of a kind, and return it with the distance that is left.

        Args:
            move: The kind.
            about: A first guess.
            reach: How far from it: a factor for kinds that multiply, else in the unit of the column.
            grows: Whether the kind multiplies.
        """
        for _ in range(4):
            steps = np.linspace(-reach, reach, 25)
            tried = about * np.exp(steps) if grows else about + steps
            distances_ = self.left(move(tried, self.edges))
            about, reach = float(tried[int(distances_.argmin())]), reach / 6
        return about, float(distances_.min())


def _number(column: NumberLayout, found: Floats, usual: Floats, unit: str | None) -> Change | None:
    if len(column.bounds) < 3:
        return None
    fitting = _Fitting(column, found, usual)
    if fitting.apart < hypot(LEAST_DISTANCE, NOISE * fitting.noise):
        return None
    fits = sorted(_fits(fitting, unit), key=lambda fit: fit.left)
    if not fits or fits[0].left > _allowed(fitting, fits[0].kind):
        return None
    best = fits[0]
    before, now = fitting.middle(fitting.usual), fitting.middle(fitting.found)
    return Change(
        kind=best.kind,
        sure=_sure(1 - max(best.left - fitting.noise, 0.0) / fitting.apart, fitting.apart, fitting.noise),
        factor=None if best.kind == "shift" else _rounded(best.factor),
        offset=_rounded(best.offset) if best.offset else None,
        value=_unit_name(best) if best.kind == "unit" else None,
        before=_rounded(before),
        after=_rounded(now),
    )


def _allowed(fitting: _Fitting, kind: ChangeKind) -> float:
    """Noise may have any shape: that it scatters is all that is said of it."""
    return fitting.noise + (1.5 * LEFT if kind == "spread" else LEFT) * fitting.apart


def _unit_name(fit: _Fit) -> str:
    return next(r.name for r in RATIOS if (r.factor, r.offset) == (fit.factor, fit.offset))


def _fits(fitting: _Fitting, unit: str | None) -> Iterable[_Fit]:
    """The kinds with one number each; a known unit where it does about as well as the best ratio."""
    now, before = fitting.quantiles()
    apart = np.abs(before) > 0.05 * fitting.scale
    if apart.sum() >= 5:
        about = float(np.median(now[apart] / before[apart]))
        if about > 0:
            factor, left = fitting.best(_scaled, about, 0.3, grows=True)
            if abs(factor - 1) > 0.02:
                yield _Fit("scale", left, factor)
    if len(now):
        offset, left = fitting.best(_shifted, float(np.median(now - before)), fitting.scale, grows=False)
        yield _Fit("shift", left, offset=offset)
    yield from _spread(fitting)
    yield from _units(fitting, unit)


def _units(fitting: _Fitting, unit: str | None) -> Iterable[_Fit]:
    """The known unit that fits; none where several do equally well.

    It has no number to fit, and is expected: it may do a little worse than what has one.
    """
    fits = []
    for ratio in RATIOS:
        if ratio.of and unit is not None and unit not in ratio.of:
            continue
        before = (fitting.edges - ratio.offset) / ratio.factor
        left, spare = float(fitting.left(before[None])[0]), LEFT / (2 if unit in ratio.of else 6)
        left = max(left - fitting.noise - spare * fitting.apart, 0.0)
        if left <= _allowed(fitting, "unit"):
            fit = _Fit("unit", left, ratio.factor, ratio.offset)
            fits.append((unit in ratio.of, fitting.likelihood(before), fit))
    fits.sort(key=lambda each: (-each[0], -each[1]))
    if len(fits) == 1 or (fits and (fits[0][0] > fits[1][0] or fits[0][1] > fits[1][1] + CLEARLY)):
        yield fits[0][2]


def _spread(fitting: _Fitting) -> Iterable[_Fit]:
    middle = fitting.middle(fitting.usual)

    def straight(factors: Floats, values: Floats) -> Floats:
        return middle + (values - middle) / factors[:, None]

    def by_ratio(factors: Floats, values: Floats) -> Floats:
        with np.errstate(all="ignore"):
            apart = middle * np.abs(values / middle) ** (1 / factors[:, None])
            found: Floats = np.where(values > 0, apart, values)
            return found

    for move in (straight, *([by_ratio] if middle > 0 else [])):
        factor, left = fitting.best(move, 1.0, 1.0, grows=True)
        if factor > 1.05:
            yield _Fit("spread", left, factor)


def _scaled(factors: Floats, values: Floats) -> Floats:
    return values / factors[:, None]


def _shifted(offsets: Floats, values: Floats) -> Floats:
    return values - offsets[:, None]


def _sure(explained: float, apart: float, noise: float) -> float:
    """How sure a kind is: what it explains, as far as the difference stands out from the noise."""
    return round(float(np.clip(explained * (1 - (noise / max(apart, 1e-12)) ** 2), 0.0, 0.99)), 2)


def _rounded(value: float) -> float:
    """To four digits: more than the bins know, and the same whoever computes it."""
    return float(f"{float(value):.4g}")


def _of_rows(known: Mapping[Role, Stretch], member: Member) -> Change | None:
    """More rows than usual, or fewer; why, where labels tell."""
    events = known.get(EVENTS)
    if events is None:
        return None
    first = int(np.searchsorted(events.starts, member.since))
    rows, usual = float(events.summary.rows[first:].sum()), float(events.usual_rows()[first:].sum())
    if usual < MIN_ROWS:
        return None
    ratio, noise = rows / usual, 1 / sqrt(usual)
    if rows == 0:
        return Change(kind="gap", sure=0.99, factor=0.0, since=member.since)
    told = _of_ids(known.get(LABELS), member.since)
    if told is not None:
        return told
    if abs(ratio - 1) < LEAST_ROWS + NOISE * noise:
        return None
    sure = _sure(1.0, abs(ratio - 1), noise + 0.05)
    return Change(kind="fewer" if ratio < 1 else "more", sure=sure, factor=_rounded(ratio), since=member.since)


def _clock(events: Stretch | None, since: int) -> Change | None:
    """Records that come at other hours than usual, and that a clock would explain. since: the onset, ms.

    It has been off since the hour for which it explains most.
    """
    if events is None or events.summary.step > HOUR:
        return None
    start, end = -(-max(since, events.summary.start) // HOUR) * HOUR, events.summary.end // HOUR * HOUR
    if end - start < LEAST_OF_CLOCK:
        return None
    rows = events.summary.between(start, end).by_step(HOUR).rows.astype(np.float64)
    starts = start + HOUR * np.arange(len(rows))
    offsets = np.arange(-FURTHEST, FURTHEST + 1)
    season, held = events.reference.season, events.reference.rows
    usual = np.stack([held[season.slots(starts + HOUR * offset)[0]] for offset in offsets]) + 0.5
    usual *= rows.sum() / usual.sum(1, keepdims=True)
    apart = np.cumsum((rel_entr(rows, usual) - rows + usual)[:, ::-1], 1)[:, ::-1]
    apart = apart[:, : len(rows) - LEAST_OF_CLOCK // HOUR + 1]
    best, first = np.unravel_index(int((apart[FURTHEST] - apart).argmax()), apart.shape)
    left, now = float(apart[best, first]), float(apart[FURTHEST, first])
    by_chance = float(len(rows) - first)  # twice what is expected of independent records
    if best == FURTHEST or now <= 4 * by_chance or left > LEFT_OF_CLOCK * now + by_chance:
        return None
    sure = round(float(np.clip(1 - max(left - by_chance, 0.0) / now, 0.0, 0.99)), 2)
    return Change(kind="clock", sure=sure, offset=float(offsets[best]), since=int(starts[first]))


def _of_ids(labels: Stretch | None, since: int) -> Change | None:
    """Events that are there twice, or are missing though their labels came: ids of labels tell."""
    if labels is None:
        return None
    first = int(np.searchsorted(labels.starts, since))
    rows = float(labels.summary.rows[first:].sum())
    events, matched = (float(labels.summary.sum(name)[first:].sum()) for name in ("events", "matched"))
    all_rows, all_matched = (
        float(labels.reference.known.rows.sum()),
        float(labels.reference.known.sums[:, SUMS.index("matched")].sum()),
    )
    if matched < MIN_ROWS or not all_matched:
        return None
    surplus = rows / matched / max(all_rows / all_matched, 1.0) - 1
    if surplus < FEW + NOISE / sqrt(matched):
        return None
    covered = matched / max(events, 1.0) / labels.reference.coverage
    sure = _sure(1.0, surplus, 1 / sqrt(matched))
    if covered < 1 - surplus / 2:
        return Change(kind="duplicates", sure=sure, factor=_rounded(1 + surplus), since=since)
    return Change(kind="late", sure=sure, factor=_rounded(1 / (1 + surplus)), since=since)


def _of_coverage(labels: Stretch | None, member: Member) -> Change | None:
    if labels is None:
        return None
    told = _of_ids(labels, member.since)
    if told is not None and told.kind == "duplicates":
        return told
    first = int(np.searchsorted(labels.starts, member.since))
    events, matched = (float(labels.summary.sum(name)[first:].sum()) for name in ("events", "matched"))
    if events < MIN_ROWS:
        return None
    covered, usual = matched / events, labels.reference.coverage
    noise = sqrt(max(usual * (1 - usual), 1 / events) / events)
    if usual - covered < LEAST_MISSING + NOISE * noise:
        return None
    sure = _sure(1.0, usual - covered, noise)
    return Change(
        kind="labels", sure=sure, before=_rounded(1 - usual), after=_rounded(1 - covered), since=member.since
    )


_INPUTS = ("column", "prediction", "quality", "volume", "coverage")


def _concept(members: Sequence[Member], error: Member) -> Change | None:
    """The error moved, and no input as much as half of it."""
    if any(m.kind in _INPUTS and m.value >= error.value / 2 for m in members):
        return None
    return Change(kind="concept", sure=0.9, since=error.since)
