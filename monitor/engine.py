"""What the monitor computes with, as far as planning and storing need to know it: no Evidently here."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from monitor.drift.figures import DRIFT, ColumnFigure, WindowFigures
from monitor.panes import Loaded
from monitor.snapshot import Run
from schemas.definition import Records
from schemas.errors import ModelUnusable


class Engine(Protocol):
    """What the monitor computes with. model: hash of the model whose reference it has."""

    @property
    def model(self) -> str: ...

    def sample(self, stream: Records, rows: pa.Table) -> pa.Table:
        """Of very many rows those that `figures` would take; sampling parts first changes nothing."""

    def figures(self, stream: Records, rows: Loaded, joined: Loaded | None) -> WindowFigures:
        """joined: id and prediction of each row of the stream that holds them, where `stream` holds labels."""


def failed(stream: Records, reason: str) -> WindowFigures:
    """What is written of a window that cannot be computed: every column says why."""
    columns = (*stream.numbers, *stream.categories)
    return WindowFigures(
        columns=tuple(ColumnFigure(name, DRIFT, status="failed", reason=reason) for name in columns),
        sufficient=True,
    )


def check_model(run: Run, model: str) -> None:
    """Raises ModelUnusable where the run was scored by another model than the one with this hash.

    A run without a model brought its predictions along: the reference is whatever the operator has named.
    """
    if run.model not in (None, model):
        raise ModelUnusable(
            f"run {run.run_id} was scored by model {str(run.model)[:12]}, the loaded one is {model[:12]}",
            f"name the run's model, --model {str(run.model)[:12]}: `driftline models` lists them",
        )
