"""A small stream that is watched: its calm weeks, a run of it, and what a monitor makes of both."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import numpy as np
import psycopg
import pyarrow as pa

from monitor.calibrating import Calibrator
from monitor.drift.figures import Config
from monitor.summaries import Summarizer
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.segment_figures import SegmentMeter
from monitor.verdict.segments import SegmentLayout
from schemas.definition import Field, Records, Stream
from storage.chunk import OFFSET, PREDICTION, layout
from tests.monitor.feed import DAY, HOUR, Feed, StubEngine, monitor

WEEK = 7 * DAY
MONDAY = 1_643_587_200_000  # 2022-01-31
SIZES = (HOUR, 6 * HOUR)

PARCELS = Records(
    topic="parcels",
    kind="parcel",
    id="id",
    time="at",
    fields=(
        Field(name="weight", type="float", role="number"),
        Field(name="depot", type="str", role="category"),
    ),
)
DELIVERIES = Records(
    topic="deliveries",
    kind="delivery",
    id="id",
    time="at",
    fields=(Field(name="took", type="float", role="number"),),
    label="took",
    label_range=(0.0, 1_000.0),
)
STREAM = Stream(name="parcels", events=PARCELS, labels=DELIVERIES, season_ms=WEEK)
DIVIDED = msgspec.structs.replace(STREAM, segments=("depot",))

PER_HOUR = 40


def hours(
    first: int,
    last: int,
    *,
    seed: int,
    shift: float = 0.0,
    slower: float = 0.0,
    rows: int = PER_HOUR,
    only: str = "",
    shares: tuple[float, ...] = (0.5, 0.3, 0.2),
) -> pa.Table:
    """Events of the hours [first, last) since MONDAY, with predictions and labels.

    shift: is added to weights, if `only` names a depot to those of that. slower: is added to labels. shares: of the
    depots.
    """
    made = np.random.default_rng([seed, first + 10_000])
    count = rows * (last - first)
    at = MONDAY + first * HOUR + (np.arange(count) * (HOUR // rows)) + made.integers(0, 1_000, count)
    weight = made.normal(10.0, 2.0, count)
    depot, noise = made.choice(["north", "south", "west"], count, p=shares), made.normal(0.0, 1.0, count)
    weight += np.where((depot == only) | (only == ""), shift, 0.0)
    return pa.table(
        {
            "id": [f"{seed}-{time}-{n}" for n, time in enumerate(at.tolist())],
            "at": at,
            "weight": weight,
            "depot": depot,
            PREDICTION: 2 * weight,
            "took": 2 * weight + noise + slower,
        }
    )


@cache
def calibrator(stream: Stream = STREAM) -> Calibrator:
    """Of four calm weeks before MONDAY."""
    table, period = hours(-4 * 168, 0, seed=1), (MONDAY - 4 * WEEK, MONDAY)
    segments = SegmentLayout.from_reference(table, stream)
    return Calibrator(SummaryLayout.from_reference(table, stream), stream, table, period, segments=segments)


def engine(stream: Stream = STREAM) -> StubEngine:
    """Figures are made up, summaries and alarms are not."""
    known = calibrator(stream)
    return StubEngine(summarizer=summarizer(stream), calibrator=known)


@cache
def summarizer(stream: Stream = STREAM) -> Summarizer:
    """As a monitor of windows of SIZES has it."""
    known = calibrator(stream)
    meter = None
    if known.segments is not None:
        counted, period = known.summaries, known.covered
        meter = SegmentMeter(known.layout, stream, known.segments, counted=counted, period=period, config=Config())
    return Summarizer(known.layout, stream, known.segments, smallest=6 * HOUR, meter=meter)


def watch(url: str, stream: Stream = STREAM, **changes: Any) -> None:
    """Run a monitor until everything is final and folded."""
    monitor(url, engine(stream), **{"sizes": SIZES, "stream": stream} | changes)


def send(feed: Feed, table: pa.Table, partition: int | None = None) -> None:
    """Flush events and their labels, every other row in each partition, or all in one."""
    for records in (PARCELS, DELIVERIES):
        for number in (0, 1) if partition is None else (partition,):
            part = table if partition is not None else table.take(pa.array(range(number, table.num_rows, 2)))
            flush(feed, records, number, part)


def flush(feed: Feed, records: Records, partition: int, rows: pa.Table) -> None:
    """One flush: rows in offset order."""
    place = (records.topic, partition)
    first = feed.offsets.get(place, 0)
    feed.offsets[place] = first + rows.num_rows
    feed.m[place] = max(feed.m.get(place, 0), int(rows[records.time].to_numpy().max()))
    whole = rows.append_column(OFFSET, pa.array(range(first, first + rows.num_rows), pa.int64()))
    schema = layout(records)
    batch = whole.select(schema.names).cast(schema).combine_chunks().to_batches()[0]
    with feed.connection.transaction():
        feed.chunk(records, partition, batch)
        feed._progress(records, partition, finished=False)


TABLES = {
    "evidence": "",
    "calibration": "- 'created_at'",
    "alarm": "- 'withdrawn_at'",
    "watch": "- 'updated_at'",
    "unfolded": "- 'id'",
}


def outcome(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """What evidence and alarms there are, but for what was withdrawn, which depends on what was provisional."""
    found = {}
    for table, without in TABLES.items():
        where = "WHERE state IS DISTINCT FROM 'withdrawn'" if table == "alarm" else ""
        rows = connection.execute(
            f"SELECT (to_jsonb(t) {without})::text FROM driftline.{table} t {where} ORDER BY 1"
        ).fetchall()
        found[table] = [row[0] for row in rows]
    return found


def alarms(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """(state, kind, columns, harm) of each, the first first."""
    return connection.execute(
        "SELECT state, kind, columns, harm FROM driftline.alarm ORDER BY pending_at, alarm_id"
    ).fetchall()


def changes(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """(number, state) of each change, in order."""
    return connection.execute("SELECT number, state FROM driftline.alarm_change ORDER BY change_id").fetchall()
