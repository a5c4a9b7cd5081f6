from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from schemas.streams.taxi import TAXI
from storage.connect import Connection, Jsonb, connect
from storage.snapshot import snapshot_of
from storage.streams import _SQL as SQL
from storage.streams import DefinitionUnreadable, definition_of, definitions_of, newest, remember
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


def test_a_definition_is_sent_once_however_many_runs_share_it(connection: Connection) -> None:
    begun = {f"{stream.name}-{n}": stream for stream in (TAXI, OTHER) for n in range(3)}
    for run_id, stream in begun.items():
        remember(connection, stream)
        begin(connection, run_id, stream)
    rows = connection.execute(SQL["definitions_of"], {"run_ids": [*begun]}).fetchall()
    assert sum(definition is not None for *_, definition in rows) == 2
    assert definitions_of(connection, [*begun], CHANGED) == begun


def test_a_definition_of_another_version_keeps_no_run_of_another_stream_waiting(connection: Connection) -> None:
    remember(connection, OTHER)
    later = Jsonb({"name": "later", "events": {"shape": 1}})
    connection.execute("INSERT INTO driftline.stream (name, hash, definition) VALUES ('later', 'h', %s)", [later])
    begin(connection, "boats", OTHER)
    begin(connection, "later", SimpleNamespace(name="later", hash="h"))
    with capture_logs() as logs:
        for _ in range(2):
            assert definitions_of(connection, ["boats", "later"], TAXI) == {"boats": OTHER}
    assert [entry["event"] for entry in logs] == ["definition_unreadable"]
    assert newest(connection) == [(OTHER, 1)]
    with snapshot_of(connection) as snapshot:
        assert [run.run_id for run in snapshot.runs([3_600_000], TAXI)] == ["boats"]
        for read in (lambda: snapshot.known("later", TAXI), lambda: definition_of(connection, "later", TAXI)):
            with pytest.raises(DefinitionUnreadable, match=r"of run later cannot be read.*version that wrote it"):
                read()
