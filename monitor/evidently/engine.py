"""The engine that works: Evidently's figures against the reference of the model."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from monitor.calibrating import Calibrator
from monitor.drift.sampling import sample
from monitor.engine import load_reference
from monitor.estimating import load as load_estimation
from monitor.evidently.reference import Reference, Span
from monitor.evidently.window_figures import event_figures, label_figures
from monitor.settings import Settings
from monitor.summaries import Summarizer
from monitor.verdict.family import sizes_of
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.segment_figures import SegmentMeter
from monitor.verdict.segments import SegmentLayout
from schemas.definition import Records, Stream
from schemas.figures import WindowFigures
from storage.chunk import PREDICTION
from storage.panes import LoadedRows
from storage.windows import WindowKey


def mean_error(table: pa.Table, stream: Stream) -> float | None:
    """Compute the mean absolute error of the predictions of a reference; None without labels in their range."""
    if stream.label is None or stream.label not in table.column_names:
        return None
    label, bounds = table[stream.label], stream.labels.label_range if stream.labels else None
    within = [pc.is_valid(label)]
    within += [] if bounds is None else [pc.greater_equal(label, bounds[0]), pc.less_equal(label, bounds[1])]
    rows = table.filter(reduce(pc.and_, within))
    found: float | None = pc.mean(pc.abs(pc.subtract(rows[PREDICTION], rows[stream.label]))).as_py()
    return found


class DriftEngine:
    """Evidently, by `monitor.evidently.window_figures`."""

    def __init__(self, settings: Settings) -> None:
        """Loads the model and prepares its reference: seconds. Raises ModelUnusable, UsageError."""
        self.stream = settings.stream
        self.scorer = load_reference(settings)
        self.config = settings.metrics
        table = self.scorer.reference()
        self.reference = Reference.from_table(table, self.stream, settings.metrics)
        self._error = mean_error(table, self.stream)
        layout = SummaryLayout.from_reference(table, self.stream)
        estimation = load_estimation(self.scorer, layout)
        segments = SegmentLayout.from_reference(table, self.stream) if settings.segments else None
        calibrator = Calibrator(
            layout, self.stream, table, self.scorer.card.period, segments=segments, estimation=estimation
        )
        meter = None
        if segments is not None:
            meter = SegmentMeter(
                layout,
                self.stream,
                segments,
                counted=calibrator.summaries,
                period=calibrator.covered,
                config=settings.metrics,
            )
        (smallest,) = sizes_of(settings.sizes)
        self.calibrator: Calibrator | None = calibrator
        self.summarizer: Summarizer | None = Summarizer(
            layout, self.stream, segments, estimation, smallest=smallest, meter=meter
        )

    @property
    def model(self) -> str:
        return self.scorer.hash

    @property
    def error(self) -> float | None:
        return self.scorer.card.mae if self.scorer.card.errors is not None else self._error

    def sample(self, stream: Records, rows: pa.Table) -> pa.Table:
        return sample(rows, stream.id, self.config.max_rows)

    def prepare(self, sizes: Iterable[int]) -> None:
        """Draw the thresholds of windows of these sizes, in ms: seconds."""
        wanted = [*sizes]
        self.reference.prepare(wanted)
        if self.summarizer is not None:
            self.summarizer.prepare(wanted)

    def figures(self, window: WindowKey, rows: LoadedRows, joined: LoadedRows | None) -> WindowFigures:
        span = Span(window.start, window.size)
        if joined is None:
            return event_figures(rows.table, self.reference, self.config, span)
        return label_figures(rows.table, joined.table, self.reference, self.config, span)
