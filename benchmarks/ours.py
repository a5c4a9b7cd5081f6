"""Our consumer on the benchmark's log, to durable rows: decode, validation, model and exactly-once included.

    python -m benchmarks.ours 127.0.0.1:9092 bench-1000000-trips 1000000 [--processes 2]

Into a fresh database of the Postgres that is there (DATABASE_URL, or the running stack). The clock runs from the
first record that a process reads to the end of the last process; all have their model before they join the group.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pyarrow as pa
from msgspec.structs import replace

import consumer.stage as process
from benchmarks.consumer_steps import fresh_database
from benchmarks.log import RUN
from consumer.settings import Settings
from consumer.source import KafkaSource
from models.artifact import load
from models.taxi import SCORERS
from models.taxi.train import train
from producer.sources.selection import choose
from runtime.connections import ROOT, database_url, kafka_config
from schemas.errors import ModelUnusable
from schemas.streams.taxi import TAXI, TRIPS

ALONE = replace(TAXI, labels=None)
"""Trips without the topic of outcomes."""

MODEL = ROOT / "benchmarks" / "out" / "model"
_ROWS = "SELECT coalesce(sum(accepted), 0)::bigint FROM driftline.run_progress WHERE run_id = %s"


def model() -> Path:
    """An artifact to score with, trained once on synthetic trips."""
    try:
        load(MODEL)
    except ModelUnusable:
        source = choose(synthetic=True, month="2022-01")
        train(pa.concat_tables(source.tables()), out=MODEL, source=source.name, period=source.period)
    return MODEL


def consume(settings: Settings) -> tuple[float, float, float]:
    """Read the log to its end.

    Returns:
        Moments of the first record and of the end, by a clock that all processes share; CPU seconds in between.
    """
    read = KafkaSource.read
    started: list[float] = []

    def first(self: KafkaSource, most: int, seconds: float) -> list[Any]:
        found = read(self, most, seconds)
        if found and not started:
            started.extend((time.perf_counter(), time.process_time()))
        return found

    scorer = load(settings.model, settings.stream.events, SCORERS)
    sys.stdin.readline()
    with patch.object(KafkaSource, "read", first):
        process.run(settings, threading.Event(), scorer)
    wall, cpu = started or (time.perf_counter(), time.process_time())
    return wall, time.perf_counter(), time.process_time() - cpu


def together(arguments: list[str], processes: int) -> dict[str, float]:
    """The same in processes of one group: seconds, CPU seconds and the largest process in MB."""
    command = [sys.executable, "-m", "benchmarks.ours", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    children = [subprocess.Popen(command, text=True, **pipes) for _ in range(processes)]  # type: ignore[call-overload]
    outputs = _at_once(children)
    if any(child.returncode for child in children):
        raise SystemExit("a consumer failed")
    starts, ends, cpu, peaks = zip(*(json.loads(text.strip().splitlines()[-1]) for text in outputs), strict=True)
    return {"seconds": max(ends) - min(starts), "cpu_seconds": sum(cpu), "peak_mb": max(peaks)}


def _at_once(children: list[subprocess.Popen[str]]) -> list[str]:
    """Let all go when all are ready: each has loaded its model long before a shared start 5 s from now."""
    time.sleep(5)
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [child.communicate()[0] for child in children]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("records", type=int)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--database", help="an existing one; default: a fresh one")
    options = parser.parse_args()
    kafka = kafka_config(os.environ | {"KAFKA_BOOTSTRAP_SERVERS": options.bootstrap})

    def settings(database: str) -> Settings:
        prefix = options.topic.removesuffix(TRIPS.topic)
        return Settings(
            database_url=database, kafka=kafka, topic_prefix=prefix, until_done=RUN, stream=ALONE, model=model()
        )

    if options.database:
        measured = consume(settings(options.database))
        print(json.dumps((*measured, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))
        return
    model()
    with fresh_database(database_url(os.environ)) as database:
        place = [options.bootstrap, options.topic, str(options.records), "--database", database]
        measured_together = together(place, options.processes)
        with psycopg.connect(database) as connection:
            (rows,) = connection.execute(_ROWS, (RUN,)).fetchone() or (0,)
    print(json.dumps({"records": rows, "expected": options.records, **measured_together}))


if __name__ == "__main__":
    main()
