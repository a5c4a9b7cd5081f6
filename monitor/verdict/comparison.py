"""Two stretches of time side by side: figures, distributions, and how much they differ beyond chance. Pure.

Everything comes from summaries, so that no row is read, and periods of any length cost the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import sqrt
from typing import Any

import msgspec
import numpy as np

from monitor.drift.columns import Floats
from monitor.verdict.layout import ERROR, CategoryLayout, ColumnLayout, NumberLayout, SummaryLayout
from monitor.verdict.shapes import quantile, shape
from monitor.verdict.signals import distances
from monitor.verdict.summary import SUMS, Summary, error_unit
from schemas.definition import EVENTS, LABELS, Role, Stream

DRAWS = 200
"""Pairs of samples that chance is judged by."""

CHANCE = 0.95
"""Share of them whose distance is no larger than `noise`."""

FIGURES = ("rows", "per_hour", "labels", "coverage", "mae", "bias")
"""Of a comparison, as they are shown."""

CSV_HEAD = ("stream", "column", "figure", "a", "b", "difference", "noise")

_Z = 1.96
_NAMED = 3
_SMALL = 0.005
"""Changes of a share that are not worth a word."""


class Difference(msgspec.Struct, frozen=True):
    """A figure of both sides.

    Attributes:
        a, b: The sides; None where there is nothing to tell it from.
        noise: Half the 95 % confidence interval of b - a, if rows were independent of one another; None where it is
            not known.
    """

    a: float | None
    b: float | None
    noise: float | None = None

    @property
    def difference(self) -> float | None:
        """B less a."""
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def cells(self) -> tuple[float | None, ...]:
        """Both sides, their difference and its noise."""
        return self.a, self.b, self.difference, self.noise


class ColumnDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How a column differs.

    Attributes:
        role, name: The column; `error` is prediction minus label.
        unit: Of its values; None without one.
        distance: Between the sides: Wasserstein in standard deviations of the model's reference for numbers,
            Jensen-Shannon for categories, as evidence measures it; None where a side has no values.
        noise: 95 % of pairs of samples of these sizes, drawn from one distribution, are no further apart.
        change: In words.
        missing: Share of missing values.
        new: Share of values that the reference does not know; of categories.
        q05, q50, q95: Quantiles; of numbers.
        shape: Distributions, as `monitor.verdict.shapes` lays them side by side.
    """

    role: Role
    name: str
    unit: str | None
    distance: float | None
    noise: float | None
    change: str
    missing: Difference
    new: Difference | None
    q05: Difference | None
    q50: Difference | None
    q95: Difference | None
    shape: dict[str, Any]

    @property
    def ratio(self) -> float:
        """Distance in units of the noise; 0 where it is not known."""
        return self.distance / self.noise if self.distance and self.noise else 0.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two sides.

    Attributes:
        hours: Of event time.
        rows, labels: Records.
        per_hour: Records of an hour, on average.
        mae, bias: Of the model, in the unit of the label.
        coverage: Share of the events whose label came.
        columns: The most different first, in units of their noise.
    """

    hours: Difference
    rows: Difference
    per_hour: Difference
    labels: Difference
    mae: Difference
    bias: Difference
    coverage: Difference
    columns: tuple[ColumnDifference, ...]

    def rows_of_csv(self) -> Iterator[tuple[str | float | None, ...]]:
        """Return every figure and distribution, one figure a row, as CSV_HEAD names the cells."""
        for name in ("hours", *FIGURES):
            yield "", "", name, *getattr(self, name).cells
        for column in self.columns:
            yield column.role, column.name, "distance", None, None, column.distance, column.noise
            for name in ("missing", "new", "q05", "q50", "q95"):
                if (each := getattr(column, name)) is not None:
                    yield column.role, column.name, name, *each.cells
            yield from _bins(column)


Held = Mapping[Role, Summary]
"""What a side held; a role without any window is left out."""


def compare(layout: SummaryLayout, stream: Stream, a: Held, b: Held) -> Comparison:
    """Compare two sides.

    Args:
        layout: Of all summaries.
        stream: What they are of.
        a: One side.
        b: The other one.
    """
    columns = [
        found
        for role in (EVENTS, LABELS)
        if role in a and role in b
        for found in _columns(layout, stream, role, a, b)
    ]
    rows, labels = _rows(a, b, EVENTS), _rows(a, b, LABELS)
    hours = Difference(_hours(a), _hours(b))
    return Comparison(
        hours=hours,
        rows=rows,
        per_hour=Difference(*(_share(*each) for each in ((rows.a, hours.a), (rows.b, hours.b)))),
        labels=labels,
        mae=_mae(layout, a, b),
        bias=_bias(layout, a, b),
        coverage=_share_of(*_covered(a), *_covered(b)),
        columns=tuple(sorted(columns, key=lambda column: (-column.ratio, column.role, column.name))),
    )


def _bins(column: ColumnDifference) -> Iterator[tuple[str | float | None, ...]]:
    """The distribution, as it is drawn."""
    shape = column.shape
    between = [f"[{low:g}, {high:g})" for low, high in pairwise(shape.get("edges", ()))]
    labels = shape.get("labels", between)
    blank = [None] * len(labels)
    for label, a, b in zip(labels, shape["a"] or blank, shape["b"] or blank, strict=True):
        yield column.role, column.name, f"share of {label}", *Difference(a, b).cells


def _hours(side: Held) -> float | None:
    return max((held.size / 3_600_000 for held in side.values()), default=None)


def _rows(a: Held, b: Held, role: Role) -> Difference:
    return Difference(*(float(side[role].rows.sum()) if role in side else None for side in (a, b)))


def _columns(layout: SummaryLayout, stream: Stream, role: Role, a: Held, b: Held) -> Iterator[ColumnDifference]:
    held = [side[role].counts.sum(0).astype(np.float64) for side in (a, b)]
    places = layout.places(role)
    apart = distances(places, held[1][None], held[0][None])[0]
    noise = np.quantile(distances(places, *_by_chance(layout, role, *held)), CHANCE, axis=0)
    for at, (column, place) in enumerate(layout.slices(role)):
        first, second = (counts[place] for counts in held)
        known = first[:-1].sum() > 0 and second[:-1].sum() > 0
        unit = stream.unit if column.name == ERROR else stream.unit_of(column.name)
        yield ColumnDifference(
            role=role,
            name=column.name,
            unit=unit,
            distance=float(apart[at]) if known else None,
            noise=float(noise[at]) if known else None,
            change=_in_words(column, first, second, unit),
            missing=_share_of(first[-1], first.sum(), second[-1], second.sum()),
            new=_new(column, first, second),
            **{name: _quantiles(column, first, second, share) for name, share in QUANTILES.items()},
            shape=shape(column, {"a": first, "b": second}),
        )


QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


def _by_chance(layout: SummaryLayout, role: Role, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Draw pairs of samples as large as the sides from what both hold together, shape (draws, bins) each."""
    rng, drawn = np.random.default_rng(0), []
    for side in (a, b):
        parts = []
        for _, place in layout.slices(role):
            both = (a[place] + b[place]).astype(np.float64)
            shares = both / both.sum() if both.sum() else np.full(len(both), 1 / len(both))
            parts.append(rng.multinomial(int(side[place].sum()), shares, DRAWS))
        drawn.append(np.concatenate(parts, axis=1).astype(np.float64))
    return drawn[0], drawn[1]


