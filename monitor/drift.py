"""The figures of one window, from its rows and the reference."""

from __future__ import annotations

import pyarrow as pa

from monitor.figures import ColumnFigure, Config, WindowFigures
from monitor.reference import Reference

__all__ = ["ColumnFigure", "Config", "Reference", "WindowFigures", "outcome_figures", "trip_figures"]


def trip_figures(window: pa.Table, reference: Reference, config: Config) -> WindowFigures:
    """The figures of a window of predictions. window: chunk layout, in canonical order (partition, offset)."""
    raise NotImplementedError


def outcome_figures(outcomes: pa.Table, trips: pa.Table, reference: Reference, config: Config) -> WindowFigures:
    """The figures of a window of outcomes, joined by id with the trips (id, prediction) of the same window."""
    raise NotImplementedError
