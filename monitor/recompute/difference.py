"""What `driftline recompute` reports, and when two values are the same."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from typing import Any

import msgspec

EQUAL = 1e-12
"""Relative tolerance. The same machine gives the same bits; another may sum in another order."""


class Difference(msgspec.Struct, frozen=True):
    """A figure that differs from what it follows from.

    Attributes:
        stream: Role of the records; '' where it is of both.
        figure: A column of `window_result`; column, metric and field; or of evidence, a calibration or an alarm.
        stored: In the tables.
        computed: Now.
    """

    stream: str
    figure: str
    stored: Any
    computed: Any


def equal(one: Any, other: Any, tolerance: float = EQUAL) -> bool:
    """Whether two values are the same, numbers within a relative and absolute tolerance, those in lists too."""
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[name], other[name], tolerance) for name in one)
    return bool(one == other)
