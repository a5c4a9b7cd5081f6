"""Trains a model on trips, measures it on trips it has not seen, and writes the artifact.

The same trips always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models import reference as references
from models.artifact import Model, Scorer, publish, save
from models.card import Card, Errors, definition_hash
from models.columns import Columns, Floats
from models.taxi import boosting, linear
from models.taxi.features import features
from schemas.definition import Stream
from schemas.errors import SourceUnusable
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS

Kind = Literal["default", "tutorial"]

Beside = Callable[[Stream, pa.Table, Sequence[str]], Mapping[str, bytes]]
"""Stream, reference and inputs of a model → files that belong to it, by name."""

SEED = 7

MINUTES = OUTCOMES.label_range or (1.0, 60.0)
"""Trips outside are not trained on, as in the tutorial: meters left running, or switched off at once."""

HELD_OUT = 0.2
DAY = 86_400_000
LEAST = 100
"""Trips that a training needs."""

_ABOUT = {
    "default": "Gradient boosting under interaction constraints, tabulated: when × how far + when × where"
    " + where × how far. Reads only what is known at pickup.",
    "tutorial": "The tutorial's linear regression. LEAK: it reads fare and total, known only when the trip is over"
    " and its duration with it. For comparison only.",
}


def train(
    trips: pa.Table,
    *,
    kind: Kind = "default",
    out: Path,
    source: str,
    period: tuple[int, int] | None = None,
    by_hash: bool = False,
    beside: Beside | None = None,
) -> Model:
    """Train on a canonical table of trips and write the artifact.

    Args:
        trips: The trips.
        kind: Of the model.
        out: The folder of the artifact.
        source: Where the trips come from, for the card.
        period: Trips with an event time outside (ms since the epoch, end exclusive) are left out, such as stray
            years in a file; None for whatever the table spans.
        by_hash: Write the artifact beside `out`, under its hash, and let `out` point to it.
        beside: Makes further files of the artifact.

    Raises:
        SourceUnusable: There are too few usable trips, or columns are missing.
        UsageError, ModelUnusable: As of `save`.
    """
    trips = _usable(trips, period)
    times = trips[TRIPS.time].to_numpy()
    minutes = durations(trips)
    learnable = (minutes >= MINUTES[0]) & (minutes <= MINUTES[1])
    if learnable.sum() < LEAST:
        raise SourceUnusable(
            f"{source}: {learnable.sum()} trips of 1 to 60 minutes, too few to train on", "name a longer period"
        )
    columns = references.columns(trips, TRIPS)
    learnt = {name: column[learnable] for name, column in columns.items()}
    scorer = fit(kind, learnt, minutes[learnable])
    card = Card(
        kind=kind,
        about=_ABOUT[kind],
        stream=TRIPS.topic,
        definition=definition_hash(TRIPS),
        source=source,
        period=period or (int(times[0]), int(times[-1]) + 1),
        rows=int(learnable.sum()),
        reference_rows=trips.num_rows,
        inputs=scorer.inputs,
        target=OUTCOMES.label,
        target_range=MINUTES,
        errors=held_out_errors(kind, learnt, minutes[learnable]),
        seed=SEED,
        versions={name: version(name) for name in ("numpy", "scikit-learn", "skops")},
        files={},
    )
    put = publish if by_hash else save
    prediction = unseen_predictions(kind, scorer, columns, learnable, minutes)
    reference = references.reference(trips, TAXI, prediction, minutes)
    return put(out, card, scorer, reference, {} if beside is None else beside(TAXI, reference, scorer.inputs))


def durations(trips: pa.Table) -> Floats:
    """Compute the duration of each trip of a canonical table: minutes, NaN if not known, shape (rows,)."""
    took = pc.subtract(trips["dropoff_at"], trips[TRIPS.time]).cast(pa.float64())
    return np.asarray(took.to_numpy() / 60_000.0, dtype=np.float64)


def fit(kind: Kind, columns: Columns, minutes: Floats) -> Scorer:
    """Fit a model to trips.

    Args:
        kind: Of the model.
        columns: The trips.
        minutes: Their durations, 1 to 60, shape (rows,).
    """
    if kind == "tutorial":
        return linear.fit(columns, minutes)
    return boosting.fit(features(columns), minutes, MINUTES, SEED).tables()


def unseen_predictions(
    kind: Kind, scorer: Scorer, columns: Columns, learnable: NDArray[np.bool_], minutes: Floats
) -> Floats:
    """Predict each trip by a model that has learnt from other days: even days by odd ones, and the reverse.

    A model's errors on what it has learnt from are smaller than those on a stream, which would look like drift.

    Args:
        kind: Of the model.
        scorer: Learnt from all trips; predicts where half of them are too few.
        columns: The trips.
        learnable: Those to learn from, shape (rows,).
        minutes: Their durations, shape (rows,).
    """
    odd = columns[TRIPS.time] // DAY % 2 == 1
    if min((learnable & odd).sum(), (learnable & ~odd).sum()) < LEAST:
        return scorer.predict(columns)
    prediction = np.empty(len(minutes))
    for half in (odd, ~odd):
        learnt = {name: column[learnable & ~half] for name, column in columns.items()}
        rest = {name: column[half] for name, column in columns.items()}
        prediction[half] = _predict_rest(kind, learnt, minutes[learnable & ~half], rest)
    return prediction


def held_out_errors(kind: Kind, columns: Columns, minutes: Floats) -> Errors:
    """Train on the first 80 % of the trips, in event order, and measure the errors on the others."""
    cut = int(len(minutes) * (1 - HELD_OUT))
    first = {name: column[:cut] for name, column in columns.items()}
    rest = {name: column[cut:] for name, column in columns.items()}
    times = rest[TRIPS.time]
    return error_metrics(
        _predict_rest(kind, first, minutes[:cut], rest) - minutes[cut:], (int(times[0]), int(times[-1]) + 1)
    )


def _predict_rest(kind: Kind, columns: Columns, minutes: Floats, others: Columns) -> Floats:
    if kind == "tutorial":
        return linear.fit(columns, minutes).predict(others)
    # The trees predict the same as their tables, which take two seconds to make.
    return boosting.fit(features(columns), minutes, MINUTES, SEED).predict(features(others))


def error_metrics(off: Floats, period: tuple[int, int]) -> Errors:
    """Compute errors from differences (prediction − truth, minutes), shape (rows,), at least one.

    Args:
        off: The differences.
        period: Event time of the trips, ms since the epoch, end exclusive.
    """
    return Errors(
        rows=len(off),
        period=period,
        mae=float(np.abs(off).mean()),
        rmse=float(np.sqrt((off * off).mean())),
        bias=float(off.mean()),
    )


def _usable(trips: pa.Table, period: tuple[int, int] | None) -> pa.Table:
    try:
        if period is not None:
            time = trips[TRIPS.time]
            trips = trips.filter(pc.and_(pc.greater_equal(time, period[0]), pc.less(time, period[1])))
        return references.valid(trips, TRIPS)
    except (KeyError, pa.ArrowException) as error:
        raise SourceUnusable(f"cannot train on these trips: {error}", "use TLC's original files") from error
