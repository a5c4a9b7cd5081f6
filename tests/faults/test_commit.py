"""The connection breaks while a COMMIT is under way: nobody knows whether it is written, and the rows are right.

Postgres does not notice that the other end is gone, as when a machine loses its power.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from tests.databases import limit_sleep
from tests.faults.proxy import CommitCutter
from tests.fleet import Fleet

pytestmark = [pytest.mark.integration, pytest.mark.faults]

delivered = pytest.mark.parametrize("delivered", [True, False], ids=["written", "not written"])


@delivered
def test_of_a_flush(fleet: Fleet, database: str, same_rows: Callable[[], None], delivered: bool) -> None:
    limit_sleep(database)
    with closing(CommitCutter(database, at=8, delivered=delivered)) as wire:
        consumer = fleet.consumer(database_url=wire.url(database))
        fleet.finish(consumer, fleet.monitor())
        assert wire.was_cut
        assert "database_down" in consumer.text
    same_rows()


@delivered
def test_of_a_result(fleet: Fleet, database: str, same_rows: Callable[[], None], delivered: bool) -> None:
    limit_sleep(database)
    with closing(CommitCutter(database, at=40, delivered=delivered)) as wire:
        monitor = fleet.monitor(database_url=wire.url(database))
        fleet.finish(fleet.consumer(), monitor)
        assert wire.was_cut
        assert "database_down" in monitor.text
    same_rows()
