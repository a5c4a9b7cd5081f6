"""The stream that sizes are tried on: its rows, the weeks of its training, and what other weeks held. Pure.

A drift is injected into rows, as the producer would, and the rows are summarised again: so what a window holds is
what it would have held, whatever the drift does to the model's prediction and its error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models import reference as references
from models.artifact import Model
from models.columns import Floats
from monitor.verdict.calibration import CalmSeason
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.season import Season
from monitor.verdict.summary import Summary, summarize_events, summarize_labels
from producer.bend import SENT, bend
from producer.scenario import Scenario
from schemas.definition import EVENTS, LABELS, Role, Stream
from schemas.errors import UsageError

LEAST = 2
"""Whole weeks after the training: a drift that begins in one may be found in the next."""

Summaries = Mapping[Role, Summary]


@dataclass(frozen=True)
class History:
    """A stream, for a while.

    Attributes:
        stream: Its definition.
        model: That predicts; None where the records carry their predictions.
        layout: Of the summaries.
        season: Of the stream.
        step: Of the summaries, ms.
        rows: Events of the weeks after the training, with the fields of their labels, as they came.
        known: The whole weeks that it was trained on, oldest first.
        live: What the whole weeks after them held.
    """

    stream: Stream
    model: Model | None
    layout: SummaryLayout
    season: Season
    step: int
    rows: pa.Table
    known: tuple[CalmSeason, ...]
    live: Summaries

    @classmethod
    def from_rows(
        cls, stream: Stream, model: Model | None, rows: pa.Table, *, period: tuple[int, int], until: int, step: int
    ) -> History:
        """Summarise a stream.

        Args:
            stream: Its definition.
            model: As above.
            rows: All its events that the consumer would accept, with the fields of their labels.
            period: Of the rows, ms, end exclusive.
            until: What comes before this moment is the training, ms; the start of a season.
            step: Of the summaries, ms.

        Raises:
            UsageError: There are too few whole weeks.
        """
        season = Season.from_stream(stream)
        end = season.start(period[1])
        if (weeks := max((end - until) // season.length, 0)) < LEAST:
            raise UsageError(
                f"{weeks} whole weeks follow those that are learnt from, too few to try sizes on",
                "name a longer period: eight weeks at least, and a quarter to tell false alarms",
            )
        training = (
            model.reference() if model is not None else scored(stream, None, _between(rows, stream, 0, until))
        )
        layout = SummaryLayout.from_reference(training, stream)
        first = season.start(period[0] - 1) + season.length
        known = summarized(stream, layout, _between(training, stream, first, until), (first, until), step)
        live = _between(rows, stream, until, end)
        found = summarized(stream, layout, scored(stream, model, live), (until, end), step)
        return cls(stream, model, layout, season, step, live, tuple(weeks_of(season, known)), found)

    @property
    def period(self) -> tuple[int, int]:
        """Of the weeks after the training, ms."""
        return self.live[EVENTS].start, self.live[EVENTS].end

    @cached_property
    def weeks(self) -> tuple[CalmSeason, ...]:
        """The weeks after the training."""
        return tuple(weeks_of(self.season, self.live))

    @property
    def id(self) -> str:
        """Hash of what it holds."""
        made = sha256(f"{self.layout.hash} {self.step} {self.model and self.model.hash}".encode())
        for one in (*(s for week in self.known for s in week.summaries.values()), *self.live.values()):
            made.update(np.ascontiguousarray(one.counts).tobytes() + one.sums.tobytes() + str(one.start).encode())
        return made.hexdigest()[:16]

    def bent(self, scenario: Scenario, onset: int, period: tuple[int, int]) -> Summaries:
        """Summarise part of the weeks after the training again, with a drift that begins at a moment and stays.

        Args:
            scenario: The drift.
            onset: When it begins, ms.
            period: The part, ms.
        """
        first, end = period
        rows = bend(_between(self.rows, self.stream, first, end), scenario, onset=onset, lasts=end - onset)
        rows = _between(rows, self.stream, first, end)  # a wrong clock may have moved some out of it
        return summarized(self.stream, self.layout, scored(self.stream, self.model, rows), period, self.step)


def starts_at_once(scenario: Scenario) -> bool:
    """Whether a drift is all there from its onset on, so that it is the same whenever it began."""
    return not any(drift.ramp for drift in scenario.drifts) and len({d.starts_at for d in scenario.drifts}) == 1


def training_end(season: Season, start: int, weeks: int) -> int:
    """When the training ends that holds so many whole weeks, and what comes before them. start: of it, ms."""
    return season.start(start - 1) + (1 + weeks) * season.length


def scored(stream: Stream, model: Model | None, rows: pa.Table) -> pa.Table:
    """Predict, as the consumer does; what comes later than is allowed is left out, as it is there.

    Args:
        stream: Its definition.
        model: None where the records carry their predictions.
        rows: Events with the fields of their labels, after a drift was injected.
    """
    if SENT in rows.column_names:
        pane = stream.terms.pane_ms
        ends = (rows[stream.events.time].to_numpy() // pane + 1) * pane
        rows = rows.filter(pa.array(ends > rows[SENT].to_numpy() - stream.terms.lateness_ms))
    if model is not None:
        prediction: Floats = model.predict(references.columns(rows, stream.events))
    else:
        prediction = rows[str(stream.events.prediction)].to_numpy(zero_copy_only=False)
    label: Floats | None = None
    if stream.label is not None:
        label = rows[stream.label].to_numpy(zero_copy_only=False).astype(np.float64)
        if (known_at := stream.records(LABELS).known_at) is not None:
            late = rows[known_at].to_numpy(zero_copy_only=False) - rows[stream.events.time].to_numpy()
            label = np.where(late <= stream.terms.label_lateness_ms, label, np.nan)
    return references.reference(rows, stream, prediction, label)


def summarized(
    stream: Stream, layout: SummaryLayout, rows: pa.Table, period: tuple[int, int], step: int
) -> dict[Role, Summary]:
    """Summarise what `scored` gave.

    Args:
        stream: Its definition.
        layout: Of the summaries.
        rows: All of them lie in the period.
        period: Of whole steps, ms, end exclusive.
        step: Of the summaries, ms.
    """
    start, size = period[0], period[1] - period[0]
    found: dict[Role, Summary] = {EVENTS: summarize_events(rows, layout, stream, start=start, size=size, step=step)}
    if stream.labels is not None:
        names = {
            stream.events.id: stream.labels.id,
            stream.events.time: stream.labels.time,
            str(stream.label): str(stream.label),
        }
        known = rows.filter(pc.is_valid(rows[stream.label])).select([*names]).rename_columns([*names.values()])
        found[LABELS] = summarize_labels(known, rows, layout, stream, start=start, size=size, step=step)
    return found


def weeks_of(season: Season, found: Summaries) -> list[CalmSeason]:
    """Cut summaries of whole seasons into these."""
    first, end = found[EVENTS].start, found[EVENTS].end
    return [
        CalmSeason(at, {role: one.between(at, at + season.length) for role, one in found.items()})
        for at in range(first, end, season.length)
    ]


def _between(rows: pa.Table, stream: Stream, start: int, end: int) -> pa.Table:
    times = rows[stream.events.time]
    return rows.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))
