"""Real months as hourly summaries: read by the producer's source, scored by a model trained on the month before."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models import artifact
from models import reference as references
from models.artifact import Model
from models.columns import Floats
from models.taxi.tables import Tables
from models.taxi.train import train
from monitor.verdict.calibration import CalmSeason
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.season import WEEK, Season
from monitor.verdict.segments import SegmentLayout
from monitor.verdict.summary import Summary, divide_events, divide_labels, summarize_events, summarize_labels
from producer.bend import bend
from producer.scenarios import load
from producer.sources.selection import from_files, sample
from schemas.definition import EVENTS, LABELS, Role
from schemas.errors import ModelUnusable
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("DRIFTLINE_DATA", ROOT / "../shared/data/tlc"))
FOLDER = ROOT / ".driftline/verdicts"

SEASON = Season.from_stream(TAXI)

Summaries = Mapping[Role, Summary]
Bend = Callable[[pa.Table], pa.Table]
"""Changes trips, with their durations in the label's column, before they are scored."""


@dataclass(frozen=True)
class Trained:
    """A model, the bins of its reference, and the reference's summaries."""

    model: Model
    layout: SummaryLayout
    known: Summaries


def files(*months: str) -> list[Path]:
    """The files of green trips.

    Raises:
        FileNotFoundError: One is missing.
    """
    found = [DATA / f"green_tripdata_{month}.parquet" for month in months]
    for path in found:
        if not path.exists():
            raise FileNotFoundError(f"no real trips: {path} is missing; name their folder in DRIFTLINE_DATA")
    return found


def trained(month: str, period: tuple[int, int] | None = None) -> Trained:
    """Train on a month, or a period of it, unless that has been done before."""
    source = from_files(files(month))
    first, last = period or source.period
    place = FOLDER / f"model-{month}-{first}-{last}"
    try:
        model = artifact.load(place, TRIPS, {"default": Tables.from_arrays})
    except ModelUnusable:
        model = train(sample(source), out=place, source=source.name, period=(first, last))
    table = model.reference()
    layout = SummaryLayout.from_reference(table, TAXI)
    return Trained(model, layout, summaries(table, layout, (first, last)))


def trips(*months: str) -> tuple[tuple[int, int], pa.Table]:
    """The trips of months that the consumer would accept, with their durations, and the period of them."""
    source = from_files(files(*months))
    first, last = source.period
    table = references.valid(sample(source), TRIPS)
    time = table[TRIPS.time]
    table = table.filter(pc.and_(pc.greater_equal(time, first), pc.less(time, last)))
    return source.period, source.labelled(table)


def replayed(model: Model, table: pa.Table, bent: Bend = lambda trips: trips) -> pa.Table:
    """Score trips as the consumer does, after bending them."""
    table = bent(table)
    prediction = model.predict(references.columns(table, TRIPS))
    label: Floats = table[OUTCOMES.label].to_numpy()
    return references.reference(table, TAXI, prediction, label)


def summaries(table: pa.Table, layout: SummaryLayout, period: tuple[int, int]) -> Summaries:
    """Summarise scored trips hour by hour; labels that come later than is allowed are left out."""
    first, size = period[0], period[1] - period[0]
    in_time = pc.less_equal(table[OUTCOMES.label], TAXI.terms.label_lateness_ms / 60_000)
    labels = table.filter(pc.fill_null(in_time, False)).select([OUTCOMES.id, OUTCOMES.time, OUTCOMES.label])
    return {
        EVENTS: summarize_events(table, layout, TAXI, start=first, size=size),
        LABELS: summarize_labels(labels, table, layout, TAXI, start=first, size=size),
    }


def of_segments(
    table: pa.Table, layout: SummaryLayout, segments: SegmentLayout, period: tuple[int, int]
) -> dict[Role, list[Summary]]:
    """The same of each segment."""
    first, size = period[0], period[1] - period[0]
    in_time = pc.less_equal(table[OUTCOMES.label], TAXI.terms.label_lateness_ms / 60_000)
    labels = table.filter(pc.fill_null(in_time, False)).select([OUTCOMES.id, OUTCOMES.time, OUTCOMES.label])
    groups = segments.groups(table)
    return {
        EVENTS: divide_events(table, layout, TAXI, groups, start=first, size=size)[1:],
        LABELS: divide_labels(labels, table, layout, TAXI, groups, start=first, size=size)[1:],
    }


def weeks(found: Summaries, *, whole: bool = True) -> list[CalmSeason]:
    """Cut summaries into weeks that begin on Monday. whole: leave out what is cut off at the ends."""
    first, last = found[EVENTS].start, found[EVENTS].end
    begins = range(SEASON.start(first), last, WEEK)
    return [
        CalmSeason(max(at, first), {r: s.between(max(at, first), min(at + WEEK, last)) for r, s in found.items()})
        for at in begins
        if not whole or (at >= first and at + WEEK <= last)
    ]


def scenario(name: str, period: tuple[int, int]) -> Bend:
    """A shipped scenario, from the beginning of the period to its end."""
    loaded = load(name, TAXI, period)
    return lambda table: bend(table, loaded, onset=period[0], lasts=period[1] - period[0])


def counted(found: Summaries) -> int:
    """Events in summaries."""
    return int(np.sum(found[EVENTS].rows))
