"""From trips to figures: windows as the oracle has them, figures as stock Evidently, and no record unaccounted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from runtime.connections import ROOT
from schemas.streams.taxi import OUTCOMES, TRIPS
from tests import logs, oracle, rows
from tests.fleet import SIZES, Fleet
from tests.integration.figures import Stock, Window
from tests.logs import DAY, HOUR, RUN
from tests.proof import RULES

pytestmark = pytest.mark.integration

DATA = Path(os.environ.get("DRIFTLINE_DATA", ROOT.parent / "shared" / "data" / "tlc"))


def test_synthetic_trips(
    kafka_config: dict[str, str], prefix: str, database: str, trained: Path, tmp_path: Path
) -> None:
    with closing(Fleet(kafka_config, prefix, database, trained, tmp_path)) as fleet:
        fleet.finish(fleet.producer(days=2), fleet.consumer(), fleet.monitor())
    reading = oracle.read(logs.read_back(kafka_config, prefix), rows.BY_TOPIC, RULES)
    start = logs.START
    check(reading, RUN, database, trained, [(HOUR, start + 18 * HOUR), (DAY, start + DAY)])


@pytest.mark.real
def test_real_trips_by_the_command_line(
    stack: Any, kafka_config: dict[str, str], prefix: str, database: str, tmp_path: Path
) -> None:
    """Three days of February 2022 and all its strays, at full speed, with the default model of January."""
    january, february = (DATA / f"green_tripdata_2022-0{month}.parquet" for month in (1, 2))
    if not (january.exists() and february.exists()):
        pytest.skip(f"no TLC files in {DATA}: name their folder in DRIFTLINE_DATA")
    model, days = tmp_path / "model", stretch(february, tmp_path)
    environ = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
        "DATABASE_URL": database,
        "DRIFTLINE_TOPIC_PREFIX": prefix,
    }
    driftline(environ, "train", "--file", str(january), "--out", str(model))
    driftline(environ, "produce", "--run", "real", "--file", str(days), "--speed", "max")
    driftline(environ, "consume", "--until-done", "real", "--model", str(model))
    driftline(environ, "monitor", "--until-done", "real", "--model", str(model), "--sizes", "1h,6h,1d")
    reading = oracle.read(logs.read_back(kafka_config, prefix), rows.BY_TOPIC, RULES)
    day = logs.START + 13 * DAY
    check(reading, "real", database, model, [(HOUR, day + 18 * HOUR), (6 * HOUR, day), (DAY, day)])
    for topic in rows.BY_TOPIC:
        assert sum(records(reading, "real", topic).values()) == pq.read_metadata(days).num_rows


def stretch(month: Path, folder: Path) -> Path:
    """The same file with the 13th to the 15th and whatever lies outside the month, ordered as it is there."""
    trips = pq.read_table(month)
    at = trips["lpep_pickup_datetime"]
    first, *others = [datetime(2022, *day) for day in ((2, 1), (2, 13), (2, 16), (3, 1))]
    strays = pc.or_(pc.less(at, first), pc.greater_equal(at, others[2]))
    within = pc.and_(pc.greater_equal(at, others[0]), pc.less(at, others[1]))
    kept = trips.filter(pc.fill_null(pc.or_(strays, within), True))
    pq.write_table(kept, folder / month.name)
    return folder / month.name


def check(reading: oracle.Reading, run: str, database: str, model: Path, sampled: Sequence[Window]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        rows.agree(connection, reading)
        expected = [
            (topic, size, start, number)
            for size in SIZES
            for (name, topic, start), number in oracle.windows(reading, size).items()
            if name == run
        ]
        rows.same("windows", rows.results(connection, run, ("rows",)), expected)
        assert {status for *_, status in rows.results(connection, run, ("status",))} <= {"final", "insufficient"}
        assert unsound(connection) == []
        stock = Stock(reading, run, model)
        for window in sampled:
            for stream in (TRIPS, OUTCOMES):
                assert [*stock.disagreements(connection, stream, window)] == []


def records(reading: oracle.Reading, run: str, topic: str) -> dict[str, int]:
    """What became of the data records of a run in a topic."""
    found = [state.tally for (name, where, _), state in reading.states.items() if (name, where) == (run, topic)]
    return {
        name: sum(tally[name] for tally in found)
        for name in ("accepted", "duplicates", "late", "future", "invalid")
    }


def unsound(connection: rows.Connection) -> list[Any]:
    """Windows whose totals are not what their columns say."""
    query = """
        SELECT w.run_id, w.stream, w.size_s, w.window_start FROM driftline.window_result w LEFT JOIN (
            SELECT run_id, stream, size_s, window_start, count(value) AS tested,
                   count(*) FILTER (WHERE status = 'drift') AS drifted,
                   bool_or((severity >= 1) <> (status = 'drift')) AS odd
            FROM driftline.column_metric WHERE metric = 'drift' GROUP BY 1, 2, 3, 4
        ) c USING (run_id, stream, size_s, window_start)
        WHERE coalesce(c.odd, false) OR (w.columns_tested, w.columns_drifted) <> (c.tested, c.drifted)
           OR w.share_drifted IS DISTINCT FROM w.columns_drifted::float8 / nullif(w.columns_tested, 0)"""
    return connection.execute(query).fetchall()


def driftline(environ: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, str(ROOT / "driftline.py"), *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3_000:]
