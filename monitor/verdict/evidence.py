"""Evidence: what windows say together, added up since the season began. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.drift.columns import Floats
from monitor.verdict.members import Signal
from monitor.verdict.season import HOUR

_ALLOWANCE, _OF_HOURS, _OF_HOURLY_VOLUME = 0.7, 1.2, 4.0
"""k: of small windows, which are many, more. Hours of a storm resemble one another: of their volume only a collapse
counts, and what is left of it shows in larger windows."""


def allowances(signals: Sequence[Signal], size: int) -> Floats:
    """Return k of each signal, which is taken from every z before it is added, shape (signals,).

    Args:
        signals: Of a role.
        size: Of the windows, ms.
    """
    if size > HOUR:
        return np.full(len(signals), _ALLOWANCE)
    return np.array([_OF_HOURLY_VOLUME if signal.kind == "volume" else _OF_HOURS for signal in signals])


_SIZES = ((HOUR, 1.3), (6 * HOUR, 1.2))
"""Up to which size evidence is divided by what: of small windows, which are many, more comes by chance."""

_KINDS = {"error": 1.75, "volume": 3.0, "coverage": 3.0}
"""The same of kinds of signals: a storm moves the volume, and the error, for hours, and must not raise the line of
all others. These are constants, since scales drawn from the calm seasons would know which one they are to judge: on
synthetic months that gave 1.7 times as many false alarms as were promised."""


def scales(signals: Sequence[Signal], size: int) -> Floats:
    """Return what evidence is divided by, so that all signals and sizes share one line, shape (signals,).

    Args:
        signals: Of a role.
        size: Of the windows, ms.
    """
    by_size = next((scale for most, scale in _SIZES if size <= most), 1.0)
    return np.array([by_size * _KINDS.get(signal.kind, 1.0) for signal in signals])


def cusum(z: Floats, k: Floats, counts: NDArray[np.bool_] | None = None) -> Floats:
    """Add up what z exceeds k by, never below 0.

    Args:
        z: Of successive windows of one season, shape (windows, …).
        k: As `allowances` returns it.
        counts: Whether a window counts, of the first dimensions of z; after one that does not, the evidence is what
            it was before. None: all do.

    Returns:
        The evidence after each window, of the same shape.
    """
    found = np.empty_like(z)
    level = np.zeros(z.shape[1:])
    for at, one in enumerate(z):
        after = np.maximum(0.0, level + one - k)
        level = after if counts is None else np.where(counts[at][..., None], after, level)
        found[at] = level
    return found
