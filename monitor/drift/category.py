"""A category of the reference, prepared: figures of a window's column, and its Jensen-Shannon distance. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite, log, sqrt
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import rel_entr

from monitor.drift.columns import ColumnSummary, Floats, Ints, by_label, categories, label
from schemas.figures import MISSING, NEW

EXACT = 2**53
"""Below, every whole number is a float of its own."""


@dataclass(frozen=True)
class CategoryReference:
    """Rows per category of the reference. labels: ascending, as text; counts: shape (labels,)."""

    method: ClassVar[str] = "jensenshannon"  # the test of Evidently's that `distance` computes

    labels: tuple[str, ...]
    counts: Ints

    @classmethod
    def from_column(cls, column: pa.ChunkedArray) -> CategoryReference:
        rows = by_label(*categories(column))
        labels = tuple(sorted(rows))
        return cls(labels, np.array([rows[name] for name in labels], np.int64))

    @cached_property
    def count(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def share(self) -> Floats:
        return self.counts / self.count

    @cached_property
    def codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.labels)}

    @cached_property
    def numeric(self) -> tuple[Floats, Ints]:
        """The labels that spell a number, as numbers ascending, and their codes."""
        found = sorted(
            (value, code) for code, name in enumerate(self.labels) if (value := as_number(name)) is not None
        )
        return np.array([value for value, _ in found]), np.array([code for _, code in found], np.int64)

    def summarize(self, column: pa.ChunkedArray) -> ColumnSummary:
        """Compute the figures of a window's column."""
        values, counts = categories(column)
        rows, count = len(column), int(counts.sum())
        known, new = self._split(values, counts)
        figures = {
            MISSING: (rows - count) / rows if rows else None,
            NEW: sum(new.values()) / count if count else None,
        }
        return ColumnSummary(count, figures, known=known, new=new)

    def _split(self, values: NDArray[np.generic] | list[object], counts: Ints) -> tuple[Ints, dict[str, int]]:
        known = np.zeros(len(self.labels), np.int64)
        if isinstance(values, np.ndarray) and len(self.numeric[0]):
            names, codes = self.numeric
            at = names.searchsorted(values)
            hit = names.take(at, mode="clip") == values
            known[codes[at[hit]]] = counts[hit]
            values, counts = values[~hit], counts[~hit]
        new = by_label(values, counts)
        for name in new.keys() & self.codes.keys():
            known[self.codes[name]] += new.pop(name)
        return known, new

    def distance(self, summary: ColumnSummary) -> float:
        """Compute the Jensen-Shannon distance, base e: 0 when identical, sqrt(ln 2) = 0.83 when nothing is shared.

        Args:
            summary: Of a column with at least one usable value.
        """
        share = summary.known / summary.count
        middle = (self.share + share) / 2
        new = sum(summary.new.values()) / summary.count  # theirs alone: each contributes share * log(2)
        total = np.add.reduce(rel_entr(self.share, middle)) + np.add.reduce(rel_entr(share, middle)) + new * log(2)
        return sqrt(max(float(total), 0.0) / 2)

    def sides(self, summary: ColumnSummary) -> tuple[pd.Series[Any], pd.Series[Any]]:
        """(reference, window) as Evidently's statistical tests take them: codes in the order of the labels.

        Not as text: the tests sum over sets, whose order for text changes from process to process, and with it
        the last bits of the score.
        """
        labels = sorted({*self.labels, *summary.new})
        code = {name: number for number, name in enumerate(labels)}
        known = np.array([code[name] for name in self.labels], np.int64)
        rows = np.zeros(len(labels), np.int64)
        rows[known] = summary.known
        for name, count in summary.new.items():
            rows[code[name]] = count
        return pd.Series(np.repeat(known, self.counts)), pd.Series(np.repeat(np.arange(len(labels)), rows))


def as_number(name: str) -> float | None:
    """Return the number that `label` would spell so, None for a text: "007" is no number."""
    try:
        value = float(name)
    except ValueError:
        return None
    return value if isfinite(value) and abs(value) < EXACT and label(value) == name else None
