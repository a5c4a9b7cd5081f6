"""What a monitor costs with the segments of its stream and without: CPU and rows of a replay, stored twice.

    python -m benchmarks.segments --days 7

The same log is read by one consumer; a monitor computes its windows of 1h, 6h and 1d without segments in one copy
of the database, and with them in another. CPU is that of the whole process, less what it takes to start, which is
measured by starting it again. Uses the running stack, or that of KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

import producer.stage as process
from benchmarks.consumer_steps import fresh_database
from benchmarks.ours import model
from local import stack
from producer.settings import Settings
from producer.sources.selection import from_generator
from runtime.connections import ROOT, kafka_config
from schemas.durations import moment_ms
from schemas.streams.taxi import TAXI
from storage.prepare import prepare

RUN = "segments"
START = moment_ms("2022-02-07")
TABLES = ("window_result", "column_metric", "window_summary", "evidence", "calibration", "alarm")
MOST_TIMES, MOST_SPACE = 3.0, 4.0


def stage(name: str, database: str, brokers: str, *options: str) -> float:
    """Run a stage to its end; its CPU seconds."""
    environ = os.environ | {"DATABASE_URL": database, "KAFKA_BOOTSTRAP_SERVERS": brokers}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable,
        str(ROOT / "driftline.py"),
        name,
        "--until-done",
        RUN,
        "--model",
        str(model()),
        *options,
    ]
    subprocess.run(command, env=environ, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def copied(server: str, database: str) -> str:
    """URL of a copy of a database that nobody is connected to."""
    name = f"bench_{uuid4().hex[:10]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {urlsplit(database).path[1:]}")
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def dropped(server: str, databases: Sequence[str]) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        for database in databases:
            admin.execute(f"DROP DATABASE {urlsplit(database).path[1:]} WITH (FORCE)")


def held(database: str) -> tuple[int, dict[str, int]]:
    """Windows of the stream, and bytes by table, with indexes."""
    with psycopg.connect(database, autocommit=True) as connection:
        ((windows,),) = connection.execute(
            "SELECT count(*) FROM driftline.window_result WHERE segment = ''"
        ).fetchall()
        for table in TABLES:
            connection.execute(f"VACUUM FULL driftline.{table}")
        sizes = {
            table: connection.execute(f"SELECT pg_total_relation_size('driftline.{table}')").fetchall()[0][0]
            for table in TABLES
        }
    return windows, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--volume", type=float, default=1.0)
    options = parser.parse_args()
    with stack.running() as addresses, fresh_database(addresses.database_url) as database:
        server, brokers, prefix = (
            addresses.database_url,
            addresses.bootstrap_servers,
            f"segments-{uuid4().hex[:8]}-",
        )
        prepare(database)
        kafka = kafka_config(os.environ | {"KAFKA_BOOTSTRAP_SERVERS": brokers})
        source = from_generator(START, START + options.days * 86_400_000, volume=options.volume)
        settings = Settings(stream=TAXI, run_id=RUN, source=source, kafka=kafka, speed=None, topic_prefix=prefix)
        process.run(settings, threading.Event())
        stage("consume", database, brokers, "--topic-prefix", prefix)
        copies = {name: copied(server, database) for name in ("without", "with")}
        try:
            report(copies, brokers)
        finally:
            dropped(server, [*copies.values()])


def report(copies: dict[str, str], brokers: str) -> None:
    """Watch both copies, and print what that took. Exits with 1 where a target is missed."""
    more = {"without": (), "with": ("--segments",)}
    cpu, windows, space = {}, {}, {}
    for name, database in copies.items():
        cpu[name] = stage("monitor", database, brokers, *more[name])
        windows[name], space[name] = held(database)
        again = stage("monitor", database, brokers, *more[name])  # nothing is left to do: what starting takes
        cpu[name] = (cpu[name] - again) / windows[name]
    print("| | without | with segments | times |\n|---|---:|---:|---:|")
    rows = {"CPU a window, ms": {name: 1e3 * value for name, value in cpu.items()}}
    rows["KB a window"] = {name: sum(each.values()) / 1024 / windows[name] for name, each in space.items()}
    rows |= {
        f"KB a window, {table}": {name: each[table] / 1024 / windows[name] for name, each in space.items()}
        for table in TABLES
    }
    for what, found in rows.items():
        times = found["with"] / found["without"]
        print(f"| {what} | {found['without']:.1f} | {found['with']:.1f} | {times:.2f} |")
    over = cpu["with"] > MOST_TIMES * cpu["without"] or (
        rows["KB a window"]["with"] > MOST_SPACE * rows["KB a window"]["without"]
    )
    raise SystemExit(1 if over else 0)


if __name__ == "__main__":
    main()
