"""A stormy log, what the oracle reads in it, and what a calm replay of it leaves: made once, often compared."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import logs, oracle, rows
from tests.databases import fresh_database
from tests.fleet import Fleet

RULES = oracle.Rules(pane=300_000, lateness={"trips": 600_000, "outcomes": 7_200_000}, max_ahead=86_400_000)


@dataclass(frozen=True)
class Proof:
    """prefix: of the topics that hold the log. reading: the oracle's. final: of one consumer and one monitor."""

    prefix: str
    reading: oracle.Reading
    final: rows.Final


def storm() -> list[logs.Sent]:
    """The log: a day and a half, in which windows of 1h, 6h and 1d end."""
    writer = logs.Writer()
    logs.stormy(writer, logs.trips(3_000, 1.5))
    return writer.sent


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model, trained on other trips than the log's."""
    return small_model(tmp_path_factory.mktemp("model"))


def small_model(folder: Path) -> Path:
    """Train one there; the stages that start from now on share its reference."""
    import pyarrow as pa  # noqa: PLC0415 - only for those who need it

    from models.taxi.train import train  # noqa: PLC0415
    from producer.sources.canonical import SCHEMA  # noqa: PLC0415

    trips = pa.Table.from_pylist(logs.trips(3_000, 14, seed=1), schema=SCHEMA)
    train(trips, kind="tutorial", out=folder, source="made up")
    os.environ["DRIFTLINE_TEST_MODEL"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def proof(
    stack: Any, kafka_config: dict[str, str], trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proof]:
    prefix = f"proof-{uuid.uuid4().hex[:8]}-"
    logs.write(kafka_config, prefix, storm())
    reading = oracle.read(logs.read_back(kafka_config, prefix), rows.BY_TOPIC, RULES)
    with fresh_database(stack.database_url) as database:
        fleet = Fleet(kafka_config, prefix, database, trained, tmp_path_factory.mktemp("calm"))
        with closing(fleet):
            fleet.finish(fleet.consumer(), fleet.monitor())
        with psycopg.connect(database, autocommit=True) as connection:
            rows.agree(connection, reading)
            final = rows.final(connection)
    yield Proof(prefix, reading, final)
    logs.delete(kafka_config, prefix)


@pytest.fixture
def fleet(
    proof: Proof, kafka_config: dict[str, str], database: str, trained: Path, tmp_path: Path
) -> Iterator[Fleet]:
    """Stages on the stormy log and a fresh database."""
    with closing(Fleet(kafka_config, proof.prefix, database, trained, tmp_path)) as fleet:
        yield fleet


@pytest.fixture
def same_rows(proof: Proof, database: str) -> Callable[[], None]:
    """Fails unless the database now holds what a calm replay left."""

    def check() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            rows.assert_same(rows.final(connection), proof.final)

    return check
