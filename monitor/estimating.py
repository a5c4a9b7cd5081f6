"""Learns to estimate the absolute error of a model from its reference: ridge regression on the bins of summaries.

The predictions of a reference come from models that had not learnt from its rows, so that its errors are those of a
stream. `driftline train` stores what was learnt beside the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from models.artifact import Model
from monitor.drift.columns import Floats, Ints, combined
from monitor.verdict.estimate import Agreement, Estimation, Estimator, Terms, decode
from monitor.verdict.layout import CategoryLayout, ColumnLayout, SummaryLayout, errors
from monitor.verdict.season import DAY, HOUR, Season
from monitor.verdict.summary import codes, error_unit
from schemas.definition import Stream
from storage.chunk import PREDICTION

log = structlog.get_logger()

ESTIMATOR = "estimator.json"
"""File of an artifact."""

SHRINKAGE = 10.0
"""A bin with so many rows adds half of what they say."""

LEAST = 1_000
"""Labels that it takes."""

FEW = 30
"""Rows of a bin that are too few to learn from."""

FOLDS = 4
"""Parts of the reference, each of which is estimated from the others."""

ENOUGH = 50
"""Labels of an hour or day whose mean error is compared."""


def files(stream: Stream, reference: pa.Table, inputs: Sequence[str]) -> Mapping[str, bytes]:
    """Return what is stored beside a model, by name: the estimator, or nothing where none can be learnt.

    Args:
        stream: That the model is of.
        reference: Its reference.
        inputs: Columns that it reads.
    """
    found = fit(stream, reference, inputs)
    return {} if found is None else {ESTIMATOR: found.encode()}


def load(model: Model, layout: SummaryLayout) -> Estimation | None:
    """Read the estimator of a model; None where it has none, or summaries have other bins.

    Args:
        model: The model.
        layout: Of the summaries.
    """
    stored = model.file(ESTIMATOR)
    found = None if stored is None else decode(stored)
    if found is not None and found.layout != layout.hash:
        log.warning(
            "errors_not_estimated",
            model=model.hash[:12],
            reason="the stream has other columns than in training",
            do="train again",
        )
        return None
    return None if found is None else Estimation(found, layout)


def fit(stream: Stream, reference: pa.Table, inputs: Sequence[str] = ()) -> Estimator | None:
    """Learn to estimate errors, and try that on parts that were not learnt from; None without enough labels.

    Args:
        stream: That the reference is of.
        reference: As `models.reference.layout` describes it.
        inputs: Columns that the model reads: its errors depend on these, and others only seem to. () for all.
    """
    layout = SummaryLayout.from_reference(reference, stream)
    if not layout.labels:
        return None
    known = reference.filter(pa.array(_known(stream, reference)))
    wanted = {*inputs, PREDICTION} if inputs else {column.name for column in layout.events}
    columns = [column for column in layout.events if column.name in wanted]
    if known.num_rows < LEAST or not columns:
        return None
    learning = _Learning(stream, known, columns)
    model, unit = learning.ridge(np.ones(known.num_rows, np.bool_)), error_unit(layout)
    ends = np.cumsum([column.bins for column in columns])
    parts = np.split(np.rint(model.coef_ / unit).astype(np.int64), ends)
    rare = [_strange(column, learning.codes[column.name]) for column in columns]
    return Estimator(
        layout=layout.hash,
        season=learning.season,
        base=int(np.rint(model.intercept_ / unit)),
        hours=tuple(parts[-1].tolist()),
        columns=tuple(
            Terms(column.name, tuple(terms.tolist()), strange)
            for column, terms, strange in zip(columns, parts[:-1], rare, strict=True)
        ),
        usual_strange=float(
            sum(
                np.isin(learning.codes[column.name], strange).mean()
                for column, strange in zip(columns, rare, strict=True)
            )
        ),
        agreement=learning.agreement(),
    )


def _known(stream: Stream, table: pa.Table) -> NDArray[np.bool_]:
    """Rows whose error counts: those with a label in its range."""
    assert stream.labels is not None
    low, high = stream.labels.label_range or (-np.inf, np.inf)
    label = table[str(stream.label)].to_numpy()
    off = errors(table[PREDICTION], table[str(stream.label)]).to_numpy()
    found: NDArray[np.bool_] = np.isfinite(off) & (label >= low) & (label <= high)
    return found


def _strange(column: ColumnLayout, found: Ints) -> tuple[int, ...]:
    """Bins of few rows; and new values, and those beyond the outermost edges, whatever they are."""
    few = {*np.flatnonzero(np.bincount(found, minlength=column.bins) < FEW).tolist()}
    ends = {column.bins - 2} if isinstance(column, CategoryLayout) else {0, column.bins - 2}
    return tuple(sorted(few | ends))


class _Learning:
    """Rows with known errors, as one column for each bin."""

    def __init__(self, stream: Stream, known: pa.Table, columns: Sequence[ColumnLayout]) -> None:
        from scipy import sparse  # noqa: PLC0415 - where models are trained only

        self.season = Season.from_stream(stream)
        self.codes = {column.name: codes(column, combined(known[column.name])) for column in columns}
        self._times: Ints = known[stream.events.time].to_numpy()
        self._off: Floats = np.abs(errors(known[PREDICTION], known[str(stream.label)]).to_numpy())
        hours, number = self.season.slots(self._times)[0], self.season.numbers[0]
        sizes = [*(column.bins for column in columns), number]
        first = np.cumsum([0, *sizes[:-1]])
        places = np.column_stack([*self.codes.values(), hours]) + first
        begins = np.arange(len(places) + 1) * len(sizes)
        self._bins = sparse.csr_matrix((np.ones(places.size), places.ravel(), begins), (len(places), sum(sizes)))

    def ridge(self, rows: NDArray[np.bool_]) -> Any:
        """Fit to some rows. One thread after the other, so that the same rows give the same terms."""
        from sklearn.linear_model import Ridge  # noqa: PLC0415 - importing it takes seconds

        return Ridge(alpha=SHRINKAGE, solver="sparse_cg", tol=1e-6).fit(self._bins[rows], self._off[rows])

    def agreement(self) -> tuple[Agreement, ...]:
        """Compare hours and days with what the other weeks make expect; the other days, of less than two weeks."""
        folds = (self._times - self.season.start(int(self._times.min()))) // self.season.length
        if folds.max() == 0:
            folds = self._times // DAY
        folds %= FOLDS
        if len(np.unique(folds)) < 2:
            return ()
        estimated = np.zeros(len(folds))
        for fold in np.unique(folds):
            others = self.ridge(folds != fold)
            estimated[folds == fold] = others.predict(self._bins[folds == fold])
        each = (self._agreement(estimated, size) for size in (HOUR, DAY))
        return tuple(one for one in each if one is not None)

    def _agreement(self, estimated: Floats, size: int) -> Agreement | None:
        _, at, rows = np.unique(self._times // size, return_inverse=True, return_counts=True)
        enough = rows >= ENOUGH
        if enough.sum() < 2:
            return None
        mean, found, squares = (
            (np.bincount(at, each) / rows)[enough] for each in (estimated, self._off, self._off**2)
        )
        chance = (squares - found**2).clip(0) / rows[enough] / found**2
        varies = mean.std() > 0 and found.std() > 0
        return Agreement(
            size=size,
            stretches=int(enough.sum()),
            correlation=float(np.corrcoef(mean, found)[0, 1]) if varies else None,
            off=float(np.sqrt(((mean / found - 1) ** 2).mean())),
            chance=float(np.sqrt(chance.mean())),
        )
