"""What a dummy run is for: there is something to see in every panel, on either clock."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from dummy.plan import DAY, Plan
from dummy.store import replace
from grafana.generate import dashboards
from schemas import roles
from schemas.durations import moment
from tests.grafana.asked import ask_all
from tests.grafana.conftest import PASSWORD, reader_url, reading

pytestmark = pytest.mark.integration

MADE = dashboards()


@pytest.mark.parametrize("name", MADE)
def test_every_panel_shows_something(name: str, database: str) -> None:
    now = round(time.time() * 1_000)
    plan = Plan("dummy", now, days=5)
    with psycopg.connect(database, autocommit=True) as connection:
        replace(connection, plan)
        roles.grant(connection, {roles.READER: PASSWORD})
    wall = (moment(now) - timedelta(minutes=15), moment(now) + timedelta(minutes=2))
    event = (moment(plan.start), moment(plan.now + DAY))
    asked: list[Any] = []
    with reading(reader_url(database)) as reader:
        asked = ask_all(reader, MADE[name], (wall, event))
    assert len(asked) >= 7
    assert [query.where for query in asked if not query.most] == []
