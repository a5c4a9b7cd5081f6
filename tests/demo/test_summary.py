from __future__ import annotations

from io import StringIO

import psycopg
import pytest
from rich.console import Console

from demo import summary
from schemas.errors import DriftlineError

pytestmark = pytest.mark.integration

TALLY = """
    INSERT INTO driftline.run_progress
        (run_id, topic, partition, last_seq, first_offset, accepted, late, future, invalid, duplicates)
    VALUES ('r', 'trips', 0, %s, 0, 90, 5, 2, 3, 7)"""


def shown(database: str) -> str:
    console = Console(file=StringIO(), width=140)
    with psycopg.connect(database) as connection:
        summary.show(connection, "r", console, seconds=61.4)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_every_trip_is_accounted_for(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(TALLY, (99,))
    text = shown(database)
    assert "100 in = 90 in windows + 10 dead letters (5 late, 2 future, 3 invalid); 7 sent twice" in text
    assert "61 s" in text


def test_a_trip_that_is_lost_is_no_success(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(TALLY, (100,))
    with pytest.raises(DriftlineError, match="101 trips were sent, 100 are accounted for"):
        shown(database)
