"""What stands in Postgres, read back to be compared: with the oracle, or with another replay of the same log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from schemas.definition import Records
from schemas.streams.taxi import STREAMS
from storage.chunk import OFFSET, decode
from tests.oracle import Reading

Connection = psycopg.Connection[Any]

BY_TOPIC = {stream.topic: stream for stream in STREAMS}
TOPICS = {stream.role: stream.topic for stream in STREAMS}
TALLIES = ("accepted", "duplicates", "late", "future", "invalid", "heartbeats", "missing")
MS = "(extract(epoch FROM {}) * 1000)::bigint"

_PANES = f"""
    SELECT run_id, topic, partition, payload, panes
    FROM driftline.chunk JOIN (
        SELECT run_id, topic, partition, first_offset,
               array_agg(ARRAY[{MS.format("pane_start")}, first_row, rows]) AS panes
        FROM driftline.pane GROUP BY 1, 2, 3, 4
    ) p USING (run_id, topic, partition, first_offset)"""
_STATES = f"""
    SELECT run_id, topic, partition, max_event_time_ms, last_seq, finished, candidate_ms, agreed,
           {", ".join(TALLIES)}
    FROM driftline.run_progress"""


def accepted(connection: Connection, by_topic: Mapping[str, Records] = BY_TOPIC) -> set[tuple[Any, ...]]:
    """(run, topic, pane start, partition, offset, id) of every row, by the index of panes; each exactly once."""
    found = [
        (run, topic, start, partition, *row)
        for run, topic, partition, payload, panes in connection.execute(_PANES)
        for batch in [decode(bytes(payload))]
        for start, first, rows in panes
        for row in _ids(batch.slice(first, rows), by_topic[topic])
    ]
    (chunked,) = connection.execute("SELECT coalesce(sum(rows), 0) FROM driftline.chunk").fetchone() or (None,)
    assert len(found) == len(set(found)) == chunked
    return set(found)


def dead(connection: Connection) -> dict[tuple[str, int, int], tuple[str, str]]:
    """(topic, partition, offset) → (run, reason)."""
    query = "SELECT topic, partition, kafka_offset, run_id, reason FROM driftline.dead_letter"
    return {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(query)}


def states(connection: Connection) -> dict[tuple[str, str, int], Any]:
    """(run, topic, partition) → (M, last seq, finished, candidate, agreed, tally)."""
    return {
        tuple(row[:3]): (*row[3:8], +Counter(dict(zip(TALLIES, row[8:], strict=True))))
        for row in connection.execute(_STATES)
    }


def positions(connection: Connection) -> dict[tuple[str, int], int]:
    """(topic, partition) → next offset."""
    query = "SELECT topic, partition, next_offset FROM driftline.partition_progress"
    return {(topic, partition): offset for topic, partition, offset in connection.execute(query)}


def results(connection: Connection, run: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """(topic, size in ms, window start in ms, *columns) of each window, ascending."""
    query = f"""
        SELECT stream, size_s * 1000::bigint, {MS.format("window_start")}, {", ".join(columns)}
        FROM driftline.window_result WHERE run_id = %s"""
    found = [(TOPICS[role], *row) for role, *row in connection.execute(query, (run,))]
    return sorted(found, key=lambda row: row[:3])


def agree(connection: Connection, reading: Reading, by_topic: Mapping[str, Records] = BY_TOPIC) -> None:
    """Fail unless rows, dead letters and tallies are what the oracle makes of the log."""
    expected = {
        (run, topic, pane, partition, offset, record[by_topic[topic].id])
        for (run, topic, pane), rows in reading.rows.items()
        for partition, offset, record in rows
    }
    same("rows", accepted(connection, by_topic), expected)
    same("dead letters", set(dead(connection).items()), set(reading.dead.items()))
    oracles = {key: (*s.stored, +s.tally) for key, s in reading.states.items()}
    assert states(connection) == oracles


def same(what: str, found: Iterable[Any], expected: Iterable[Any]) -> None:
    """Fail with some of the differences: pytest would show, and compare, them all."""
    ours, theirs = Counter(found), Counter(expected)
    surplus, lacking = ours - theirs, theirs - ours
    if surplus or lacking:
        some = [[text[:400] for text in sorted(map(str, each))[:3]] for each in (surplus, lacking)]
        pytest.fail(f"{what}: {surplus.total()} too many {some[0]}, {lacking.total()} too few {some[1]}")


def _ids(batch: pa.RecordBatch, stream: Records) -> list[tuple[int, str]]:
    return list(zip(batch.column(OFFSET).to_pylist(), batch.column(stream.id).to_pylist(), strict=True))


@dataclass(frozen=True)
class Final:
    """All that a run leaves behind, but clocks, revisions, topics' ids, and how its rows were cut into chunks."""

    windows: list[Any]
    columns: list[Any]
    rows: list[Any]
    dead: list[Any]
    states: list[Any]
    positions: list[Any]
    runs: list[Any]
    alarms: list[Any]
    events: list[Any]
    summaries: list[Any]
    evidence: list[Any]
    calibrations: list[Any]
    watches: list[Any]
    unfolded: list[Any]


_CLOCKS = {
    "window_result": ("closed_at", "written_at", "revision", "latency_ms", "compute_ms"),
    "column_metric": (),
    "dead_letter": ("written_at",),
    "run_progress": ("moved_at",),
    "partition_progress": ("epoch", "owner", "beat_at", "log_end", "caught_up_since", "topic_id"),
    "run": ("started_at", "finished_at"),
    "alarm": ("withdrawn_at",),
    "event": (),
    "window_summary": (),
    "evidence": (),
    "calibration": ("created_at",),
    "watch": ("updated_at",),
    "unfolded": ("id",),
}

_WITHDRAWN = "state IS DISTINCT FROM 'withdrawn'"
"""What was raised and withdrawn depends on what was provisional meanwhile."""


def final(connection: Connection) -> Final:
    """What stands in the database, to be compared with what another replay of the same log left."""
    accepted(connection)  # which looks for doubles
    tables = (_table(connection, name, clocks) for name, clocks in _CLOCKS.items())
    windows, columns, *others = tables
    return Final(windows, columns, _whole_rows(connection), *others)


def assert_same(found: Final, expected: Final) -> None:
    """Fail at the first table that differs, and say in what."""
    for name in Final.__dataclass_fields__:
        same(name, *(map(_text, getattr(final, name)) for final in (found, expected)))


def _text(row: Any) -> str:
    return json.dumps(row, sort_keys=True, default=str)


def _table(connection: Connection, name: str, clocks: Sequence[str]) -> list[Any]:
    where = _WITHDRAWN if name == "alarm" else "true"
    query = f"SELECT to_jsonb(t) - %s::text[] FROM driftline.{name} t WHERE {where}"
    return [row[0] for row in connection.execute(query, (list(clocks),))]


def _whole_rows(connection: Connection) -> list[Any]:
    """All columns of every row, the prediction among them, and where it belongs."""
    chunks = connection.execute("SELECT run_id, topic, partition, payload FROM driftline.chunk")
    return [
        {"run": run, "topic": topic, "partition": partition, **row}
        for run, topic, partition, payload in chunks
        for row in decode(bytes(payload)).to_pylist()
    ]
