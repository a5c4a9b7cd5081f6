"""The tutorial's model, for comparison only: a linear regression that uses the final fare, which is a leak.

It predicts a trip's duration from its own fare: a leak, which is why nobody should score a live stream with it.
Zone numbers are taken as if they were amounts, as the tutorial does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns, Floats

NUMBERS = ("passenger_count", "trip_distance", "fare_amount", "total_amount")
CATEGORIES = ("PULocationID", "DOLocationID")
INPUTS = NUMBERS + CATEGORIES

LARGEST = 1e7
"""Amounts beyond are cut here, so that a sum is always finite."""


@dataclass(frozen=True)
class Linear:
    """A linear regression. slopes: minutes per unit of each input, shape (6,). intercept: minutes, shape (1,)."""

    slopes: Floats
    intercept: Floats

    inputs = INPUTS

    def predict(self, columns: Columns) -> Floats:
        """Predict durations: minutes, finite, shape (rows,). Missing values count as 0.

        Raises:
            KeyError: A column is missing.
        """
        minutes = np.full(len(columns[INPUTS[0]]), self.intercept[0])
        # One column after the other, not a matrix product: BLAS sums in an order that depends on the rows' number.
        for name, slope in zip(INPUTS, self.slopes, strict=True):
            minutes += slope * amounts(columns[name])
        return minutes

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what an artifact stores."""
        return {"slopes": self.slopes, "intercept": self.intercept}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Linear:
        """Make a scorer from what `arrays` returned.

        Raises:
            KeyError, ValueError: They are other arrays.
        """
        slopes, intercept = arrays["slopes"].astype(np.float64), arrays["intercept"].astype(np.float64)
        if slopes.shape != (len(INPUTS),) or intercept.shape != (1,):
            raise ValueError(f"slopes have shape {slopes.shape}, not ({len(INPUTS)},)")
        if not np.isfinite(slopes).all() or not np.isfinite(intercept).all():
            raise ValueError("a slope is not a number")
        return cls(slopes=slopes, intercept=intercept)


def amounts(column: NDArray[Any]) -> Floats:
    """Convert a column to finite numbers: NaN and None become 0, values beyond LARGEST are clipped."""
    numbers = np.asarray(column, dtype=np.float64)
    return np.clip(np.nan_to_num(numbers, nan=0.0, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)


def fit(columns: Columns, minutes: Floats) -> Linear:
    """Fit by least squares (scikit-learn's LinearRegression).

    Args:
        columns: The inputs.
        minutes: Durations, shape (rows,).
    """
    from sklearn.linear_model import LinearRegression  # noqa: PLC0415 - importing it takes longer than scoring a month

    fitted = LinearRegression().fit(np.column_stack([amounts(columns[name]) for name in INPUTS]), minutes)
    return Linear(slopes=np.asarray(fitted.coef_), intercept=np.array([fitted.intercept_]))
