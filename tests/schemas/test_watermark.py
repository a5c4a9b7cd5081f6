from __future__ import annotations

import psycopg
import pytest

from schemas.watermark import END, NEVER, partition_watermark, stream_watermark
from storage.migrations import migrate


def test_a_watermark_is_the_largest_event_time_less_the_allowed_lateness() -> None:
    assert partition_watermark(1_000, 300) == 700
    assert partition_watermark(0, 300) == -300


@pytest.mark.parametrize(("marks", "watermark"), [([700, 500], 500), ([700, NEVER], NEVER), ([END, 700], 700)])
def test_the_slowest_partition_holds_the_others_back(marks: list[int], watermark: int) -> None:
    assert stream_watermark(marks) == watermark


def test_a_partition_without_an_event_time_holds_back_every_window() -> None:
    assert stream_watermark([partition_watermark(None, 0), 700]) == NEVER


@pytest.mark.parametrize("empty", [NEVER, END])
def test_without_a_partition_the_watermark_is_what_was_asked_for(empty: int) -> None:
    assert stream_watermark([], empty) == empty


@pytest.mark.integration
@pytest.mark.parametrize(
    ("partitions", "reached"),
    [
        ([(5_000, False), (4_000, False)], 4_000),
        ([(5_000, False), (None, False)], None),
        ([(5_000, False), (None, True)], 5_000),
        ([(None, False), (None, False)], None),
        ([(None, True), (None, True)], None),
    ],
    ids=["the slowest", "one that is not read yet", "one that holds nothing", "none is read", "all hold nothing"],
)
def test_the_view_says_what_the_function_does(
    database: str, partitions: list[tuple[int | None, bool]], reached: int | None
) -> None:
    """Each partition: M, and whether it is read to its end."""
    with psycopg.connect(database, autocommit=True) as connection:
        migrate(connection)
        connection.execute(
            "INSERT INTO driftline.run (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms)"
            " VALUES ('r', 1000, 300, 700, 1000)"
        )
        for topic in ("trips", "outcomes"):
            for number, (time, is_read) in enumerate(partitions):
                place = {"topic": topic, "number": number, "time": time, "read": is_read}
                connection.execute(
                    "INSERT INTO driftline.partition_progress (topic, partition, next_offset, caught_up_since)"
                    " VALUES (%(topic)s, %(number)s, 0, CASE WHEN %(read)s THEN now() END)",
                    place,
                )
                connection.execute(
                    "INSERT INTO driftline.run_progress (run_id, topic, partition, max_event_time_ms, first_offset)"
                    " SELECT 'r', %(topic)s, %(number)s, %(time)s::bigint, 0 WHERE %(time)s::bigint IS NOT NULL",
                    place,
                )
        found = connection.execute("SELECT role, watermark_ms FROM driftline.run_watermark ORDER BY role")
        assert found.fetchall() == [
            (role, None if reached is None else partition_watermark(reached, lateness))
            for role, lateness in (("events", 300), ("labels", 700))
        ]
