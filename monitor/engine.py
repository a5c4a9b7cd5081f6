"""What the monitor computes with, as far as planning and storing need to know it: no Evidently here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from models import artifact
from models.artifact import Model
from models.lookup import refuse_manufactured
from monitor.settings import Settings
from schemas.compatibility import incompatibility
from schemas.definition import Records, Stream
from schemas.errors import ModelUnusable
from schemas.figures import DRIFT, ColumnFigure, WindowFigures
from storage.panes import LoadedRows
from storage.windows import StoredRun, WindowKey

if TYPE_CHECKING:
    from monitor.calibrating import Calibrator  # numeric libraries, which take long to import
    from monitor.summaries import Summarizer


class Engine(Protocol):
    """What the monitor computes with.

    model: hash of the model whose reference it has. summarizer: None where no summaries are kept. calibrator: None
    where no alarms are raised. error: mean absolute error of the model before any window: held out in training, or
    that of the reference; None without labels.
    """

    @property
    def model(self) -> str: ...

    @property
    def error(self) -> float | None: ...

    @property
    def summarizer(self) -> Summarizer | None: ...

    @property
    def calibrator(self) -> Calibrator | None: ...

    def sample(self, stream: Records, rows: pa.Table) -> pa.Table:
        """Of very many rows those that `figures` would take; sampling parts first changes nothing."""

    def figures(self, window: WindowKey, rows: LoadedRows, joined: LoadedRows | None) -> WindowFigures:
        """joined: id and prediction of each row of the events, where the window is of labels."""


def load_reference(settings: Settings) -> Model:
    """Load the model whose reference windows are compared with; where it scores the stream, the scorer too.

    Raises:
        ModelUnusable: There is none that can be used.
    """
    stream = settings.stream
    try:
        return artifact.load(settings.model, stream.events, settings.scorers)
    except ModelUnusable as error:
        if stream.needs_model:
            raise
        raise type(error)(
            f"the records of stream {stream.name} carry their predictions, and there is no reference to compare"
            f" them with ({error.what})",
            "name a model of this stream, whose reference is taken: --model",
        ) from None


def failed(stream: Records, reason: str) -> WindowFigures:
    """Make the figures of a window that cannot be computed: every column has the reason."""
    columns = (*stream.numbers, *stream.categories)
    return WindowFigures(
        columns=tuple(ColumnFigure(name, DRIFT, status="failed", reason=reason) for name in columns),
        sufficient=True,
    )


def check_model(run: StoredRun, model: str, stream: Stream) -> None:
    """Check that a run can be compared with the reference that is loaded.

    Where the records carry their predictions, the first monitor that writes a window decides on the reference.

    Args:
        run: The run.
        model: Hash of the artifact that is loaded.
        stream: What its reference is of.

    Raises:
        ModelMissing: `driftline dummy` made the run up.
        ModelUnusable: The run was scored by another model, or compared with another reference; or it is of another
            stream, or had other columns.
    """
    refuse_manufactured(run.reference)
    if run.reference not in (None, model):
        theirs = str(run.reference)[:12]
        what = "scored by model" if run.stream.needs_model else "compared with the reference"
        raise ModelUnusable(
            f"run {run.run_id} was {what} {theirs}, the loaded one is {model[:12]}",
            f"for its windows start another monitor, with --model {theirs}: `driftline models` lists them",
        )
    if conflict := incompatibility(run.run_id, run.stream, stream):
        raise ModelUnusable(conflict, "start another monitor for it, with a reference of its stream: --model")
