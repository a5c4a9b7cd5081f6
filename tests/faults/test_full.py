"""Postgres says that its disk is full: the stages name it, lose nothing, and go on when there is room."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.fleet import Fleet

pytestmark = [pytest.mark.integration, pytest.mark.faults]

FULL = """
    CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'kein Platz mehr' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER "full" BEFORE INSERT ON driftline.chunk FOR EACH ROW EXECUTE FUNCTION public.full();
    CREATE TRIGGER "full" BEFORE INSERT ON driftline.window_result FOR EACH ROW EXECUTE FUNCTION public.full();"""


def test_a_full_disk_is_called_that(fleet: Fleet, database: str, same_rows: Callable[[], None]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(FULL)
        consumer, monitor = fleet.consumer(), fleet.monitor()
        consumer.says("database_full")
        connection.execute('DROP TRIGGER "full" ON driftline.chunk')
        monitor.says("database_full")
        connection.execute('DROP TRIGGER "full" ON driftline.window_result')
        fleet.finish(consumer, monitor)
        assert "database_down" not in consumer.text + monitor.text
    same_rows()
