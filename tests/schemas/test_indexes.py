from __future__ import annotations

import psycopg
import pytest

pytestmark = pytest.mark.integration

CHECK = """
    PREPARE foreign_key (text, text, int, timestamptz, text) AS
    SELECT 1 FROM ONLY driftline.window_result x
    WHERE run_id = $1 AND stream = $2 AND size_s = $3 AND window_start = $4 AND segment = $5 FOR KEY SHARE OF x"""
"""What Postgres asks for each row of column_metric; planned once, perhaps while there are no windows yet."""
FILL = """
    INSERT INTO driftline.window_result
        (run_id, stream, size_s, window_start, window_end, status, rows, sampled, offsets, written_at)
    SELECT 'r', 'events', 3600, now() + g * interval '1 hour', now(), 'final', 1, 1, '{}', now()
    FROM generate_series(1, %s) g"""
WALL = """
    EXPLAIN SELECT FROM driftline.timed_window
    WHERE run_id = 'r' AND stream = 'events' AND size_s = 3600 AND wall_time > now()"""


@pytest.mark.parametrize("windows", [0, 3_000])
def test_a_column_finds_its_window_by_the_primary_key_though_nothing_was_analysed(
    database: str, windows: int
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(FILL, (windows,))
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(CHECK)
        plan = connection.execute("EXPLAIN EXECUTE foreign_key ('r', 'events', 3600, now(), '')").fetchall()
    assert "window_result_pkey" in str(plan)


def test_the_wall_clock_has_an_index(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(FILL, (3_000,))
        connection.execute("ANALYZE driftline.window_result")
        plan = connection.execute(WALL).fetchall()
    assert "window_result_by_wall" in str(plan)
