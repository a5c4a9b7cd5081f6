"""What windows hold, counted in the bins of the model's reference: every row, even where figures take a sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from monitor.verdict.estimate import Estimation
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.segment_figures import SegmentMeter
from monitor.verdict.segments import SegmentLayout
from monitor.verdict.summary import Group, Summary, divide_events, divide_labels, empty, encode, encode_parts, merge
from schemas.definition import EVENTS, Stream
from schemas.figures import ESTIMATED, ColumnFigure, SegmentFigures
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
        *,
        smallest: int = 0,
        meter: SegmentMeter | None = None,
    ) -> None:
        """Keep what windows are counted by.

        Args:
            layout: The bins.
            stream: What the rows are of.
            segments: How it is divided; None where it is not.
            estimation: Of the errors before labels come; None where they are not estimated.
            smallest: Windows that are divided, ms; smaller ones hold few rows of a segment.
            meter: Of the figures of segments; None where they are not wanted.
        """
        self.layout = layout
        self.segments = segments
        self._stream = stream
        self._estimation = estimation
        self._smallest = smallest
        self._meter = meter

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
            The whole, then its segments, where windows of this size are divided.
        """
        start, size, layout, stream = window.start, window.size, self.layout, self._stream
        if events is not None:
            labels, groups = pa.concat_tables(parts), self._groups(events, size)
            return divide_labels(labels, events, layout, stream, groups, start=start, size=size)
        found = [
            divide_events(part, layout, stream, self._groups(part, size), start=start, size=size)
            for part in parts
            if part.num_rows
        ]
        if not found:
            divided = self._divided(size)
            number = 1 + (0 if divided is None else len(divided.keys))
            return [empty(layout, window.records.role, start, size)] * number
        return found[0] if len(found) == 1 else [merge(each) for each in zip(*found, strict=True)]

    def estimate(self, summary: Summary) -> ColumnFigure | None:
        """Estimate the error of a window of events; None where errors are not estimated."""
        if self._estimation is None or summary.role != EVENTS:
            return None
        if (remark := self._estimation.remark(summary)) is not None:
            return ColumnFigure(PREDICTION, ESTIMATED, status="insufficient", reason=remark)
        return ColumnFigure(PREDICTION, ESTIMATED, value=self._estimation.mean(summary))

    def figures(self, window: WindowKey, summaries: Sequence[Summary]) -> tuple[SegmentFigures, ...]:
        """Compute the figures of a window's segments; none where it is not divided, or they are not wanted.

        Args:
            window: Its key.
            summaries: As `summarize` returned them.
        """
        _, *parts = summaries
        return self._meter.figures(window.size, window.start, parts) if parts and self._meter is not None else ()

    def prepare(self, sizes: Iterable[int]) -> None:
        """Draw the thresholds of the segments of windows of these sizes, ms."""
        if self._meter is not None:
            self._meter.prepare(size for size in sizes if self._divided(size) is not None)

    def _divided(self, size: int) -> SegmentLayout | None:
        return self.segments if size >= self._smallest else None

    def _groups(self, events: pa.Table, size: int) -> list[Group]:
        divided = self._divided(size)
        return [] if divided is None else divided.groups(events)

    def encoded(self, summaries: Sequence[Summary]) -> EncodedSummary:
        """Encode what `summarize` returned for table `window_summary`."""
        whole, *parts = summaries
        segments = encode_parts(parts, self.segments.hash) if parts and self.segments is not None else None
        return EncodedSummary(whole.layout, int(whole.rows.sum()), encode(whole), segments)
