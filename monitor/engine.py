"""What the monitor computes with, as far as planning and storing need to know it: no Evidently here."""

from __future__ import annotations

from typing import Protocol

from monitor.figures import DRIFT, ColumnFigure, WindowFigures
from monitor.panes import Loaded
from schemas.definition import Stream


class Engine(Protocol):
    """What the monitor computes with. model: hash of the model whose reference it has."""

    @property
    def model(self) -> str: ...

    def figures(self, stream: Stream, rows: Loaded, joined: Loaded | None) -> WindowFigures:
        """joined: the rows of the stream that holds the predictions, where `stream` holds labels."""


def failed(stream: Stream, reason: str) -> WindowFigures:
    """What is written of a window that cannot be computed: every column says why."""
    columns = (*stream.numbers, *stream.categories)
    return WindowFigures(
        columns=tuple(ColumnFigure(name, DRIFT, status="failed", reason=reason) for name in columns),
        sufficient=True,
    )
