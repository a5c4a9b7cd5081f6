"""What windows hold, counted in the bins of the model's reference: every row, even where figures take a sample."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from monitor.verdict.estimate import Estimation
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.segments import SegmentLayout
from monitor.verdict.summary import Group, Summary, divide_events, divide_labels, empty, encode, encode_parts, merge
from schemas.definition import EVENTS, Stream
from schemas.figures import ESTIMATED, ColumnFigure
from storage.chunk import PREDICTION
from storage.windows import EncodedSummary, WindowKey


class Summarizer:
    """Summarises windows of one stream.

    Attributes:
        layout: The bins that are counted in.
        segments: How the stream is divided; None where it is not.
    """

    def __init__(
        self,
        layout: SummaryLayout,
        stream: Stream,
        segments: SegmentLayout | None = None,
        estimation: Estimation | None = None,
    ) -> None:
        """Keep what windows are counted by.

        Args:
            layout: The bins.
            stream: What the rows are of.
            segments: How it is divided; None where it is not.
            estimation: Of the errors before labels come; None where they are not estimated.
        """
        self.layout = layout
        self.segments = segments
        self._stream = stream
        self._estimation = estimation

    @property
    def columns(self) -> tuple[str, ...]:
        """What of the events has to be known beside labels: ids, times, predictions, and what divides them."""
        events, divided = self._stream.events, () if self.segments is None else self.segments.columns
        return tuple(dict.fromkeys((events.id, events.time, PREDICTION, *divided)))

    def summarize(self, window: WindowKey, parts: Sequence[pa.Table], events: pa.Table | None) -> list[Summary]:
        """Summarise a window.

        Args:
            window: Its key.
            parts: Its rows, each once, in any order.
            events: Of a window of labels: `columns` of the events of the same window.

        Returns:
            The whole, then its segments.
        """
        start, size, layout, stream = window.start, window.size, self.layout, self._stream
        if events is not None:
            labels = pa.concat_tables(parts)
            return divide_labels(labels, events, layout, stream, self._groups(events), start=start, size=size)
        found = [
            divide_events(part, layout, stream, self._groups(part), start=start, size=size)
            for part in parts
            if part.num_rows
        ]
        if not found:
            number = 1 + (0 if self.segments is None else len(self.segments.keys))
            return [empty(layout, window.records.role, start, size)] * number
        return found[0] if len(found) == 1 else [merge(each) for each in zip(*found, strict=True)]

    def estimate(self, summary: Summary) -> ColumnFigure | None:
        """Estimate the error of a window of events; None where errors are not estimated."""
        if self._estimation is None or summary.role != EVENTS:
            return None
        if (remark := self._estimation.remark(summary)) is not None:
            return ColumnFigure(PREDICTION, ESTIMATED, status="insufficient", reason=remark)
        return ColumnFigure(PREDICTION, ESTIMATED, value=self._estimation.mean(summary))

    def _groups(self, events: pa.Table) -> list[Group]:
        return [] if self.segments is None else self.segments.groups(events)

    def encoded(self, summaries: Sequence[Summary]) -> EncodedSummary:
        """Encode what `summarize` returned for table `window_summary`."""
        whole, *parts = summaries
        segments = None if self.segments is None else encode_parts(parts, self.segments.hash)
        return EncodedSummary(whole.layout, int(whole.rows.sum()), encode(whole), segments)
