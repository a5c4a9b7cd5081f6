"""kill -9 of Kafka and of Postgres, which their keeper starts again: everybody waits, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import logs, rows
from tests.fleet import Fleet, eventually
from tests.proof import Proof, storm

pytestmark = [pytest.mark.integration, pytest.mark.faults]

PREFIX = "again-"


@pytest.fixture(scope="module")
def same_log(fault_servers: Any) -> dict[str, str]:
    """The log of `proof` once more, on servers that may be killed. Records fall on the same offsets."""
    config = {"bootstrap.servers": fault_servers.addresses.bootstrap_servers}
    logs.write(config, PREFIX, storm())
    return config


@pytest.fixture
def fleet(same_log: dict[str, str], fault_database: str, trained: Path, tmp_path: Path) -> Iterator[Fleet]:
    with closing(Fleet(same_log, PREFIX, fault_database, trained, tmp_path)) as fleet:
        yield fleet


@pytest.fixture
def same_rows(proof: Proof, fault_database: str) -> Callable[[], None]:
    def check() -> None:
        with psycopg.connect(fault_database, autocommit=True) as connection:
            rows.assert_same(rows.final(connection), proof.final)

    return check


def test_each_server_killed_in_the_middle(
    fleet: Fleet, fault_stack: Any, fault_database: str, same_rows: Callable[[], None]
) -> None:
    consumers = [fleet.consumer(flush_rows=25, read_rows=25) for _ in range(2)]
    monitor = fleet.monitor()
    for server, records in (("kafka", 500), ("postgres", 2_000)):
        eventually(lambda least=records: passed(fault_database) > least, lambda: consumers[0].text)  # type: ignore[misc]
        fault_stack.kill(server)
        fault_stack.wait()
    fleet.finish(*consumers, monitor)
    for complaint in ("kafka_", "database_"):
        assert complaint in consumers[0].text + consumers[1].text
    same_rows()


def test_both_servers_down_when_the_stages_start(
    fleet: Fleet, fault_stack: Any, same_rows: Callable[[], None]
) -> None:
    for server in ("kafka", "postgres"):
        fault_stack.kill(server)
    stages = fleet.consumer(), fleet.monitor()
    fleet.finish(*stages)
    same_rows()


def passed(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        return sum(rows.positions(connection).values())
