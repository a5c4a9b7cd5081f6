"""What windows hold, counted in the bins of the model's reference: every row, even where figures take a sample."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from monitor.verdict.layout import SummaryLayout
from monitor.verdict.summary import Summary, empty, encode, merge, summarize_events, summarize_labels
from schemas.definition import Stream
from storage.windows import EncodedSummary, WindowKey


class Summarizer:
    """Summarises windows of one stream.

    Attributes:
        layout: The bins that are counted in.
    """

    def __init__(self, layout: SummaryLayout, stream: Stream) -> None:
        self.layout = layout
        self._stream = stream

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

    def _labels(self, window: WindowKey, labels: pa.Table, events: pa.Table) -> Summary:
        start, size = window.start, window.size
        return summarize_labels(labels, events, self.layout, self._stream, start=start, size=size)


def encoded(summary: Summary) -> EncodedSummary:
    """Encode a summary for table `window_summary`."""
    return EncodedSummary(summary.layout, int(summary.rows.sum()), encode(summary))
