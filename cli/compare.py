"""`driftline compare`: two sides as tables. Pure."""

from __future__ import annotations

import msgspec

from monitor.comparing import Compared
from monitor.verdict.comparison import FIGURES, Difference

REMARK = (
    "distance: Wasserstein in standard deviations of the model's reference, or Jensen-Shannon; noise: 95 % of pairs"
    " of samples of these sizes from one distribution are no further apart, if rows are independent"
)
_SHARES = ("coverage", "missing", "new")


class Figure(msgspec.Struct, frozen=True):
    """A figure of both sides, for a table. b_a: the difference; noise: half of its 95 % interval."""

    figure: str
    a: str
    b: str
    difference: str
    noise: str


class Line(msgspec.Struct, frozen=True):
    """A column, for a table. times: its distance in units of the noise."""

    stream: str
    column: str
    times: str
    distance: float | None
    noise: float | None
    change: str


def figures(found: Compared) -> list[Figure]:
    """Return the figures of both sides; those that neither has are left out."""
    made = []
    for name in FIGURES:
        each: Difference = getattr(found.comparison, name)
        if each.a is not None or each.b is not None:
            unit = f" {found.unit}" if found.unit and name in ("mae", "bias") else ""
            texts = (_text(name, value) for value in (each.a, each.b, each.difference, each.noise))
            made.append(Figure(name.replace("_", " "), *(f"{text}{unit}" if text else "" for text in texts)))
    return made


def lines(found: Compared) -> list[Line]:
    """Return a line for each column, the most different first."""
    return [
        Line(
            stream=column.role,
            column=column.name,
            times=f"{column.ratio:.1f}×" if column.noise else "",
            distance=_rounded(column.distance),
            noise=_rounded(column.noise),
            change=column.change,
        )
        for column in found.comparison.columns
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.2g}")


def _text(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if name in ("rows", "labels", "hours") else f"{value:,.3g}"
