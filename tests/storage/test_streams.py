from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from schemas.streams.taxi import TAXI
from storage.connect import Connection, connect
from storage.streams import definition_of, definitions_of, remember
from tests.databases import fresh_database

pytestmark = pytest.mark.integration

CHANGED = replace(TAXI, unit="s", segments=("VendorID",))
OTHER = replace(TAXI, name="boats", labels=None)


@pytest.fixture
def connection(stack: object) -> Iterator[Connection]:
    with fresh_database(stack.database_url) as url, connect(url) as connection:  # type: ignore[attr-defined]
        yield connection


def begin(connection: Connection, run_id: str, stream: object) -> None:
    name, hash = (stream.name, stream.hash) if stream else (None, None)  # type: ignore[attr-defined]
    connection.execute(
        "INSERT INTO driftline.run"
        " (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, stream, stream_hash)"
        " VALUES (%s, 300000, 600000, 7200000, 86400000, %s, %s)",
        [run_id, name, hash],
    )


def test_each_run_keeps_the_definition_that_it_was_begun_with(connection: Connection) -> None:
    for stream in (TAXI, CHANGED, OTHER, TAXI):
        remember(connection, stream)
    begun = {"before": None, "first": TAXI, "second": CHANGED, "boats": OTHER}
    for run_id, stream in begun.items():
        begin(connection, run_id, stream)
    fallback = replace(TAXI, unit="h")
    found = {run_id: definition_of(connection, run_id, fallback) for run_id in [*begun, "nobody's"]}
    assert found == {**begun, "before": fallback, "nobody's": fallback}
    assert definitions_of(connection, [*found], fallback) == found
    assert found["second"].hash == CHANGED.hash
    assert connection.execute("SELECT count(*) FROM driftline.stream").fetchone() == (3,)
