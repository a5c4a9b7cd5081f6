"""The board: a year in one answer, and from the close of a window to its row in the browser's hands.

    python -m benchmarks.board                  both
    python -m benchmarks.board --hours 12       of the replay behind the second

A year: 8,760 windows of 20 columns, each with nine figures. Timed at the socket of a board that runs as a process
of its own, the first time and then. Visible: the real stages at 1,800x with windows of about 10,000 rows, one every
2 s, while as many pages as `--pages` follow; from the consumer's commit that closed a window to the event at each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
import orjson
import psycopg

from benchmarks.consumer_steps import fresh_database
from benchmarks.latency import LARGE, RUN, START, replay
from local import stack
from runtime.connections import ROOT, kafka_config
from schemas.durations import moment as at
from schemas.durations import moment_ms
from schemas.streams.taxi import TRIPS
from storage.chunk import PREDICTION
from storage.prepare import prepare
from storage.queries import load_queries

SQL = load_queries(Path(__file__).with_suffix(".sql"))
YEAR = moment_ms("2022-01-01")
NAMES = [*TRIPS.numbers, *TRIPS.categories, *(f"more_{n}" for n in range(6)), PREDICTION]
METRICS = ("drift", "missing_share", "out_of_range_share", "q05", "q25", "q50", "q75", "q95", "mean")
TARGET_MS = 300
VISIBLE_MS = 1_000
_ROW = """
    SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY latency_ms) FROM driftline.window_result
    WHERE run_id = %s AND stream = 'events' AND segment = ''
      AND status = 'final' AND rows >= %s AND window_end <= %s"""


def seed(connection: psycopg.Connection[Any], run: str, *, windows: int, metrics: Sequence[str] = METRICS) -> None:
    """A finished run of so many hours of each stream. connection: autocommitting. metrics: of each column."""
    params = {"run": run, "windows": windows, "size_s": 3_600, "start": at(YEAR), "metrics": list(metrics)}
    params |= {"names": NAMES, "columns": len(NAMES)}
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")  # foreign keys hold by construction
        for name in ("run", "progress", "windows", "columns"):
            connection.execute(SQL[name], params)
    connection.execute("VACUUM ANALYZE driftline.window_result, driftline.column_metric")  # as autovacuum would


@contextmanager
def board(database: str) -> Iterator[httpx.Client]:
    """A board in a process of its own."""
    command = [sys.executable, str(ROOT / "driftline.py"), "board", "--port", "0"]
    environ = os.environ | {"DATABASE_URL": database}
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
    )
    assert process.stdout
    try:
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def year(server: str) -> bool:
    """Whether a year opens as fast as it should, once it was opened."""
    with fresh_database(server) as database:
        prepare(database)
        with psycopg.connect(database, autocommit=True) as connection:
            seed(connection, "year", windows=8_760)
        with board(database) as client:
            times, size = [], 0
            for _ in range(12):
                began = time.perf_counter()
                found = client.get("/api/board", params={"run": "year", "size": "1h"})
                found.raise_for_status()
                times.append((time.perf_counter() - began) * 1_000)
                size = len(found.content)
    first, *later = times
    print("| windows | columns | bytes | first, ms | then, ms: p50 | max |\n|---:|---:|---:|---:|---:|---:|")
    print(f"| 8,760 | {len(NAMES)} | {size:,} | {first:.0f} | {median(later):.0f} | {max(later):.0f} |\n")
    return median(later) < TARGET_MS


def visible(server: str, kafka: dict[str, str], hours: int, pages: int) -> bool:
    """Whether rows are seen as soon as they should."""
    with fresh_database(server) as database, board(database) as client:
        prepare(database)
        replaying = threading.Thread(target=replay, args=(kafka, database, hours, 65.0, 1_800.0), daemon=True)
        replaying.start()
        while client.get("/api/board", params={"run": RUN}).status_code != 200:
            time.sleep(0.1)
        # The last windows close all at once, at the final heartbeat: they say nothing of a stream that goes on.
        end = START + (hours - 3) * 3_600_000
        found: list[list[float]] = [[] for _ in range(pages)]
        watching = [threading.Thread(target=watch, args=(str(client.base_url), end, each)) for each in found]
        for thread in (*watching, replaying):
            if thread is not replaying:
                thread.start()
        for thread in watching:
            thread.join()
        replaying.join()
        with psycopg.connect(database) as connection:
            row = connection.execute(_ROW, (RUN, LARGE, at(end))).fetchone()
    to_row = row[0] if row else [float("nan")] * 2
    late = np.array([delay for each in found for delay in each])
    half, most, worst = np.quantile(late, [0.5, 0.95, 1.0])
    print("| pages | windows seen | close → visible, ms: p50 | p95 | max | of it close → row: p50 | p95 |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    print(f"| {pages} | {len(late)} | {half:.0f} | {most:.0f} | {worst:.0f} | {to_row[0]:.0f} | {to_row[1]:.0f} |")
    return bool(most < VISIBLE_MS)


def watch(url: str, end: int, delays: list[float]) -> None:
    """Follow the board until the window that ends at `end` has come: how late each closed one of 8,000 rows was."""
    seen: set[int] = set()
    with (
        httpx.Client(base_url=url, timeout=120, trust_env=False) as client,
        client.stream("GET", "/api/events", params={"run": RUN, "size": "1h"}) as stream,
    ):
        name = ""
        for line in stream.iter_lines():
            now = time.time() * 1_000
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: ") and name == "windows":
                windows = orjson.loads(line[6:])["windows"]
                for start, wall, status, rows in zip(
                    windows["start"], windows["wall"], windows["status"], windows["rows"], strict=True
                ):
                    if status == "final" and start not in seen:
                        seen.add(start)
                        if rows >= LARGE and start + 3_600_000 <= end:
                            delays.append(now - wall)
                        if start + 3_600_000 >= end:
                            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--pages", type=int, default=10)
    options = parser.parse_args()
    with stack.running() as addresses:
        kafka = kafka_config(os.environ | {"KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers})
        fast = year(addresses.database_url)
        soon = visible(addresses.database_url, kafka, options.hours, options.pages)
    return 0 if fast and soon else 1


if __name__ == "__main__":
    sys.exit(main())
