"""Calibration: the line that evidence has to cross, from calm seasons. Pure.

Each calm season is compared with the others, as the next one will be compared with all of them: its scores are
standardised by coefficients that know neither it nor how it compares, and its evidence begins at zero. The line is
the largest evidence of any calm season, or a lower rank, as the promise allows.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.drift.columns import Floats, Ints
from monitor.verdict.evidence import allowances, cusum, scales
from monitor.verdict.fold import Series, Watch
from monitor.verdict.harm import Errors, errors, line_of_harm
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.members import Ageing, Signal
from monitor.verdict.promise import Promise
from monitor.verdict.season import DAY, HOUR, LEVELS, Season, outside
from monitor.verdict.signals import MIN_ROWS, Reference, Scores, SlotSums, scores, signals, total
from monitor.verdict.standardize import Standard
from monitor.verdict.summary import Summary, empty, merge
from monitor.verdict.trend import trend
from schemas.definition import LABELS, Role
from schemas.durations import duration_text, moment

SEASONS = 3
"""Fewer calm seasons than this are compared day by day, and nothing is promised."""

DAYS = 3
"""Fewer calm days than this say nothing."""

MIN_WINDOWS = 20
"""From fewer, where days are compared with days, nobody can tell how much windows of a size differ."""

_COUNTED = ("volume", "coverage")
"""Kinds of signals that count records, rather than look into them."""

DEFAULT_SIZES = (HOUR, 6 * HOUR, DAY)

_MIXED, _FEW = 3.0, 0.01
"""What the evidence of shares of segments is divided by; and the share of missing values from which on a column is
taken to show them."""

LEAST = 2.0
"""The lowest line, in units of z: signals that hardly moved in any calm season must not be set off by little."""

Key = tuple[Role, int]
"""Role and size."""


@dataclass(frozen=True)
class CalmSeason:
    """A season in which nothing happened that should have raised an alarm.

    Attributes:
        start: Event time, ms since the epoch.
        summaries: By role, each of the whole season, or of the whole days of it that are known.
        left_out: Days of it that do not count, by their start, ms, and why: holidays.
        segments: The same season of each segment, and of the shares of segments, by their names.
    """

    start: int
    summaries: Mapping[Role, Summary]
    left_out: Mapping[int, str] = field(default_factory=dict)
    segments: Mapping[str, CalmSeason] = field(default_factory=dict)

    @classmethod
    def from_windows(
        cls,
        layout: SummaryLayout,
        start: int,
        end: int,
        summaries: Mapping[Role, Sequence[Summary]],
        step: int = HOUR,
    ) -> CalmSeason:
        """Put windows together. Time without a window counts as time without records.

        Args:
            layout: Of the summaries.
            start: Of the season, ms.
            end: Of it, exclusive.
            summaries: By role, windows inside it, of any one step that divides `step`.
            step: By which the season is to be known, ms.
        """
        parts = {
            role: merge([_whole(layout, role, start, end, found), *found]).between(start, end)
            for role, found in summaries.items()
        }
        return cls(start, {role: part.by_step(step) for role, part in parts.items()})

    def without(self, days: Mapping[int, str]) -> CalmSeason:
        """Leave out those of some days that it holds."""
        end = next((summary.end for summary in self.summaries.values()), self.start)
        segments = {name: one.without(days) for name, one in self.segments.items()}
        left_out = {day: why for day, why in days.items() if self.start <= day < end}
        return replace(self, left_out=left_out, segments=segments)


def _whole(layout: SummaryLayout, role: Role, start: int, end: int, found: Sequence[Summary]) -> Summary:
    step = found[0].step if found else HOUR
    blank = empty(layout, role, start, step)
    longer = ((end - start) // step, *(1,) * (blank.counts.ndim - 1))
    rows, counts, sums = np.tile(blank.rows, longer[0]), np.tile(blank.counts, longer), np.tile(blank.sums, longer)
    return Summary(blank.layout, role, start, step, rows, counts, sums)


class SetBy(msgspec.Struct, frozen=True):
    """What set the line: the signal that moved most in a calm season. season: its start, ms."""

    season: int
    role: Role
    size: int
    signal: str

    def __str__(self) -> str:
        return f"{self.signal} at {duration_text(self.size)} in the week of {moment(self.season):%Y-%m-%d}"


@dataclass(frozen=True)
class Calibration:
    """How a season is watched, from calm seasons before it.

    Attributes:
        id: sha256 in hex of what it was made of.
        layout: Of the summaries.
        season: Whose slots windows are compared by: of the stream, or of days where there are few calm seasons.
        seasons: Starts of the calm seasons, ms.
        maxima: Of each of them, in units of the line, shape (seasons,).
        set_by: What set the line.
        promise: What is promised, where `refused` is None.
        refused: Why nothing is promised.
        unwatched: Why a role and size are not watched.
        known, recent: Of each role, as in `Reference`.
        left_out: Days that do not count, of the calm seasons and of the one that is watched, as in `CalmSeason`.
        standards: Of each role and size that are watched.
        lines: Evidence at which an alarm fires, shape (signals,).
        rates: Of the exponential tail of calm evidence, shape (signals,).
        ageing: How far the stream's own seasons among the calm ones are from the training; None: there are too few.
        harm: Excess of the error of a day from which on it is harmed; None: no errors are known, or one calm day.
    """

    id: str
    layout: SummaryLayout
    season: Season
    seasons: tuple[int, ...]
    maxima: tuple[float, ...]
    set_by: SetBy | None
    promise: Promise
    refused: str | None
    unwatched: Mapping[Key, str]
    known: Mapping[Role, SlotSums]
    recent: Mapping[Role, SlotSums]
    standards: Mapping[Key, Standard]
    lines: Mapping[Key, Floats]
    rates: Mapping[Key, Floats]
    ageing: Ageing | None = None
    left_out: Mapping[int, str] = field(default_factory=dict)
    harm: float | None = None

    @property
    def watched(self) -> tuple[Key, ...]:
        """Roles and sizes that are watched."""
        return tuple(self.standards)

    def signals(self, role: Role) -> tuple[Signal, ...]:
        """List the signals of a role, in the order of `z`."""
        return signals(self.layout, role)

    @cached_property
    def references(self) -> Mapping[Role, Reference]:
        """What windows are compared with, by role."""
        return {role: Reference(self.season, known, self.recent[role]) for role, known in self.known.items()}

    def scores(self, summary: Summary, size: int) -> Scores:
        """Compare the windows of a summary with what their hours usually hold.

        Args:
            summary: Of one window of this size, or of several that follow one another.
            size: Of the windows, ms.
        """
        return scores(self.layout, self.references[summary.role], summary, size)

    def z(self, summary: Summary, size: int) -> Floats:
        """Standardise the scores of windows, shape (windows, signals).

        Args:
            summary: As for `scores`.
            size: Of the windows, ms, one that is watched.
        """
        return self._standardized(summary, size, self.scores(summary, size))

    def score(self, summary: Summary) -> tuple[tuple[float, ...], dict[str, float]]:
        """Score one window: z by signal, and rows (`volume`) or labels (`coverage`) as shares of what is expected.

        Args:
            summary: Of a window of a role and size that are watched.
        """
        raw = self.scores(summary, summary.size)
        kind = self.signals(summary.role)[-1].name
        shares = {kind: float(raw.found[0] / raw.expected[0])} if raw.expected[0] >= 1 else {}
        return tuple(self._standardized(summary, summary.size, raw)[0].tolist()), shares

    def moved(self, summary: Summary) -> tuple[Floats, Floats]:
        """Score one window: z by signal, and how much larger its distances are than usual.

        Args:
            summary: As for `score`.
        """
        raw, key = self.scores(summary, summary.size), (summary.role, summary.size)
        positions = self.season.positions(np.array([summary.start]), summary.size)
        standard = self.standards[key]
        return standard.z(raw, positions)[0], standard.beyond(raw, positions)[0]

    def counts(self, starts: Ints, size: int) -> NDArray[np.bool_]:
        """Whether windows add to the evidence: none does that shares time with a day that is left out.

        Args:
            starts: When they begin, ms, shape (n,).
            size: Of the windows, ms.
        """
        return outside(self.left_out, starts, size)

    def leaving_out(self, days: Mapping[int, str]) -> Calibration:
        """Let some days of the season that is watched not count. days: as in `left_out`."""
        if not days:
            return self
        made_of = msgspec.json.encode([self.id, [*days]])
        return replace(self, id=sha256(made_of).hexdigest(), left_out={**self.left_out, **days})

    def errors(self, summary: Summary) -> Errors | None:
        """Add up the absolute errors of a window; None where it is none of labels, or no label is known."""
        reference = self.references.get(LABELS)
        return None if reference is None or summary.role != LABELS else errors(reference, summary)

    def level(self, summary: Summary) -> str:
        """Return the coarsest of `LEVELS` that the hours of a window are compared with."""
        starts = summary.start + summary.step * np.arange(len(summary.rows))
        levels = self.references[summary.role].levels[self.season.slots(starts)[0]]
        return LEVELS[int(levels.max(initial=0))]

    def watch(self, season: int) -> Watch:
        """Say how a season is watched, for `fold`. season: its start, ms."""
        series = {
            key: Series(
                signals=self.signals(key[0]),
                drift=tuple(allowances(self.signals(key[0]), key[1]).tolist()),
                line=tuple(self.lines[key].tolist()),
                rates=tuple(self.rates[key].tolist()),
            )
            for key in self.watched
        }
        promised = None if self.refused else self.promise.rate
        return Watch(season=season, calibration_id=self.id, promise=promised, series=series, ageing=self.ageing,
            harm=self.harm,
        )  # fmt: skip

    def sentence(self) -> str:
        """Say what is watched and promised, or why nothing is."""
        watched = sum(len(self.signals(role)) for role in {role for role, _ in self.watched})
        sizes = ", ".join(duration_text(size) for size in sorted({size for _, size in self.watched}))
        if not watched:
            return f"Nothing is watched yet. {self.refused}"
        days = ", ".join(f"{moment(day):%Y-%m-%d} ({why})" for day, why in sorted(self.left_out.items()))
        without = f" Holidays add no evidence, and no calm week counts them: {days}." if days else ""
        if self.refused:
            return f"Watching {watched} signals at {sizes}, without a promise. {self.refused}{without}"
        return f"{self.promise.sentence(watched, sizes)}{without}"

    def encode(self) -> bytes:
        """Encode the calibration; `decode` reads it."""
        sums = {
            name: {role: [*map(_pack, one.arrays)] for role, one in getattr(self, name).items()}
            for name in ("known", "recent")
        }
        by_key = {
            "standards": [
                [*key, [_pack(getattr(one, f.name)) for f in fields(one)]] for key, one in self.standards.items()
            ],
            "lines": [[*key, _pack(line)] for key, line in self.lines.items()],
            "rates": [[*key, _pack(rate)] for key, rate in self.rates.items()],
            "unwatched": [[*key, reason] for key, reason in self.unwatched.items()],
        }
        plain = {name: getattr(self, name) for name in _PLAIN}
        return zlib.compress(msgspec.msgpack.encode(plain | sums | by_key), 6)

    def _standardized(self, summary: Summary, size: int, raw: Scores) -> Floats:
        starts = summary.start + size * np.arange(len(raw.values))
        return self.standards[summary.role, size].z(raw, self.season.positions(starts, size))


def decode(payload: bytes, layout: SummaryLayout) -> Calibration:
    """Decode what `Calibration.encode` returned. layout: of the summaries that it was made from."""
    raw: dict[str, Any] = msgspec.msgpack.decode(zlib.decompress(payload))
    return Calibration(
        layout=layout,
        **{name: msgspec.convert(raw[name], type_) for name, type_ in _PLAIN.items() if name in raw},
        unwatched={(role, size): reason for role, size, reason in raw["unwatched"]},
        known={role: SlotSums(*map(_unpack, arrays)) for role, arrays in raw["known"].items()},
        recent={role: SlotSums(*map(_unpack, arrays)) for role, arrays in raw["recent"].items()},
        standards={(role, size): Standard(*map(_unpack, arrays)) for role, size, arrays in raw["standards"]},
        lines={(role, size): _unpack(line) for role, size, line in raw["lines"]},
        rates={(role, size): _unpack(rate) for role, size, rate in raw["rates"]},
    )


_PLAIN: Mapping[str, Any] = {
    "id": str,
    "season": Season,
    "seasons": tuple[int, ...],
    "maxima": tuple[float, ...],
    "set_by": SetBy | None,
    "promise": Promise,
    "refused": str | None,
    "ageing": Ageing | None,
    "left_out": dict[int, str],
    "harm": float | None,
}


def _pack(array: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    small = array.astype(np.int32) if array.dtype == np.int64 and np.abs(array).max(initial=0) < 2**31 else array
    return small.dtype.str, small.shape, small.tobytes()


def _unpack(packed: Sequence[Any]) -> NDArray[Any]:
    type_, shape, data = packed
    array = np.frombuffer(data, type_).reshape(shape)
    return array.astype(np.int64) if array.dtype.kind == "i" else array


def calibrate(
    layout: SummaryLayout,
    season: Season,
    calm: Sequence[CalmSeason],
    *,
    sizes: Sequence[int] = DEFAULT_SIZES,
    promise: float = 1.0,
) -> Calibration:
    """Draw the line from calm seasons.

    Args:
        layout: Of the summaries.
        season: Of the stream.
        calm: Calm seasons, oldest first, without those that people or a calendar exclude. They are the reference:
            the last K (rolling), or those of the training.
        sizes: Of the windows that are to be watched, ms.
        promise: False alarms a month that are accepted.

    Returns:
        The calibration. Where nothing can be promised it says so, and draws the line from what there is.
    """
    made = _Calibrating.from_seasons(layout, season, calm, sizes)
    chosen = Promise.from_seasons(promise, len(calm), season.length)
    return made.calibration(chosen, made.lines(chosen.rank), refused=made.refused(chosen), harm=made.harm())


def calibrate_each(
    layout: SummaryLayout,
    season: Season,
    calm: Sequence[CalmSeason],
    *,
    sets: Sequence[Sequence[int]],
    promise: float = 1.0,
) -> list[Calibration]:
    """Draw the line of each of several sets of sizes, as `calibrate` does, but compare calm seasons only once.

    Args:
        layout: Of the summaries.
        season: Of the stream.
        calm: As for `calibrate`.
        sets: Sizes of the windows that are to be watched together, ms.
        promise: False alarms a month that are accepted.

    Returns:
        As `calibrate` draws it, but for `harm`, which is None.
    """
    made = _Calibrating.from_seasons(layout, season, calm, sorted({size for each in sets for size in each}))
    chosen = Promise.from_seasons(promise, len(calm), season.length)
    refused = made.refused(chosen)
    parts = [made.only(sizes) for sizes in sets]
    return [one.calibration(chosen, one.lines(chosen.rank), refused=refused, harm=None) for one in parts]


def calibrate_segments(
    layouts: Mapping[str, SummaryLayout],
    season: Season,
    calm: Sequence[CalmSeason],
    *,
    shares: Collection[str],
    sizes: Sequence[int] = DEFAULT_SIZES,
    promise: float = 1.0,
) -> dict[str, Calibration]:
    """Draw one line for all segments of a stream: a family with a promise of its own.

    Args:
        layouts: Of the summaries of each segment, and of the shares, by their names in `CalmSeason.segments`.
        season: Of the stream.
        calm: As for `calibrate`.
        shares: Which of them are no segments, but shares of segments.
        sizes: Of the windows that are to be watched, ms.
        promise: False alarms a month that are accepted, of all of them together.

    Returns:
        By name. What counts records (`_COUNTED`) is no signal here: its evidence makes no line.
    """
    made = {}
    for name, layout in layouts.items():
        own = [one.segments[name] for one in calm]
        made[name] = _Calibrating.from_seasons(layout, season, own, sizes)
        made[name].shared = {
            role: np.array([_MIXED])
            if name in shares
            else _mixed(layout, role, [one.summaries[role] for one in own])
            for role in own[0].summaries
        }
    chosen = Promise.from_seasons(promise, len(calm), season.length)
    found = [peak[:, :-1].max(1, initial=0.0) for one in made.values() for peak in one.peaks.values()]
    line = max(float(np.sort(np.max(found, axis=0))[-chosen.rank]), LEAST) if found else LEAST
    refused = next(iter(made.values())).refused(chosen, trended=False) if made else None
    return {
        name: one.calibration(
            chosen,
            {key: np.full(peak.shape[1], line) for key, peak in one.peaks.items()},
            refused=refused,
            harm=None,
        )
        for name, one in made.items()
    }


def _mixed(layout: SummaryLayout, role: Role, seasons: Sequence[Summary]) -> Floats:
    """What the evidence of a segment's signals is divided by as well, shape (signals,).

    A storm changes how segments are mixed. That shows in the shares, and in segments of other divisions in which a
    part of the rows lacks a value: it must not raise the line of all others.
    """
    rows = max(sum(int(one.rows.sum()) for one in seasons), 1)
    counts = np.sum([one.counts.sum(0) for one in seasons], axis=0)
    missing = np.array([counts[place.stop - 1] / rows for _, place in layout.slices(role)])
    return np.append(np.where((missing > _FEW) & (missing < 1 - _FEW), _MIXED, 1.0), 1.0)


def _days(calm: Iterable[CalmSeason]) -> Iterable[CalmSeason]:
    """The days that count."""
    for one in calm:
        for start in range(one.start, next(iter(one.summaries.values())).end, DAY):
            if start not in one.left_out:
                parts = {role: summary.between(start, start + DAY) for role, summary in one.summaries.items()}
                yield CalmSeason(start, parts)


def _watched(
    season: Season, units: Sequence[CalmSeason], sizes: Sequence[int], by_day: bool
) -> tuple[list[Key], dict[Key, str]]:
    watched, why = [], {}
    for role in units[0].summaries if units else ():
        for size in sorted(sizes):
            reason = _unwatchable(season, [unit.summaries[role] for unit in units], size, by_day)
            if reason is None:
                watched.append((role, size))
            else:
                why[role, size] = reason
    return watched, why


def _unwatchable(season: Season, units: Sequence[Summary], size: int, by_day: bool) -> str | None:
    if len(units) < DAYS:
        return "fewer than 3 calm days are known"
    if size % (step := max(unit.step for unit in units)):
        return f"its windows are no whole number of {duration_text(step)}, by which calm time is known"
    if not season.holds(size) or (by_day and DAY % size):
        return "its windows cross the border of a day or of the season"
    if by_day and sum(unit.size for unit in units) // size < MIN_WINDOWS:
        return f"fewer than {MIN_WINDOWS} of its windows are known"
    if np.median(np.concatenate([unit.by_step(size).rows for unit in units])) < MIN_ROWS:
        return f"half of its windows have fewer than {MIN_ROWS} rows"
    return None


@dataclass
class _Calibrating:
    """The season, the calm seasons, and the units that are compared with one another: seasons, or days."""

    layout: SummaryLayout
    season: Season
    calm: Sequence[CalmSeason]
    units: Sequence[CalmSeason]
    by_day: bool
    watched: Sequence[Key]
    unwatched: Mapping[Key, str]
    shared: Mapping[Role, Floats] = field(default_factory=dict)
    _by_role: dict[Role, Sequence[SlotSums]] = field(default_factory=dict)
    _references: dict[tuple[Role, int, frozenset[int]], Reference] = field(default_factory=dict)

    @classmethod
    def from_seasons(
        cls, layout: SummaryLayout, season: Season, calm: Sequence[CalmSeason], sizes: Sequence[int]
    ) -> _Calibrating:
        by_day = len(calm) < SEASONS
        units = [*_days(calm)] if by_day else [*calm]
        watched, unwatched = _watched(season, units, sizes, by_day)
        return cls(
            layout, Season(DAY) if by_day and season.period else season, calm, units, by_day, watched, unwatched
        )

    def only(self, sizes: Collection[int]) -> _Calibrating:
        """Watch only these of its sizes."""
        made = replace(
            self,
            watched=[key for key in self.watched if key[1] in sizes],
            unwatched={key: why for key, why in self.unwatched.items() if key[1] in sizes},
        )
        made.evidence = {key: self.evidence[key] for key in made.watched}
        made.known, made.recent, made.digests = self.known, self.recent, self.digests
        return made

    @cached_property
    def known(self) -> Mapping[Role, SlotSums]:
        """All units, added up."""
        return {role: total(self._sums(role)) for role in (self.units[0].summaries if self.units else ())}

    @cached_property
    def recent(self) -> Mapping[Role, SlotSums]:
        """Where the level of the volume of the next season comes from."""
        return {role: self._recent(role, len(self.units)) for role in self.known}

    @cached_property
    def evidence(self) -> Mapping[Key, tuple[Floats, Standard]]:
        """Of the calm seasons, each compared with the others, and the coefficients."""
        return {key: self._evidence(*key) for key in self.watched}

    @cached_property
    def peaks(self) -> Mapping[Key, Floats]:
        """The most evidence of each calm season, in units that all signals share, shape (seasons, signals)."""
        return {key: found.max(1) / self._scales(key) for key, (found, _) in self.evidence.items()}

    def _scales(self, key: Key) -> Floats:
        return scales(signals(self.layout, key[0]), key[1]) * self.shared.get(key[0], 1.0)

    def calibration(
        self, promise: Promise, lines: Mapping[Key, Floats], *, refused: str | None, harm: float | None
    ) -> Calibration:
        """Put it together. lines: in the units of `peaks`."""
        parts = np.array([(peak / lines[key]).max(1) for key, peak in self.peaks.items()])
        maxima = parts.max(0) if len(parts) else np.zeros(0)
        return Calibration(
            id=self._id(promise),
            layout=self.layout,
            season=self.season,
            seasons=tuple(one.start for one in self.calm),
            maxima=tuple(maxima.tolist()),
            set_by=self._set_by(int(np.argsort(-maxima, kind="stable")[promise.rank - 1])) if self.peaks else None,
            promise=promise,
            refused=refused,
            unwatched=self.unwatched,
            known=self.known,
            recent=self.recent,
            standards={key: standard for key, (_, standard) in self.evidence.items()},
            lines={key: self._scales(key) * lines[key] for key in self.watched},
            rates={key: _tail(found) for key, (found, _) in self.evidence.items()},
            left_out={day: why for one in self.calm for day, why in one.left_out.items()},
            harm=harm,
        )

    def harm(self) -> float | None:
        """Each calm season compared with the others, or each day."""
        if len(self.units) < 2 or LABELS not in self.units[0].summaries:
            return None
        return line_of_harm(
            (self._reference(LABELS, at, frozenset({at})), unit.summaries[LABELS], unit.left_out)
            for at, unit in enumerate(self.units)
        )

    def lines(self, rank: int) -> dict[Key, Floats]:
        """The line of each signal, in the units of `peaks`: one for all.

        Where days are compared with days, weekends raise the line of what records hold. Nothing is promised there:
        the numbers of rows and of labels have lines of their own, so that a collapse need not be as large as that.
        """
        families = {
            key: np.array(
                [s.kind if self.by_day and s.kind in _COUNTED else "" for s in signals(self.layout, key[0])]
            )
            for key in self.peaks
        }
        lines = {key: np.full(len(family), LEAST) for key, family in families.items()}
        for family in {name for each in families.values() for name in each}:
            found = [peak[:, families[key] == family].max(1, initial=0.0) for key, peak in self.peaks.items()]
            line = max(float(np.sort(np.max(found, axis=0))[-rank]), LEAST)
            for key, line_of in lines.items():
                line_of[families[key] == family] = line
        return lines

    def _evidence(self, role: Role, size: int) -> tuple[Floats, Standard]:
        """Evidence of the calm seasons, each compared with the others, shape (seasons, windows, signals)."""
        number, positions = len(self.units), self._positions(role, size)
        alone = [self._compared(role, size, at, frozenset({at})) for at in range(number)]
        final = Standard.fit(_joined(alone), np.concatenate(positions))
        z = [self._unseen(role, size, at, positions).z(alone[at], positions[at]) for at in range(number)]
        if self.by_day:
            z = [np.concatenate(z[first:last]) for first, last in self._day_ranges()]
        longest = max(len(one) for one in z)
        padded = np.stack([np.pad(one, ((0, longest - len(one)), (0, 0))) for one in z], axis=1)
        counts = np.ones(padded.shape[:2], np.bool_)
        if not self.by_day:
            counts = np.stack([self._counts(role, size, at) for at in range(number)], axis=1)
        found = cusum(padded, allowances(signals(self.layout, role), size), counts) * counts[..., None]
        return found.swapaxes(0, 1), final

    def _unseen(self, role: Role, size: int, held: int, positions: Sequence[Ints]) -> Standard:
        """Coefficients from the other seasons alone."""
        others = [at for at in range(len(self.units)) if at != held]
        found = [self._compared(role, size, at, frozenset({at, held})) for at in others]
        return Standard.fit(_joined(found), np.concatenate([positions[at] for at in others]))

    def _compared(self, role: Role, size: int, at: int, without: frozenset[int]) -> Scores:
        """Scores of a unit against the units that are not in `without`."""
        found = scores(self.layout, self._reference(role, at, without), self.units[at].summaries[role], size)
        return replace(found, rows=found.rows * self._counts(role, size, at)[:, None])

    def _counts(self, role: Role, size: int, at: int) -> NDArray[np.bool_]:
        """Which windows of a unit count; of the others, no row does."""
        unit = self.units[at]
        return outside(unit.left_out, _starts(unit.summaries[role], size), size)

    def _reference(self, role: Role, at: int, without: frozenset[int]) -> Reference:
        key = role, at, without
        if key not in self._references:
            known = total(sums for other, sums in enumerate(self._sums(role)) if other not in without)
            self._references[key] = Reference(self.season, known, self._recent(role, at, without))
        return self._references[key]

    def _sums(self, role: Role) -> Sequence[SlotSums]:
        if role not in self._by_role:
            self._by_role[role] = [
                SlotSums.from_summary(unit.summaries[role], self.season, unit.left_out) for unit in self.units
            ]
        return self._by_role[role]

    def _recent(self, role: Role, at: int, without: frozenset[int] = frozenset()) -> SlotSums:
        """Where the level of the volume comes from: the season before (after the first one); of days, all."""
        sums, left = self._sums(role), [n for n in range(len(self.units)) if n not in without]
        if self.by_day:
            return total(sums[n] for n in left)
        return sums[max((n for n in left if n < at), default=left[0])]

    def _positions(self, role: Role, size: int) -> Sequence[Ints]:
        """Days are too few to tell what is usual at a time of the day: there is one position then."""
        season = Season(None) if self.by_day else self.season
        return [season.positions(_starts(unit.summaries[role], size), size) for unit in self.units]

    def _day_ranges(self) -> Iterable[tuple[int, int]]:
        first = 0
        for one in self.calm:
            days = len([*_days([one])])
            yield first, first + days
            first += days

    def _set_by(self, at: int) -> SetBy:
        peaks = self.peaks
        role, size = max(peaks, key=lambda key: float(peaks[key][at].max()))
        signal = signals(self.layout, role)[int(peaks[role, size][at].argmax())]
        return SetBy(self.calm[at].start, role, size, signal.name)

    def refused(self, promise: Promise, *, trended: bool = True) -> str | None:
        """Why nothing can be promised. trended: whether to ask if the calm seasons drift."""
        if self.by_day or not promise.is_kept:
            return promise.price
        by_role = {role: self._sums(role) for role in self.units[0].summaries} if trended else {}
        if trended and trend(
            self.layout, [{r: s[at].counts.sum(0) for r, s in by_role.items()} for at in range(len(self.units))]
        ):
            return "The calm weeks drift away from one another: the next will not be like them."
        return None

    def _id(self, promise: Promise) -> str:
        made = sha256(self.layout.hash.encode())
        made.update(
            msgspec.json.encode([self.season, [one.start for one in self.calm], [*self.watched], promise, _VERSION])
        )
        for part in self.digests:
            made.update(part)
        return made.hexdigest()

    @cached_property
    def digests(self) -> Sequence[bytes]:
        """Of what the calm seasons hold."""
        found = []
        for one in self.calm:
            found.append(msgspec.json.encode([*one.left_out]))
            found += [
                sha256(np.ascontiguousarray(summary.counts).tobytes() + summary.sums.tobytes()).digest()
                for summary in one.summaries.values()
            ]
        return found


_VERSION = 3
"""Raised whenever the same calm seasons give another line."""


def _starts(summary: Summary, size: int) -> Ints:
    """When its windows of a size begin, ms."""
    return summary.start + size * np.arange(summary.size // size)


def _joined(found: Sequence[Scores]) -> Scores:
    return Scores(
        *(np.concatenate([getattr(one, name) for one in found]) for name in ("values", "rows", "expected", "found"))
    )


def _tail(found: Floats) -> Floats:
    """Rate of the exponential tail of calm evidence, shape (signals,)."""
    above = found > 0
    rates: Floats = 1.0 / np.maximum((found * above).sum((0, 1)) / np.maximum(above.sum((0, 1)), 1), 0.1)
    return rates
