"""The engine that works: Evidently's figures against the reference of the model."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from monitor.calibrating import Calibrator
from monitor.drift.sampling import sample
from monitor.engine import load_reference
from monitor.evidently.reference import Reference, Span
from monitor.evidently.window_figures import event_figures, label_figures
from monitor.settings import Settings
from monitor.summaries import Summarizer
from monitor.verdict.layout import SummaryLayout
from schemas.definition import Records
from schemas.figures import WindowFigures
from storage.panes import LoadedRows
from storage.windows import WindowKey


class DriftEngine:
    """Evidently, by `monitor.evidently.window_figures`."""

    def __init__(self, settings: Settings) -> None:
        """Loads the model and prepares its reference: seconds. Raises ModelUnusable, UsageError."""
        self.stream = settings.stream
        self.scorer = load_reference(settings)
        self.config = settings.metrics
        table = self.scorer.reference()
        self.reference = Reference.from_table(table, self.stream, settings.metrics)
        layout = SummaryLayout.from_reference(table, self.stream)
        self.summarizer: Summarizer | None = Summarizer(layout, self.stream)
        self.calibrator: Calibrator | None = Calibrator(layout, self.stream, table, self.scorer.card.period)

    @property
    def model(self) -> str:
        return self.scorer.hash

    def sample(self, stream: Records, rows: pa.Table) -> pa.Table:
        return sample(rows, stream.id, self.config.max_rows)

    def prepare(self, sizes: Iterable[int]) -> None:
        """Draw the thresholds of windows of these sizes, in ms: seconds."""
        self.reference.prepare(sizes)

    def figures(self, window: WindowKey, rows: LoadedRows, joined: LoadedRows | None) -> WindowFigures:
        span = Span(window.start, window.size)
        if joined is None:
            return event_figures(rows.table, self.reference, self.config, span)
        return label_figures(rows.table, joined.table, self.reference, self.config, span)
