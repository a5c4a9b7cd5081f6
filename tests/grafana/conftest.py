"""A database that a real run has filled, and one that nothing has, each seen through the reader's login."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest

from models.taxi.train import train
from producer.sources.selection import from_generator
from runtime.connections import Addresses
from storage import roles
from tests import logs
from tests.databases import fresh_database
from tests.fleet import Fleet, eventually
from tests.grafana.asked import Reader
from tests.grafana.expand import Range
from tests.logs import DAY, RUN, START

PASSWORD = "reader0"
"""The same in every test: roles belong to the server that all tests share."""
DAYS = 4
"""Of the run. The scenario bends its third."""
SCENARIO = """
[[drift]]
kind = "unit_change"
column = "fare_amount"
factor = 10
starts_at = "50%"
ends_at = "75%"
label = "fares in dimes"
"""
_ALARM = """
    INSERT INTO driftline.alarm (alarm_id, run_id, size_s, started_at, severity, columns, kind, message) VALUES
    ('a', %s, 3600, timestamptz '2022-02-03 05:00+00', 2.5, '{fare_amount}', 'drift', 'fare_amount drifted')"""


@dataclass(frozen=True)
class Filled:
    """owner, reader: URLs. live, history, never: ranges around the run's wall clock, event time, and nothing.

    ended: by the wall clock.
    """

    owner: str
    reader: str
    ended: datetime
    live: Range
    history: Range
    never: Range

    @property
    def ranges(self) -> tuple[Range, ...]:
        return self.live, self.history, self.never


@pytest.fixture(scope="session")
def filled(
    stack: Addresses, kafka_config: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    """Synthetic trips through producer, consumer and monitor: with a drift, and what is refused or late."""
    model, prefix = tmp_path_factory.mktemp("model"), f"grafana-{uuid4().hex[:8]}-"
    calm = from_generator(START - 14 * DAY, START, volume=0.5)
    train(pa.concat_tables(calm.tables()), kind="tutorial", out=model, source=calm.name, period=calm.period)
    with fresh_database(stack.database_url) as database:
        began = datetime.now(UTC)
        scenario = tmp_path_factory.mktemp("scenario") / "dimes.toml"
        scenario.write_text(SCENARIO)
        fleet = Fleet(kafka_config, prefix, database, model, tmp_path_factory.mktemp("logs"))
        with closing(fleet):
            fleet.finish(fleet.producer(days=DAYS, scenario=str(scenario)))
            logs.write(kafka_config, prefix, _accidents())
            consumer = fleet.consumer(until_done=None)  # or it might end before it comes to the accidents
            fleet.finish(fleet.monitor())
            eventually(lambda: _all_is_read(database), lambda: consumer.text)
            consumer.terminate()
            fleet.finish(consumer)
        with psycopg.connect(database) as connection:
            connection.execute(_ALARM, (RUN,))
            connection.execute("UPDATE driftline.window_result SET estimated_mae = 3 WHERE stream = 'events'")
        ended = datetime.now(UTC)
        first = datetime.fromtimestamp(START / 1_000, UTC)
        yield Filled(
            owner=database,
            reader=reader_url(database),
            ended=ended,
            live=(began - timedelta(minutes=15), ended + timedelta(minutes=15)),
            history=(first, first + timedelta(days=DAYS)),
            never=(ended + timedelta(days=9), ended + timedelta(days=10)),
        )
    logs.delete(kafka_config, prefix)


def _accidents() -> list[logs.Sent]:
    """After the end of the run: no JSON, and trips of long ago whose numbers tell of others that never came."""
    old = [logs.trip_of(record) for record in logs.trips(5, 0.5)]
    late = [{**trip, "kind": "trip", "run_id": RUN, "seq": 100_000 + i} for i, trip in enumerate(old)]
    sent = [logs.Sent("trips", 0, b"k", json.dumps(record).encode()) for record in late]
    return [logs.Sent("trips", 0, b"k", b"no json"), *sent]


def _all_is_read(database: str) -> bool:
    query = "SELECT bool_and(caught_up_since IS NOT NULL) FROM driftline.partition_progress"
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchone() == (True,)


@pytest.fixture(scope="session")
def empty(stack: Addresses) -> Iterator[str]:
    """URL, for the reader, of a database that nothing has run on."""
    with fresh_database(stack.database_url) as database:
        yield reader_url(database)


@pytest.fixture
def reader(filled: Filled) -> Iterator[Reader]:
    with reading(filled.reader) as connection:
        yield connection


_CLOCKS = {
    "window_result": ("closed_at", "written_at"),
    "run": ("finished_at",),
    "dead_letter": ("written_at",),
    "watch": ("updated_at",),
}


@pytest.fixture
def lately(filled: Filled) -> Iterator[Reader]:
    """As if the run had ended this moment: alert rules look at the last minutes. Nothing of it stays."""
    with psycopg.connect(filled.owner) as owner:
        for table, clocks in _CLOCKS.items():
            moved = ", ".join(f"{clock} = {clock} + (now() - %(ended)s)" for clock in clocks)
            owner.execute(f"UPDATE driftline.{table} SET {moved}".encode(), {"ended": filled.ended})
        owner.execute(f"SET LOCAL ROLE {roles.READER}".encode())
        yield owner
        owner.rollback()


@contextmanager
def reading(url: str) -> Iterator[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def reader_url(database: str) -> str:
    """Of a login that may only read; made where it is missing."""
    with psycopg.connect(database) as connection:
        roles.grant(connection, {roles.READER: PASSWORD})
    url = urlsplit(database)
    return url._replace(netloc=f"{roles.READER}:{PASSWORD}@{url.hostname}:{url.port}").geturl()
