"""One producer, at any speed and however often it dies: the same data records, so the same rows.

Signs of life come by the wall clock and take offsets: so offsets, and counts of heartbeats, are left out here.
"""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from tests import logs, rows
from tests.databases import fresh_database
from tests.fleet import Fleet
from tests.logs import DAY

pytestmark = pytest.mark.integration

SOURCE: dict[str, Any] = {"days": 1, "volume": 0.4}
"""Some eight hundred trips."""

WANDERING = {
    "offset",
    "offsets",
    "joined_offsets",
    "kafka_offset",
    "first_offset",
    "heartbeats",
    "duplicates",
    "speed",
}

Replay = Callable[..., rows.Final]


@pytest.fixture(scope="module")
def replayed(stack: Any, kafka_config: dict[str, str], trained: Any, tmp_path_factory: Any) -> Iterator[Replay]:
    """Replays the source, with a producer that dies as often as told, and returns what is left of it."""
    prefixes: list[str] = []

    def replay(*deaths: str, **producer: Any) -> rows.Final:
        prefixes.append(f"producers-{uuid.uuid4().hex[:8]}-")
        place = kafka_config, prefixes[-1]
        with (
            fresh_database(stack.database_url) as database,
            closing(Fleet(*place, database, trained, tmp_path_factory.mktemp("stages"))) as fleet,
        ):
            stages = fleet.consumer(), fleet.monitor()
            for failpoint in deaths:
                fleet.producer(failpoint, **SOURCE, **producer).ends(-signal.SIGKILL)
            fleet.finish(fleet.producer(**SOURCE, **producer), *stages)
            with psycopg.connect(database, autocommit=True) as connection:
                return settled(rows.final(connection))

    yield replay
    for prefix in prefixes:
        logs.delete(kafka_config, prefix)


@pytest.fixture(scope="module")
def at_full_speed(replayed: Replay) -> rows.Final:
    final = replayed()
    assert len(final.rows) > 1_000
    return final


def test_a_run_at_another_speed(replayed: Replay, at_full_speed: rows.Final) -> None:
    in_three_seconds = SOURCE["days"] * DAY / 3_000
    rows.assert_same(replayed(speed=in_three_seconds, beat_s=0.1), at_full_speed)


@pytest.mark.faults
def test_a_producer_killed_again_and_again(replayed: Replay, at_full_speed: rows.Final) -> None:
    """In the middle of a batch: some of it may be in the log, some of it twice."""
    rows.assert_same(replayed(*["producer.mid_batch:1"] * 3, "producer.mid_batch:3"), at_full_speed)


def settled(final: rows.Final) -> rows.Final:
    """Without what the wall clock moves."""
    tables = {name: [_settled(row) for row in getattr(final, name)] for name in rows.Final.__dataclass_fields__}
    return replace(final, **tables | {"positions": []})


def _settled(row: Any) -> Any:
    if isinstance(row, dict):
        return {name: _settled(value) for name, value in row.items() if name not in WANDERING}
    return row
