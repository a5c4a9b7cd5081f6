"""Everyone on the same log, one after the other, on one machine: one table, with ratios.

    python -m benchmarks.stream                  a million trips, medians of three
    python -m benchmarks.stream --only ours,raw --repeat 5
    python -m benchmarks.stream --flat           ours at 1e5, 1e6 and 1e7 trips
    python -m benchmarks.stream --two            ours with one and two consumer processes

raw: librdkafka hands over bytes, nothing is decoded. ours: decode, validation, model and exactly-once into
Postgres. quix, bytewax: a tumbling mean, without validation and model. Rounds are interleaved, so that a
disturbance of the machine falls on all. Needs `make bench-setup` for the peers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.log import fill, make_results_topic
from runtime.connections import ROOT, kafka_config
from schemas.topics import PARTITIONS

PEERS = ROOT / "benchmarks" / ".venv" / "bin" / "python"
OUT = ROOT / "benchmarks" / "out"
COMPLETE = 0.999
"""Share of the trips that results must account for; Quix leaves its last windows open."""


@dataclass(frozen=True)
class System:
    name: str
    command: tuple[str, ...]
    heartbeats: bool = False  # counts the log's heartbeats as records


@dataclass(frozen=True)
class Measured:
    rate: float  # trips a second
    cpu: float  # CPU seconds per million trips
    peak_mb: float


OURS = System("ours", (sys.executable, "-m", "benchmarks.ours"))
TWO = System("ours, two processes", (*OURS.command, "--processes", "2"))
RAW = System("raw", (sys.executable, "-m", "benchmarks.raw_consume"), heartbeats=True)
QUIX = System("quix", (str(PEERS), "-W", "ignore", "-m", "benchmarks.quix"))
QUIX_ONCE = System("quix-exactly-once", (*QUIX.command, "--guarantee", "exactly-once"))
BYTEWAX = System("bytewax", (str(PEERS), "-W", "ignore", "-m", "benchmarks.bytewax"))
ALL = {system.name: system for system in (RAW, OURS, QUIX, QUIX_ONCE, BYTEWAX)}


def topic_of(trips: int) -> str:
    """The consumer reads prefix + `trips`."""
    return f"bench-{trips}-trips"


def measure(system: System, bootstrap: str, trips: int) -> Measured:
    """One run in a process of its own. Raises SystemExit where it fails or does not account for every trip."""
    records = trips + 2 * PARTITIONS if system.heartbeats else trips
    command = [*system.command, bootstrap, topic_of(trips), str(records)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"{system.name} failed:\n{done.stderr[-2_000:]}")
    line = json.loads(done.stdout.strip().splitlines()[-1])
    if not COMPLETE * records <= line["records"] <= records:
        raise SystemExit(f"{system.name} accounts for {line['records']:,} of {records:,} records: no figure")
    return Measured(trips / line["seconds"], line["cpu_seconds"] / trips * 1e6, line["peak_mb"])


def medians(systems: Sequence[System], bootstrap: str, trips: int, repeat: int) -> dict[System, Measured]:
    runs: dict[System, list[Measured]] = {system: [] for system in systems}
    for round_ in range(1, repeat + 1):
        for system in systems:
            runs[system].append(measure(system, bootstrap, trips))
            print(f"  {round_}/{repeat} {system.name}: {runs[system][-1].rate:,.0f} trips/s", file=sys.stderr)
    return {
        system: Measured(*(median(getattr(m, name) for m in measured) for name in ("rate", "cpu", "peak_mb")))
        for system, measured in runs.items()
    }


def table(results: dict[System, Measured]) -> Iterator[str]:
    """Lines of Markdown. A ratio to ours above 1 is how many times faster ours is."""
    raw, ours = results.get(RAW), results.get(OURS)
    yield "| system | trips/s | CPU s per million | peak MB | of raw | ours is |"
    yield "|---|---:|---:|---:|---:|---:|"
    for system, m in results.items():
        of_raw = f"{m.rate / raw.rate:.1%}" if raw else ""
        ratio = f"{ours.rate / m.rate:.2f} ×" if ours and system is not OURS else ""
        yield f"| {system.name} | {m.rate:,.0f} | {m.cpu:.2f} | {m.peak_mb:.0f} | {of_raw} | {ratio} |"


def flat_table(by_size: dict[int, Measured]) -> Iterator[str]:
    first = next(iter(by_size.values()))
    yield "| trips | trips/s | CPU s per million | peak MB | CPU a trip, of the first | peak, of the first |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for trips, m in by_size.items():
        ratios = f"{m.cpu / first.cpu:.2f} | {m.peak_mb / first.peak_mb:.2f}"
        yield f"| {trips:,} | {m.rate:,.0f} | {m.cpu:.2f} | {m.peak_mb:.0f} | {ratios} |"


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    config = kafka_config(os.environ)
    bootstrap = config["bootstrap.servers"]
    sizes = [100_000, 1_000_000, 10_000_000] if options.flat else [options.trips]
    for trips in sizes:
        fill(config, topic_of(trips), trips)
        make_results_topic(config, topic_of(trips))
    if options.flat:
        lines = flat_table({n: medians([OURS], bootstrap, n, options.repeat)[OURS] for n in sizes})
    else:
        chosen = [OURS, TWO] if options.two else [ALL[name] for name in options.only.split(",")]
        lines = table(medians(chosen, bootstrap, options.trips, options.repeat))
    text = "\n".join(
        [f"{options.repeat} runs each, medians; {os.cpu_count()} cores, {platform.machine()}", "", *lines]
    )
    print(text)
    OUT.mkdir(exist_ok=True)
    (OUT / "stream.md").write_text(text + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default=",".join(ALL), help=f"some of {','.join(ALL)}")
    parser.add_argument("--flat", action="store_true", help="ours at 1e5, 1e6 and 1e7 trips")
    parser.add_argument("--two", action="store_true", help="ours with one and two processes")
    return parser


if __name__ == "__main__":
    main()
