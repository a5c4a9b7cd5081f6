"""Windows as the page takes them: one list for each figure, and all severities as one block of float32. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.definition import Records
from storage.chunk import PREDICTION


class BoardWindow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A window of events, with the error of the labels' window of the same time.

    Attributes:
        start: Event time, ms.
        wall: Wall clock of its closing, else of its writing, ms.
        closed: Whether `wall` is that of its closing.
        written: µs; changes with every writing.
        estimated_mae: The error that is expected before labels come.
    """

    start: int
    wall: int
    status: str
    rows: int
    revision: int
    share_drifted: float | None
    dataset_drift: bool | None
    columns_drifted: int | None
    prediction_drift: float | None
    mae: float | None
    label_coverage: float | None
    closed: bool
    written: int
    estimated_mae: float | None = None


Floats = NDArray[np.float32]

SENT = (
    "start", "wall", "status", "rows", "revision", "share_drifted", "dataset_drift", "columns_drifted",
    "prediction_drift", "mae", "label_coverage", "estimated_mae",
)  # fmt: skip

ROUNDED = ("share_drifted", "mae", "label_coverage", "estimated_mae")
DIGITS = 4
"""More than any line shows; of a year they leave 1.62 MB of 1.72."""


def column_order(columns: Iterable[str], events: Records) -> tuple[str, ...]:
    """Order columns as the events are defined: numbers, categories, whatever else, and the prediction last."""
    known = {name: place for place, name in enumerate((*events.numbers, *events.categories))}
    return tuple(sorted(columns, key=lambda name: (name == PREDICTION, known.get(name, len(known)), name)))


def window_arrays(
    rows: Sequence[BoardWindow], late: Mapping[int, int], severities: Mapping[int, Floats], columns: Sequence[str]
) -> dict[str, Any]:
    """Turn windows into one list for each figure, and one block of severities.

    Args:
        rows: The windows, ascending.
        late: By a window's start, how many events came too late for it.
        severities: By a window's start, float32 of shape (columns,).
        columns: Their names.

    Returns:
        By the name of the figure; `severity` as `packed` gives it.
    """
    found: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in SENT}
    for name in ROUNDED:
        found[name] = [value if value is None else round(value, DIGITS) for value in found[name]]
    found["late"] = [late.get(row.start, 0) for row in rows]
    found["severity"] = packed([severities.get(row.start) for row in rows], len(columns))
    return found


SEPARATOR = "\x1f"
"""Between the names of a window's columns."""


def aligned(names: str, severities: bytes, columns: tuple[str, ...]) -> Floats:
    """Put severities into the order of columns.

    Args:
        names: Of the severities, with SEPARATOR between them.
        severities: In the order of the names, float32 in network order.
        columns: The wanted order.

    Returns:
        Shape (columns,); NaN for a column that is not among the names.
    """
    known = np.append(np.frombuffer(severities, ">f4").astype("<f4"), np.float32(np.nan))
    return known[_places(names, columns)]


@lru_cache(maxsize=64)
def _places(names: str, columns: tuple[str, ...]) -> NDArray[np.intp]:
    """Return the place of each column among the names; -1 where it is not among them."""
    found = {name: place for place, name in enumerate(names.split(SEPARATOR))}
    return np.array([found.get(name, -1) for name in columns], np.intp)


def packed(windows: Sequence[Floats | None], columns: int) -> str:
    """Encode severities as base64 of little-endian float32, shape (columns, windows).

    Args:
        windows: Of each window, shape (columns,); None for a window without any, which becomes NaN.
        columns: How many.
    """
    missing = np.full(columns, np.nan, "<f4")
    block = np.array([missing if w is None else w for w in windows], "<f4").reshape(len(windows), columns)
    return b64encode(block.T.tobytes()).decode()
