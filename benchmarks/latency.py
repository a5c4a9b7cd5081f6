"""From the commit that closes a window to its row, and on to its evidence: real stages, paced, on large windows.

    python -m benchmarks.latency              a day at 1,800x: 1 h windows of about 10,000 rows, one every 2 s

The moment of closing is the consumer's commit that moved the watermark past the window's end. Evidence is written
in one transaction with the alarm that it raises; a trigger notes when. Uses the running stack, or that of
KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
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

RUN = "latency"
START = moment_ms("2022-02-01")
LARGE = 8_000
"""Rows from which a window counts: at night there are fewer."""
_NOTE = """
    CREATE TABLE public.noted (stream text, size_s int, window_start timestamptz, at timestamptz);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.noted VALUES (NEW.stream, NEW.size_s, NEW.window_start, clock_timestamp());
        RETURN NULL;
    END $$;
    CREATE TRIGGER note AFTER INSERT ON driftline.evidence FOR EACH ROW EXECUTE FUNCTION public.note()"""
_LATENCY = """
    SELECT stream, count(*)::int, avg(rows)::int, count(n.at)::int,
           percentile_cont(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (
               ORDER BY extract(epoch FROM written_at - closed_at) * 1000),
           percentile_cont(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (
               ORDER BY extract(epoch FROM n.at - written_at) * 1000)
    FROM driftline.window_result LEFT JOIN (
        SELECT stream, size_s, window_start, min(at) AS at FROM public.noted GROUP BY 1, 2, 3
    ) n USING (stream, size_s, window_start)
    WHERE run_id = %s AND segment = '' AND status = 'final'
      AND revision = 0 AND rows >= %s AND window_end <= to_timestamp(%s)
    GROUP BY stream ORDER BY stream"""


def replay(kafka: dict[str, str], database: str, hours: int, volume: float, speed: float) -> None:
    """Consumer and monitor as processes of their own, the producer here; until all is final."""
    prefix = f"latency-{uuid4().hex[:8]}-"
    environ = os.environ | {"DATABASE_URL": database, "KAFKA_BOOTSTRAP_SERVERS": kafka["bootstrap.servers"]}
    common = ["--until-done", RUN, "--model", str(model()), "--topic-prefix", prefix]
    stages = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "driftline.py"), *stage, *common], env=environ, stderr=subprocess.DEVNULL
        )
        for stage in (["monitor", "--sizes", "1h"], ["consume"])
    ]
    source = from_generator(START, START + hours * 3_600_000, volume=volume)
    process.run(
        Settings(stream=TAXI, run_id=RUN, source=source, kafka=kafka, speed=speed, topic_prefix=prefix),
        threading.Event(),
    )
    if any([stage.wait() for stage in stages]):  # noqa: C419 - wait for all of them, whatever the first said
        raise SystemExit("a stage failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--volume", type=float, default=65.0)
    parser.add_argument("--speed", type=float, default=1_800.0)
    options = parser.parse_args()
    with stack.running() as addresses, fresh_database(addresses.database_url) as database:
        kafka = kafka_config(os.environ | {"KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers})
        prepare(database)
        with psycopg.connect(database) as connection:
            connection.execute(_NOTE)
        replay(kafka, database, options.hours, options.volume, options.speed)
        end = START / 1_000 + (options.hours - 3) * 3_600  # the last ones close all at once, at the final heartbeat
        with psycopg.connect(database) as connection:
            rows = connection.execute(_LATENCY, (RUN, LARGE, end)).fetchall()
    print("| stream | windows | rows each | close → row, ms: p50 | p95 | max ", end="")
    print("| with evidence | row → evidence, ms: p50 | p95 | max |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for stream, windows, size, folded, *latencies in rows:
        row, evidence = (" | ".join(f"{ms:.0f}" for ms in found or ()) for found in latencies)
        print(f"| {stream} | {windows} | {size:,} | {row} | {folded} | {evidence} |")


if __name__ == "__main__":
    main()
