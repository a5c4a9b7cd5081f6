"""The way to Postgres vanishes without a word, as when a host loses its power or its address moves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from storage.connect import Connection, connect
from storage.results import open_store
from tests import rows
from tests.databases import limit_sleep
from tests.faults.proxy import Wire
from tests.fleet import Fleet, eventually

pytestmark = [pytest.mark.integration, pytest.mark.faults]


def wire_to(database: str) -> Wire:
    url = urlsplit(database)
    return Wire((url.hostname or "", url.port or 5432))


def test_who_was_cut_off_says_so_and_others_take_over(
    fleet: Fleet, database: str, same_rows: Callable[[], None]
) -> None:
    limit_sleep(database, 5)  # or the rows that those cut off hold keep the others waiting for a minute
    with closing(wire_to(database)) as wire, psycopg.connect(database, autocommit=True) as connection:
        consumer = fleet.consumer(database_url=wire.url(database), flush_rows=25, read_rows=25)
        monitor = fleet.monitor(database_url=wire.url(database))
        eventually(lambda: sum(rows.positions(connection).values()) > 100, lambda: consumer.text)
        monitor.says("watching")
        wire.vanish()
        fleet.finish(fleet.consumer(), fleet.monitor())
        consumer.says("database_down")
        monitor.says("database_down")
    same_rows()


def test_a_server_that_is_there_and_never_answers_is_given_up(database: str) -> None:
    with closing(wire_to(database)) as wire, connect(wire.url(database)) as connection:
        connection.patience = 0.5
        assert connection.execute("SELECT 1").fetchone() == (1,)
        wire.silence()
        with pytest.raises(psycopg.OperationalError, match=r"not answered for 0\.5 s"), connection.transaction():
            pytest.fail("it answers")
        assert connection.closed
        with pytest.raises(psycopg.OperationalError):
            connect(f"{wire.url(database)}?connect_timeout=2")


def test_every_connection_of_a_stage_has_a_limit(database: str) -> None:
    with open_store(database) as store:
        for connection in (store._reader, store._writer, store._listener):
            assert isinstance(connection, Connection)
            assert connection.patience
