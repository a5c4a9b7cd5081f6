"""A consumer in a thread, a model that needs no training, and what the database holds afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import numpy as np
import psycopg

from consumer.settings import Settings
from consumer.stage import run
from schemas.streams.taxi import STREAMS
from storage import chunk
from tests import logs, oracle
from tests.fleet import PATIENCE_S

RULES = oracle.Rules(pane=300_000, lateness={"trips": 600_000, "outcomes": 7_200_000}, max_ahead=86_400_000)


class Stub:
    """Predicts the distance, of each row by itself."""

    hash = "stub"

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(columns["trip_distance"], np.float64)


@contextmanager
def consuming(settings: Settings, model: Any = None) -> Iterator[threading.Thread]:
    """A consumer in a thread until the end of the block; what it raised is raised there."""
    stop, raised = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            run(settings, stop, model or Stub())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def until(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """Its first true value. Raises AssertionError when that takes too long."""
    end = monotonic() + seconds
    while not (value := condition()):
        assert monotonic() < end, "it did not come to pass"
        sleep(0.02)
    return value


def query(url: str, text: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(text, values).fetchall()  # type: ignore[call-overload,no-any-return]


def position(url: str) -> int:
    """Offsets passed, over all partitions."""
    return int(query(url, "SELECT coalesce(sum(next_offset), 0) FROM driftline.partition_progress")[0][0])


def expected(config: Mapping[str, str], prefix: str) -> oracle.Reading:
    """What the oracle reads in the topics."""
    return oracle.read(logs.read_back(config, prefix), {s.topic: s for s in STREAMS}, RULES)


def assert_agrees(url: str, reading: oracle.Reading) -> None:
    """Postgres holds what the oracle reads: rows pane by pane, dead letters, states, tallies; nothing else."""
    assert stored_rows(url) == {
        key: [(partition, offset, record["trip_id"]) for partition, offset, record in sorted(rows, key=_place)]
        for key, rows in reading.rows.items()
    }
    dead = "SELECT topic, partition, kafka_offset, run_id, reason FROM driftline.dead_letter"
    assert {(t, p, o): (r, why) for t, p, o, r, why in query(url, dead)} == reading.dead
    assert stored_states(url) == {
        key: (*state.stored, {n: c for n, c in state.tally.items() if c}) for key, state in reading.states.items()
    }


def _place(row: tuple[int, int, Any]) -> tuple[int, int]:
    return row[0], row[1]


def stored_rows(url: str) -> dict[tuple[str, str, int], list[tuple[int, int, str]]]:
    """(run, topic, pane) → (partition, offset, id) by way of the index of panes."""
    text = (
        "SELECT p.run_id, p.topic, (extract(epoch FROM p.pane_start) * 1000)::bigint, p.partition, p.first_row,"
        " p.rows, c.payload FROM driftline.pane p"
        " JOIN driftline.chunk c USING (run_id, topic, partition, first_offset)"
        " ORDER BY 1, 2, 3, 4, p.first_offset"
    )
    found: dict[tuple[str, str, int], list[tuple[int, int, str]]] = {}
    for run_id, topic, pane, partition, first, count, payload in query(url, text):
        rows = chunk.decode(payload).slice(first, count)
        assert set(np.asarray(rows["pickup_at"]) // 300_000 * 300_000) == {pane}
        places = zip(rows["offset"].to_pylist(), rows["trip_id"].to_pylist(), strict=True)
        found.setdefault((run_id, topic, pane), []).extend((partition, o, i) for o, i in places)
    return found


def stored_states(url: str) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    names = ("accepted", "duplicates", "late", "future", "invalid", "heartbeats", "missing")
    state = "max_event_time_ms, last_seq, finished, candidate_ms, agreed"
    text = f"SELECT run_id, topic, partition, {state}, {', '.join(names)}"
    return {
        (run, topic, partition): (*values[:5], {n: c for n, c in zip(names, values[5:], strict=True) if c})
        for run, topic, partition, *values in query(url, f"{text} FROM driftline.run_progress")
    }
