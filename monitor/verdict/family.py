"""The family of a stream's segments: calibrated, scored and watched together, beside the whole. Pure.

All signals of all segments, and the shares of the segments, have one line and one promise, of their own: what is
promised for the whole stream stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np

from monitor.drift.columns import Floats
from monitor.verdict import calibration
from monitor.verdict.calibration import Calibration, CalmSeason, Key, calibrate_segments
from monitor.verdict.evidence import allowances
from monitor.verdict.fold import Series, Watch
from monitor.verdict.harm import Errors
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.members import Signal
from monitor.verdict.season import HOUR, Season
from monitor.verdict.segments import SegmentLayout
from monitor.verdict.summary import Summary
from schemas.definition import EVENTS, Role

SMALLEST = 6 * HOUR
"""Of windows at which segments are watched. More than one size would raise the line more than it would find."""

FEWEST = 0.2
"""Share of values of a column that is counted at least, in saying how far they are apart. Where fewer rows have a
value, the column is taken to have none."""

Parts = Mapping[str, Summary]
"""What a window held, by segment, and of its events the shares of the segments by division."""


@dataclass(frozen=True)
class Family:
    """How the segments of a stream are watched in a season.

    Attributes:
        layout: Which segments there are.
        parts: By segment, and by division for its shares; as in `parts_of`.
    """

    layout: SegmentLayout
    parts: Mapping[str, Calibration]

    @cached_property
    def id(self) -> str:
        """Of all that it follows from."""
        made_of = [self.layout.hash, *(part.id for part in self.parts.values())]
        return sha256(msgspec.json.encode(made_of)).hexdigest()

    @property
    def refused(self) -> str | None:
        """Why nothing is promised."""
        return next((part.refused for part in self.parts.values()), None)

    @cached_property
    def watched(self) -> Mapping[Key, tuple[str, ...]]:
        """By role and size, the parts that have enough rows."""
        keys = dict.fromkeys(key for part in self.parts.values() for key in part.watched)
        return {key: tuple(name for name, part in self.parts.items() if key in part.standards) for key in keys}

    def leaving_out(self, days: Mapping[int, str]) -> Family:
        """Let some days of the season that is watched not count; as in `Calibration`."""
        return Family(self.layout, {name: part.leaving_out(days) for name, part in self.parts.items()})

    def score(self, role: Role, size: int, parts: Parts) -> tuple[list[float], list[float]]:
        """Score a window: z, and how far each signal is from the usual, in the order of `signals`.

        Args:
            role: Of its records.
            size: Of the window, ms.
            parts: What it held.
        """
        found = [self.parts[name].moved(parts[name]) for name in self.watched[role, size]]
        z, apart = (np.concatenate([each[side][:-1] for each in found]) for side in (0, 1))
        filled = np.maximum(self._filled[role, size], FEWEST)
        return z.astype(np.float32).tolist(), (apart / filled).astype(np.float32).tolist()

    def errors(self, summaries: Sequence[Summary]) -> dict[str, Errors]:
        """Add up the errors of a window of labels by segment; empty for events.

        Args:
            summaries: Of all segments, in the order of the layout.
        """
        each = {
            name: self.parts[name].errors(summary)
            for name, summary in zip(self.layout.keys, summaries, strict=True)
            if name in self.parts
        }
        return {name: found for name, found in each.items() if found is not None}

    @cached_property
    def _filled(self) -> Mapping[Key, Floats]:
        """The usual share of rows that have a value, of each signal: only those can move."""
        return {
            key: np.concatenate([_filled(self.parts[name], key[0]) for name in self.watched[key]])
            for key in self.watched
        }

    def _rows(self, key: Key) -> Floats:
        """How many rows of each signal's part usually have a value; 0 where nearly none has."""
        own = [(self.parts[name], len(self.parts[name].signals(key[0])) - 1) for name in self.watched[key]]
        rows = np.repeat([float(part.known[key[0]].rows.sum()) for part, _ in own], [signals for _, signals in own])
        filled = self._filled[key]
        found: Floats = np.where(filled >= FEWEST, rows * filled, 0.0)
        return found

    def signals(self, key: Key) -> tuple[Signal, ...]:
        """List the signals of a role and size; what counts records is none."""
        return tuple(
            self._named(name, signal)
            for name in self.watched[key]
            for signal in self.parts[name].signals(key[0])[:-1]
        )

    def _named(self, part: str, signal: Signal) -> Signal:
        division = next((one for one in self.layout.divisions if one.name == part), None)
        if division is None:
            return msgspec.structs.replace(signal, segment=part)
        return Signal(division.name, "mixture", division.column.name, division.name)

    def watch(self, season: int) -> Watch:
        """Say how a season is watched, for `fold`. season: its start, ms."""
        series = {}
        for key, names in self.watched.items():
            parts = [self.parts[name] for name in names]
            drift = [allowances(part.signals(key[0]), key[1])[:-1] for part in parts]
            series[key] = Series(
                signals=self.signals(key),
                drift=tuple(np.concatenate(drift).tolist()),
                line=tuple(np.concatenate([part.lines[key][:-1] for part in parts]).tolist()),
                rates=tuple(np.concatenate([part.rates[key][:-1] for part in parts]).tolist()),
                rows=tuple(self._rows(key).tolist()),
            )
        promise = next(iter(self.parts.values())).promise
        return Watch(
            season=season,
            calibration_id=self.id,
            promise=None if self.refused else promise.rate,
            series=series,
            track="segments",
        )

    def sentence(self) -> str:
        """Say what is watched and promised."""
        watched = {name for names in self.watched.values() for name in names}
        segments = len(watched & {*self.layout.keys})
        if not watched:
            return "No segment has enough rows to be watched."
        if self.refused:
            return f"{segments} segments are watched as well, without a promise."
        rate = next(iter(self.parts.values())).promise.rate
        return f"{segments} segments are watched as well: at most {rate:.1f} further false alarms a month."

    def encode(self) -> bytes:
        """Encode the family; `decode` reads it."""
        parts = [(name, part.encode()) for name, part in self.parts.items()]
        return msgspec.msgpack.encode([self.layout.hash, parts])