def _quantiles(column: ColumnLayout, a: Floats, b: Floats, share: float) -> Difference | None:
    if isinstance(column, CategoryLayout):
        return None
    return Difference(quantile(column, a, share), quantile(column, b, share))


def _new(column: ColumnLayout, a: Floats, b: Floats) -> Difference | None:
    if isinstance(column, NumberLayout):
        return None
    return _share_of(a[-2], a.sum(), b[-2], b.sum())


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _share_of(part_a: float, whole_a: float, part_b: float, whole_b: float) -> Difference:
    """Two shares, with the noise of their difference."""
    a, b = (_share(float(part), float(whole)) for part, whole in ((part_a, whole_a), (part_b, whole_b)))
    if a is None or b is None:
        return Difference(a, b)
    return Difference(a, b, float(_Z * sqrt(a * (1 - a) / whole_a + b * (1 - b) / whole_b)))


def _covered(side: Held) -> tuple[float, float]:
    if LABELS not in side:
        return 0.0, 0.0
    return float(side[LABELS].sum("matched").sum()), float(side[LABELS].sum("events").sum())


def _errors(side: Held) -> tuple[float, float, float] | None:
    """Labels with an error, and the sums of the errors and of their absolute values; None without any."""
    if LABELS not in side:
        return None
    sums = side[LABELS].sums.sum(0)
    labels, signed, absolute = (float(sums[SUMS.index(name)]) for name in ("errors", "error", "absolute_error"))
    return (labels, signed, absolute) if labels else None


