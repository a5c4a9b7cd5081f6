"""What windows hold, counted in the bins of the model's reference: every row, even where figures take a sample."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from monitor.verdict.estimate import Estimation
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.summary import Summary, empty, encode, merge, summarize_events, summarize_labels
from schemas.definition import EVENTS, Stream
from schemas.figures import ESTIMATED, ColumnFigure
from storage.chunk import PREDICTION
from storage.windows import EncodedSummary, WindowKey


class Summarizer:
    """Summarises windows of one stream.

    Attributes:
        layout: The bins that are counted in.
    """

    def __init__(self, layout: SummaryLayout, stream: Stream, estimation: Estimation | None = None) -> None:
        """estimation: Of the errors before labels come; None where they are not estimated."""
        self.layout = layout
        self._stream = stream
        self._estimation = estimation

    def summarize(self, window: WindowKey, parts: Sequence[pa.Table], events: pa.Table | None) -> Summary:
        """Summarise a window.

        Args:
            window: Its key.
            parts: Its rows, each once, in any order.
            events: Of a window of labels: ids, times and predictions of the events of the same window.
        """
        if events is not None:
            return self._labels(window, pa.concat_tables(parts), events)
        start, size = window.start, window.size
        found = [
            summarize_events(part, self.layout, self._stream, start=start, size=size)
            for part in parts
            if part.num_rows
        ]
        if not found:
            return empty(self.layout, window.records.role, start, size)
        return found[0] if len(found) == 1 else merge(found)

    def estimate(self, summary: Summary) -> ColumnFigure | None:
        """Estimate the error of a window of events; None where errors are not estimated."""
        if self._estimation is None or summary.role != EVENTS:
            return None
        if (remark := self._estimation.remark(summary)) is not None:
            return ColumnFigure(PREDICTION, ESTIMATED, status="insufficient", reason=remark)
        return ColumnFigure(PREDICTION, ESTIMATED, value=self._estimation.mean(summary))

    def _labels(self, window: WindowKey, labels: pa.Table, events: pa.Table) -> Summary:
        start, size = window.start, window.size
        return summarize_labels(labels, events, self.layout, self._stream, start=start, size=size)


def encoded(summary: Summary) -> EncodedSummary:
    """Encode a summary for table `window_summary`."""
    return EncodedSummary(summary.layout, int(summary.rows.sum()), encode(summary))
