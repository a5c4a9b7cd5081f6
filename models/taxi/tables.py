"""The default model's scorer: the sum of three look-ups, clipped to the range of the training data.

    minutes = when × how far  +  when × where  +  meter × where × how far

when: half hour of the week. how far: one of 128 steps of distance. where: one of 1,024 classes of zone pairs.
`models.taxi.boosting` fits it. Look-ups and sums of one row never depend on the rows beside it, so that predictions
are equal to the last bit however rows are batched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns, Floats
from models.taxi.features import (
    HUNDREDTHS,
    INPUTS,
    METERS,
    PAIRS,
    SLOTS,
    Features,
    Indices,
    features,
)

STEPS = 128
"""Of distance."""

PACES, DURATIONS = 32, 32
"""Classes of a zone pair's pace and duration; one place is one of each."""

PLACES = PACES * DURATIONS

Singles = NDArray[np.float32]

_SHAPES: dict[str, tuple[int, ...]] = {
    "step": (HUNDREDTHS,),
    "place": (PAIRS,),
    "when_far": (SLOTS, STEPS),
    "when_where": (SLOTS, PLACES),
    "where_far": (METERS, PLACES, STEPS),
    "bounds": (2,),
}


@dataclass(frozen=True)
class Tables:
    """The tables of the default model.

    Attributes:
        step: Of each distance, in [0, STEPS).
        place: Of each pair of zones, in [0, PLACES).
        when_far, when_where, where_far: Minutes to add up.
        bounds: Lowest and highest prediction, minutes.
    """

    step: Indices
    place: Indices
    when_far: Singles
    when_where: Singles
    where_far: Singles
    bounds: Singles

    inputs = INPUTS

    def predict(self, columns: Columns) -> Floats:
        """Predict durations: minutes, within `bounds`, shape (rows,).

        Raises:
            KeyError: A column is missing.
        """
        return self.look_up(features(columns))

    def look_up(self, trips: Features) -> Floats:
        """Predict durations from features, as `predict` does from columns."""
        step, place = self.step.take(trips.distance), self.place.take(trips.pair)
        minutes = self.when_far.take(trips.slot * STEPS + step)
        minutes += self.when_where.take(trips.slot * PLACES + place)
        minutes += self.where_far.take((trips.meter * PLACES + place) * STEPS + step)
        np.minimum(np.maximum(minutes, self.bounds[0], out=minutes), self.bounds[1], out=minutes)
        return minutes.astype(np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what an artifact stores."""
        stored: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _SHAPES}
        return stored | {"step": self.step.astype(np.uint8), "place": self.place.astype(np.uint16)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Tables:
        """Make a scorer from what `arrays` returned.

        Raises:
            KeyError, ValueError: They are other arrays.
        """
        for name, shape in _SHAPES.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} has shape {arrays[name].shape}, not {shape}")
        if arrays["step"].max() >= STEPS or arrays["place"].max() >= PLACES:
            raise ValueError("step or place out of range")
        minutes = {
            name: arrays[name].astype(np.float32) for name in ("when_far", "when_where", "where_far", "bounds")
        }
        if not all(np.isfinite(table).all() for table in minutes.values()):
            raise ValueError("a table holds what is not a number")
        return cls(step=arrays["step"].astype(np.int64), place=arrays["place"].astype(np.int64), **minutes)
