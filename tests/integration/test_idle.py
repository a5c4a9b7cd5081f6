"""Partitions that fall silent: what closes without them is provisional, and right again when they speak."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import logs, oracle, rows
from tests.fleet import Fleet, eventually
from tests.logs import HOUR, MINUTE, RUN, START
from tests.proof import RULES

pytestmark = pytest.mark.integration

FINAL = {"final", "insufficient"}


def test_silent_and_never_written_partitions_and_old_trips_after_all_fell_silent(
    kafka_config: dict[str, str], prefix: str, database: str, trained: Path, tmp_path: Path
) -> None:
    """Partition 3 is never written to, partition 2 falls silent in the second hour, then all do."""
    writer = logs.Writer()

    def write(*trips: tuple[int, int]) -> None:
        """(partition, minutes from the start) of each."""
        for partition, minutes in trips:
            record = logs.trips(1, 1, seed=1000 * partition + minutes)[0] | {"pickup_at": START + minutes * MINUTE}
            writer.data("trips", logs.trip_of(record), partition=partition)
        logs.write(kafka_config, prefix, writer.sent)
        writer.sent.clear()

    for number in range(3):
        writer.beat(START, topics=("trips",), only=number)
    write(*[(number, minutes) for minutes in range(0, 60, 5) for number in range(3)])
    write(*[(number, minutes) for minutes in range(60, 200, 5) for number in range(2)])
    with (
        closing(Fleet(kafka_config, prefix, database, trained, tmp_path)) as fleet,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        windows = watched(connection)
        consumer = fleet.consumer()
        eventually(lambda: rows.positions(connection).get(("trips", 0), 0) == 41, lambda: consumer.text)
        monitor = fleet.monitor(idle_timeout_s=1.0, sizes=(HOUR,))
        # All are silent: everything closes, the fourth hour that is not full too. 36 rows came in the first.
        eventually(lambda: len(windows("provisional")) == 4, lambda: f"{windows()}\n{monitor.text}")
        assert windows()[0] == (36, "provisional", 0)
        write((2, 58))  # one: two might come in two flushes, and each give a revision
        eventually(lambda: windows()[0] == (37, "provisional", 1), lambda: f"{windows()}\n{monitor.text}")
        writer.beat(START + 5 * HOUR, topics=("outcomes",), final=True)
        writer.beat(START + 5 * HOUR, topics=("trips",), final=True)
        write()
        fleet.finish(consumer, monitor)
        assert {status for _, status, _ in windows()} <= FINAL
        assert [revision for *_, revision in windows()] == [1, 0, 0, 0]
        rows.agree(connection, oracle.read(logs.read_back(kafka_config, prefix), rows.BY_TOPIC, RULES))


def test_a_silent_partition_whose_consumer_is_dead_holds_everything_back(
    kafka_config: dict[str, str], prefix: str, database: str, trained: Path, tmp_path: Path
) -> None:
    writer = logs.Writer()
    logs.calm(writer, logs.trips(400, 0.25))
    endless = writer.sent[: -2 * logs.PARTITIONS]
    logs.write(kafka_config, prefix, endless)
    with (
        closing(Fleet(kafka_config, prefix, database, trained, tmp_path)) as fleet,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        windows = watched(connection)
        victim = fleet.consumer()
        eventually(lambda: sum(rows.positions(connection).values()) == len(endless), lambda: victim.text)
        victim.kill()
        silent = "SELECT now() - max(beat_at) > interval '1 second' FROM driftline.partition_progress"
        eventually(lambda: connection.execute(silent).fetchone() == (True,), lambda: "it beats")
        monitor = fleet.monitor(alive_s=1.0, idle_timeout_s=0.5, sizes=(HOUR,))
        eventually(lambda: windows("open"), lambda: f"{windows()}\n{monitor.text}")
        assert windows("provisional") == []
        consumer = fleet.consumer()
        eventually(lambda: windows("provisional"), lambda: f"{windows()}\n{consumer.text}\n{monitor.text}")


def watched(connection: rows.Connection) -> Callable[..., list[Any]]:
    """(rows, status, revision) of the hours of trips, ascending; of one status only, if named."""

    def windows(status: str | None = None) -> list[Any]:
        found = rows.results(connection, RUN, ("rows", "status", "revision"))
        return [row[3:] for row in found if row[0] == "trips" and status in (None, row[4])]

    return windows
