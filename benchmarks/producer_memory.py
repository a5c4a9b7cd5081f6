"""What a producer takes for 1e5 to 3e6 trips: peak memory, trips a second, CPU a trip; full speed, a real Kafka.

    python -m benchmarks.producer_memory
    python -m benchmarks.producer_memory --repeat 3 --trips 100000,1000000 --sources file

file: a month as TLC publishes yellow ones, one row group, at whose end some vendors' trips begin again on the first
day. synthetic: the generator, with so much volume. Each in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka.admin import AdminClient

from local import stack
from producer.sources.canonical import DROPOFF
from producer.sources.selection import from_generator
from producer.sources.tlc import month_period
from runtime.connections import ROOT, STATE, make_folder
from schemas.streams.taxi import STREAMS, TRIPS

MONTH = "2022-02"
MONTHLY = 65_400
"""Synthetic trips in that month at volume 1."""
AT_END = 5
"""Each fifth trip is at the end of the file, as in 2020."""


@dataclass(frozen=True)
class Measured:
    seconds: float
    cpu_seconds: float
    peak_mb: float


def write_month(path: Path, trips: int) -> None:
    """A yellow file of so many synthetic trips in one row group."""
    days = from_generator(*month_period(MONTH), volume=1.1 * trips / MONTHLY).tables()
    whole = pa.concat_tables(day.drop_columns([TRIPS.id, "trip_type"]) for day in days).slice(0, trips)
    rows = np.arange(len(whole))
    whole = whole.take(pa.array(np.argsort(rows % AT_END == 0, kind="stable")))
    for number, name in enumerate((TRIPS.time, DROPOFF)):
        stamps = whole[name].cast(pa.timestamp("ms")).cast(pa.timestamp("us"))
        theirs = ("tpep_pickup_datetime", "tpep_dropoff_datetime")[number]
        whole = whole.set_column(whole.column_names.index(name), theirs, stamps)
    pq.write_table(whole, path, row_group_size=trips)


def measure(source: Sequence[str], bootstrap: str) -> Measured:
    """One replay at full speed, its topics removed afterwards. Raises SystemExit where it fails."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}-"
    options = ["--run", "bench", "--speed", "max", "--topic-prefix", prefix, *source]
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "driftline", "produce", *options],
        cwd=ROOT,
        env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": bootstrap},
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if child.returncode:
        raise SystemExit(f"driftline produce {' '.join(source)} failed")
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for removed in admin.delete_topics([prefix + stream.topic for stream in STREAMS]).values():
        removed.result()
    return Measured(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def lines(kinds: Sequence[str], sizes: Sequence[int], repeat: int, bootstrap: str, folder: Path) -> Iterator[str]:
    yield "| source | trips | trips/s | CPU µs a trip | peak MB | of the first |"
    yield "|---|---:|---:|---:|---:|---:|"
    for kind in kinds:
        first = 0.0
        for trips in sizes:
            source = _source(kind, trips, folder)
            runs = [measure(source, bootstrap) for _ in range(repeat)]
            seconds, cpu, peak = (
                median(getattr(r, f) for r in runs) for f in ("seconds", "cpu_seconds", "peak_mb")
            )
            first = first or peak
            rates = f"{trips / seconds:,.0f} | {cpu / trips * 1e6:.2f} | {peak:.0f} | {peak / first:.2f}"
            yield f"| {kind} | {trips:,} | {rates} |"


def _source(kind: str, trips: int, folder: Path) -> list[str]:
    if kind == "synthetic":
        return ["--synthetic", "--month", MONTH, "--volume", f"{trips / MONTHLY:.4f}"]
    path = folder / f"yellow_{trips}_{MONTH}.parquet"
    # In a process of its own: a child's peak begins with that of its parent.
    subprocess.run([sys.executable, "-m", __spec__.name, "--write", str(path), "--trips", str(trips)], check=True)
    return ["--file", str(path)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", default="100000,1000000,3000000")
    parser.add_argument("--sources", default="file,synthetic")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(trips) for trips in options.trips.split(",")]
    if options.write:
        write_month(options.write, *sizes)
        return
    with stack.running() as addresses, tempfile.TemporaryDirectory(dir=make_folder(STATE)) as folder:
        for line in lines(
            options.sources.split(","), sizes, options.repeat, addresses.bootstrap_servers, Path(folder)
        ):
            print(line, flush=True)


if __name__ == "__main__":
    main()
