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


@pytest.mark.parametrize("written", ["flush", "result"])
def test_of_a_flush_and_of_a_result_of_which_one_is_written(
    fleet: Fleet, database: str, same_rows: Callable[[], None], written: str
) -> None:
    limit_sleep(database)
    with (
        closing(CommitCutter(database, at=8, delivered=written == "flush")) as of_flush,
        closing(CommitCutter(database, at=40, delivered=written == "result")) as of_result,
    ):
        consumer = fleet.consumer(database_url=of_flush.url(database))
        monitor = fleet.monitor(database_url=of_result.url(database))
        fleet.finish(consumer, monitor)
        for wire, stage in ((of_flush, consumer), (of_result, monitor)):
            assert wire.was_cut
            assert "database_down" in stage.text
    same_rows()