def _mae(layout: SummaryLayout, a: Held, b: Held) -> Difference:
    return _mean(layout, a, b, at=2, of=np.abs)


def _bias(layout: SummaryLayout, a: Held, b: Held) -> Difference:
    return _mean(layout, a, b, at=1, of=np.asarray)


def _mean(layout: SummaryLayout, a: Held, b: Held, *, at: int, of: Any) -> Difference:
    """A mean of each side, exact; its noise is estimated from the bins of the errors."""
    unit, means, variances = error_unit(layout), [], []
    for side in (a, b):
        found = _errors(side)
        means.append(None if found is None else found[at] * unit / found[0])
        variances.append(None if found is None else _variance(layout, side, of) / found[0])
    noise = None if None in variances else _Z * sqrt(sum(v for v in variances if v is not None))
    return Difference(means[0], means[1], noise)


def _variance(layout: SummaryLayout, side: Held, of: Any) -> float:
    """The variance of a function of the error; values count as the middle of their bins."""
    for column, place in layout.slices(LABELS):
        if column.name == ERROR and isinstance(column, NumberLayout):
            counts = side[LABELS].counts[:, place].sum(0)[:-1].astype(np.float64)
            bounds = column.bounds
            values = of(np.concatenate([bounds[:1], (bounds[:-1] + bounds[1:]) / 2, bounds[-1:]]))
            mean = float(values @ counts) / counts.sum()
            return float((values - mean) ** 2 @ counts) / float(counts.sum())
    return 0.0


def _in_words(column: ColumnLayout, a: Floats, b: Floats, unit: str | None) -> str:
    """What has changed, from a to b."""
    parts = [] if not (a[:-1].sum() and b[:-1].sum()) else [*_changed(column, a, b, unit)]
    missing = [_share(side[-1], side.sum()) for side in (a, b)]
    if None not in missing and abs((missing[1] or 0) - (missing[0] or 0)) > _SMALL:
        parts.append(f"missing {_percent(missing[0])} → {_percent(missing[1])}")
    return "; ".join(parts) or "no values to compare"


def _changed(column: ColumnLayout, a: Floats, b: Floats, unit: str | None) -> Iterator[str]:
    if isinstance(column, NumberLayout):
        first, second = (_figure(quantile(column, side, 0.5)) for side in (a, b))
        yield f"median {first} → {second}{f' {unit}' if unit else ''}"
        return
    shares = [side[:-1] / side[:-1].sum() for side in (a, b)]
    names = [*column.values, "others", "new values"]
    ranked = np.argsort(-np.abs(shares[1] - shares[0]), kind="stable")[:_NAMED]
    moved = [at for at in ranked if abs(shares[1][at] - shares[0][at]) > _SMALL] or [*ranked[:1]]
    yield ", ".join(f"{names[at]}: {_percent(shares[0][at])} → {_percent(shares[1][at])}" for at in moved)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
