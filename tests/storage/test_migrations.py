from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from storage import migrations

WINDOW = """
    INSERT INTO driftline.window_result
        (run_id, stream, size_s, window_start, window_end, status, rows, sampled, offsets, closed_at, written_at)
    VALUES ('r', 'events', 3600, '2022-02-01', '2022-02-01 01:00', 'final', 7, 7, '{}', now(), now())"""


def test_migrations_are_numbered_without_gap() -> None:
    numbers = [number for number, _, _ in migrations.migrations()]
    assert len(numbers) >= 4
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.integration
def test_all_stages_may_migrate_at_once(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA driftline CASCADE")

    def migrate(_: int) -> list[int]:
        with psycopg.connect(database, autocommit=True) as connection:
            return migrations.migrate(connection)

    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, range(4)))
    assert sorted(len(a) for a in applied) == [0, 0, 0, len(list(migrations.migrations()))]


@pytest.mark.integration
def test_a_database_of_the_first_tables_is_brought_up_to_date_with_what_it_holds(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = list(migrations.migrations())
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA driftline CASCADE")
        monkeypatch.setattr(migrations, "migrations", lambda: iter(every[:1]))
        assert migrations.migrate(connection) == [1]
        connection.execute(WINDOW)
        connection.execute(
            "INSERT INTO driftline.health VALUES ('monitor', 'a', 'r', now() - interval '1 hour', '{}')"
        )
        monkeypatch.setattr(migrations, "migrations", lambda: iter(every))
        assert migrations.migrate(connection) == [number for number, _, _ in every[1:]]
        assert connection.execute("SELECT run_id, rows, latency_ms FROM driftline.timed_window").fetchall() == [
            ("r", 7, None)
        ]
        connection.execute("UPDATE driftline.health SET at = now()")
        assert connection.execute("SELECT count(*) FROM driftline.health_sample").fetchone() == (1,)


@pytest.mark.integration
def test_the_tables_of_the_design_exist_with_their_columns(database: str) -> None:
    expected = {
        "run": {"run_id", "source", "started_at", "finished_at", "manifest"},
        "progress": {
            "topic",
            "partition",
            "next_offset",
            "max_event_time",
            "last_seq",
            "epoch",
            "owner",
            "beat_at",
        },
        "chunk": {"run_id", "topic", "partition", "first_offset", "last_offset", "rows", "payload"},
        "pane": {"run_id", "topic", "pane_start", "partition", "first_offset", "first_row", "rows"},
        "dead_letter": {"topic", "partition", "kafka_offset", "run_id", "reason", "detail", "event_time", "raw"},
        "window_result": {"run_id", "stream", "size_s", "window_start", "segment", "status", "revision", "rows"},
        "column_metric": {"column_name", "metric", "method", "value", "threshold", "severity", "status", "reason"},
        "alarm": {"alarm_id", "run_id", "size_s", "started_at", "ongoing_since", "recovered_at", "severity"},
        "event": {"event_id", "run_id", "kind", "starts_at", "ends_at", "label"},
        "health": {"stage", "instance", "measures"},
    }
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'driftline'"
        ).fetchall()
    for table, columns in expected.items():
        assert columns <= {column for name, column in rows if name == table}, table
