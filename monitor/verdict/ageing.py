"""Ageing: how far the stream is from what the model was trained on, in units that people can judge. Pure.

The change of a signal is found by its evidence (`calibration`), and forgotten once the calm weeks hold it. What has
moved since the training stays moved. It is no alarm, but a reason to train again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
from scipy.stats import t

from monitor.drift.columns import Floats
from monitor.verdict.calibration import CalmSeason
from monitor.verdict.harm import TOLERATED
from monitor.verdict.layout import ERROR, CategoryLayout, SummaryLayout
from monitor.verdict.members import Aged
from monitor.verdict.season import Season
from monitor.verdict.signals import Reference, SlotSums, scores_of, signals, total
from monitor.verdict.summary import error_unit
from schemas.definition import LABELS, Role

CONFIDENCE = 0.9
"""One-sided, that a signal is beyond its tolerance."""


class Tolerance(msgspec.Struct, frozen=True):
    """How far a signal may be from the training.

    Attributes:
        number: Wasserstein distance of a number, in standard deviations of the reference.
        category: Jensen-Shannon distance of a category.
        volume: Change of the number of rows, as a share.
        mae: Growth of the mean absolute error, as a share; less error is never too much.
        bias: Change of the mean error, in the label's unit.
    """

    number: float = 0.1
    category: float = 0.1
    volume: float = 0.3
    mae: float = TOLERATED
    bias: float = 1.0


TOLERANCE = Tolerance()


def ageing(
    layout: SummaryLayout,
    season: Season,
    training: Sequence[CalmSeason],
    newest: Sequence[CalmSeason],
    tolerance: Tolerance = TOLERANCE,
) -> tuple[Aged, ...]:
    """Compare the newest seasons with the training, the furthest beyond its tolerance first.

    Args:
        layout: Of the summaries.
        season: Of the stream.
        training: What the model was trained on, in seasons, or as one stretch.
        newest: At least two seasons; the last four, say.
        tolerance: Of each kind of signal.
    """
    found: list[Aged] = []
    for role in newest[0].summaries:
        known = total(_sums(one, role, season) for one in training)
        each = [_sums(one, role, season) for one in newest]
        found += _columns(layout, Reference(season, known, known), role, each, tolerance)
        if role == LABELS:
            found += _errors(layout, known, each, tolerance)
    return tuple(sorted(found, key=lambda one: -one.low / one.tolerance))


def _sums(one: CalmSeason, role: Role, season: Season) -> SlotSums:
    return SlotSums.from_summary(one.summaries[role], season, one.left_out)


def _columns(
    layout: SummaryLayout, reference: Reference, role: Role, newest: Sequence[SlotSums], tolerance: Tolerance
) -> Iterable[Aged]:
    values = np.concatenate([scores_of(layout, reference, role, one).values for one in newest])
    allowed = _allowed(layout, role, tolerance)
    for signal, each in zip(signals(layout, role), values.T, strict=True):
        if signal.name in allowed and signal.name != ERROR:
            yield _aged(
                role, signal.name, np.expm1(each) if signal.kind == "volume" else each, allowed[signal.name]
            )


def _allowed(layout: SummaryLayout, role: Role, tolerance: Tolerance) -> Mapping[str, float]:
    columns = {
        c.name: tolerance.category if isinstance(c, CategoryLayout) else tolerance.number
        for c in layout.columns(role)
    }
    return columns if role == LABELS else columns | {"volume": tolerance.volume}


def _errors(
    layout: SummaryLayout, known: SlotSums, newest: Sequence[SlotSums], tolerance: Tolerance
) -> Iterable[Aged]:
    mae, bias = _mean_errors(layout, known.sums.sum(0))
    each = np.array([_mean_errors(layout, one.sums.sum(0)) for one in newest])
    if mae > 0 and np.isfinite(each).all():
        yield _aged(LABELS, "mae", each[:, 0] / mae - 1, tolerance.mae)
        moved = each[:, 1] - bias
        yield _aged(LABELS, "bias", moved * np.sign(moved.mean()), tolerance.bias)


def _mean_errors(layout: SummaryLayout, sums: Floats) -> tuple[float, float]:
    """Mean absolute and mean error, in the label's unit; NaN without labels."""
    unit = error_unit(layout)
    return (float(sums[4] / sums[2] * unit), float(sums[3] / sums[2] * unit)) if sums[2] else (np.nan, np.nan)


def _aged(role: Role, name: str, each: Floats, tolerance: float) -> Aged:
    """Seasons differ from one another by chance: what is surely beyond the tolerance is so in spite of that."""
    number = len(each)
    half = float(t.ppf(CONFIDENCE, number - 1) * each.std(ddof=1) / np.sqrt(number)) if number > 1 else np.inf
    return Aged(role=role, name=name, value=float(each.mean()), low=float(each.mean()) - half, tolerance=tolerance)
