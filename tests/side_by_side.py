"""Runs of several streams in one database: a few rows of each, as the stages would leave them."""

from __future__ import annotations

from typing import Any

from schemas.definition import Field, Records, Stream
from schemas.streams.taxi import TAXI
from storage.streams import remember

PAYMENTS = Stream(
    name="payments",
    events=Records(
        topic="payments",
        kind="payment",
        id="payment_id",
        time="paid_at",
        fields=(
            Field(name="amount", type="float", role="number", unit="€"),
            Field(name="score", type="float", role="number"),
            Field(name="country", type="str", role="category", value_names=(("it", "Italy"),)),
        ),
        prediction="score",
    ),
)
"""Without labels; each carries its score."""
MADE = Stream(
    name="parts",
    events=Records(
        topic="parts",
        kind="part",
        id="serial",
        time="made_at",
        fields=(Field(name="width", type="float", role="number", unit="mm"),),
    ),
    labels=Records(
        topic="checks",
        kind="check",
        id="serial",
        time="made_at",
        fields=(Field(name="strength", type="float", role="number"),),
        label="strength",
    ),
    unit="kN",
)
WINDOW = """
    INSERT INTO driftline.window_result
        (run_id, stream, size_s, window_start, window_end, status, rows, sampled, offsets, columns_tested,
         columns_drifted, mae, written_at)
    VALUES (%s, %s, 3600, '2026-02-01', '2026-02-01 01:00', 'final', 40, 40, '{}', 1, 0, %s, now())"""
COLUMN = """
    INSERT INTO driftline.column_metric
        (run_id, stream, size_s, window_start, column_name, metric, value, threshold, severity, status)
    VALUES (%s, %s, 3600, '2026-02-01', %s, 'drift', 0.1, 0.2, 0.5, 'ok')"""
RUN = """
    INSERT INTO driftline.run
        (run_id, stream, stream_hash, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms)
    VALUES (%s, %s, %s, 300000, 600000, 7200000, 86400000)"""
START = 1_769_904_000_000  # 2026-02-01


def add(connection: Any, run: str, stream: Stream | None) -> None:
    """A run with one window of events, and one of labels where it has any."""
    if stream is not None:
        remember(connection, stream)
    connection.execute(RUN, (run, stream and stream.name, stream and stream.hash))
    for records in (stream or TAXI).topics:
        connection.execute(WINDOW, (run, records.role, 1.5 if records.label else None))
        for name in (*records.numbers, *records.categories, *(() if records.label else ("prediction",))):
            connection.execute(COLUMN, (run, records.role, name))


def add_all(connection: Any) -> None:
    """A run of the version before, whose stream is not stored, and one of each of these streams."""
    for run, stream in (("old", None), ("paid", PAYMENTS), ("made", MADE)):
        add(connection, run, stream)
