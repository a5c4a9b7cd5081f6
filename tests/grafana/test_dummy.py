"""`driftline dummy` fills every panel with no stream: on the wall clock, as it opens, and on event time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from grafana.generate import dashboards
from local.dummy import run as dummy
from local.dummy.plan import DummyPlan
from runtime.connections import Addresses
from tests.databases import fresh_database
from tests.grafana.asked import ask_all, choices
from tests.grafana.conftest import reader_url, reading
from tests.grafana.expand import Range

pytestmark = pytest.mark.integration

MADE = dashboards()
DAYS = 8


@pytest.fixture(scope="module")
def written(stack: Addresses) -> Iterator[str]:
    """URL, for the reader."""
    with fresh_database(stack.database_url) as database:
        plan = DummyPlan("dummy", round(time.time() * 1_000), days=DAYS)
        dummy.write(database, plan, threading.Event(), print)
        yield reader_url(database)


def ranges() -> tuple[Range, Range]:
    """As the dashboard opens, and the days of the run."""
    now = datetime.now(UTC)
    return (now - timedelta(minutes=15), now + timedelta(seconds=1)), (now - timedelta(days=DAYS + 1), now)


@pytest.mark.parametrize("name", MADE)
def test_every_panel_mark_and_variable_is_filled(name: str, written: str) -> None:
    live, past = ranges()
    with reading(written) as reader:
        assert all(choices(reader, MADE[name]["templating"]["list"], live).values())
        asked = ask_all(reader, MADE[name], (live, past))
    assert len(asked) >= 7
    assert [query.where for query in asked if not query.most] == []
    silent = [query.where for query in asked if query.kind != "annotation" and not query.first]
    assert silent in ([], ["Share of drifted columns by size, event time"]), "as the dashboard opens"