def _filled(part: Calibration, role: Role) -> Floats:
    known = part.known[role]
    counts, rows = known.counts.sum(0), max(int(known.rows.sum()), 1)
    missing = np.array([counts[place.stop - 1] / rows for _, place in part.layout.slices(role)])
    return 1.0 - missing


def decode(payload: bytes, layout: SummaryLayout, segments: SegmentLayout) -> Family | None:
    """Decode what `Family.encode` returned; None where the stream was divided otherwise.

    Args:
        payload: The bytes.
        layout: Of the whole stream.
        segments: How it is divided.
    """
    raw: tuple[str, Sequence[Any]] = msgspec.msgpack.decode(payload)
    if raw[0] != segments.hash:
        return None
    layouts = layouts_of(layout, segments)
    return Family(segments, {name: calibration.decode(part, layouts[name]) for name, part in raw[1]})


def layouts_of(layout: SummaryLayout, segments: SegmentLayout) -> dict[str, SummaryLayout]:
    """Return the bins of each segment, and of the shares of each division."""
    shares = {division.name: division.mixture for division in segments.divisions}
    return dict.fromkeys(segments.keys, layout) | shares


def parts_of(segments: SegmentLayout, role: Role, summaries: Sequence[Summary]) -> Parts:
    """Name the summaries of all segments; events have the shares of each division beside them.

    Args:
        segments: How the stream is divided.
        role: Of the records.
        summaries: In the order of its keys.
    """
    found = dict(zip(segments.keys, summaries, strict=True))
    if role != EVENTS:
        return found
    return found | {one.name: segments.mixture(one, summaries) for one in segments.divisions}


def with_segments(
    whole: CalmSeason, segments: SegmentLayout, parts: Mapping[Role, Sequence[Summary]]
) -> CalmSeason:
    """Add what its segments held to a calm season.

    Args:
        whole: The season.
        segments: How it is divided.
        parts: By role, of the same stretch as the whole, in the order of the keys.
    """
    by_name: dict[str, dict[Role, Summary]] = {}
    for role, summaries in parts.items():
        for name, summary in parts_of(segments, role, summaries).items():
            by_name.setdefault(name, {})[role] = summary
    found = {name: CalmSeason(whole.start, own, whole.left_out) for name, own in by_name.items()}
    return CalmSeason(whole.start, whole.summaries, whole.left_out, found)


def sizes_of(sizes: Sequence[int]) -> tuple[int, ...]:
    """Of the sizes that are watched, ms, choose that of segments: small windows hold few of their rows."""
    return (min((size for size in sizes if size >= SMALLEST), default=max(sizes)),)


def calibrate_family(
    layout: SummaryLayout,
    segments: SegmentLayout,
    season: Season,
    calm: Sequence[CalmSeason],
    *,
    sizes: Sequence[int],
    promise: float,
) -> Family:
    """Draw the line of the segments from calm seasons, each with what its segments held.

    Args:
        layout: Of the whole stream.
        segments: How it is divided.
        season: Of the stream.
        calm: Oldest first.
        sizes: Of the windows of the stream that are to be watched, ms.
        promise: False alarms a month that are accepted.
    """
    layouts, own = layouts_of(layout, segments), sizes_of(sizes)
    shares = [one.name for one in segments.divisions]
    made = calibrate_segments(layouts, season, calm, shares=shares, sizes=own, promise=promise)
    return Family(segments, made)
