"""What each step of the consumer costs, in CPU µs a trip: the real consumer on a real log, each step timed.

    python -m benchmarks.consumer_steps --trips 1000000

One process, one thread; model, validation and Postgres included. `rest of the thread` is what no step claims, the
client's threads are librdkafka's. Uses the running stack, or that of KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from msgspec.structs import replace

import consumer.stage as process
from benchmarks import log
from consumer import chunking, flush, windows
from consumer.decode import Decoder
from consumer.gauges import ConsumerGauges
from consumer.settings import Settings
from consumer.source import KafkaSource
from consumer.store import Store
from local import stack
from runtime.connections import kafka_config
from schemas.streams.taxi import TAXI, TRIPS
from storage import chunk

ALONE = replace(TAXI, labels=None)
"""Trips without the topic of outcomes."""

STEPS: tuple[tuple[str, Any, str], ...] = (
    ("read from the client", KafkaSource, "read"),
    ("decode, take columns", Decoder, "decode"),
    ("columns to Arrow", chunking, "table"),
    ("classify", windows, "classify"),
    ("features and score", chunking, "_scored"),
    ("encode the chunk", chunk, "encode"),
    ("other preparation", flush.Pending, "add"),
    ("sort and pack", flush.Pending, "seal"),
    ("Postgres", Store, "commit"),
    ("tell Prometheus", ConsumerGauges, "flushed"),
)


class Clock:
    """CPU time of the calling thread per step, without that of the steps inside it."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            began = time.thread_time()
            self._inner.append(0.0)
            try:
                return step(*args, **more)
            finally:
                spent = time.thread_time() - began
                self.spent[name] += spent - self._inner.pop()
                self._inner[-1] += spent

        return run


def measure(settings: Settings) -> tuple[dict[str, float], float, float]:
    """CPU seconds of each step, CPU seconds of the process, wall seconds: of reading the whole log, from start."""
    clock = Clock()
    patches = [patch.object(owner, name, clock.timed(step, getattr(owner, name))) for step, owner, name in STEPS]
    for p in patches:
        p.start()
    began, thread, cpu = time.perf_counter(), time.thread_time(), time.process_time()
    process.run(settings, threading.Event())
    wall, thread, cpu = time.perf_counter() - began, time.thread_time() - thread, time.process_time() - cpu
    for p in patches:
        p.stop()
    clock.spent["rest of the thread"] = thread - sum(clock.spent.values())
    clock.spent["the client's threads"] = cpu - thread
    return clock.spent, cpu, wall


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """URL of a database that the consumer will fill; dropped afterwards."""
    name = f"bench_{uuid4().hex[:10]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with stack.running() as addresses:
        kafka = kafka_config({"KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers} | dict(os.environ))
        prefix = f"steps-{options.trips}-"
        log.fill(kafka, prefix + TRIPS.topic, options.trips)
        for _ in range(options.runs):
            with fresh_database(addresses.database_url) as database:
                settings = Settings(
                    database_url=database, kafka=kafka, topic_prefix=prefix, until_done=log.RUN, stream=ALONE
                )
                show(*measure(settings), options.trips)


def show(spent: dict[str, float], cpu: float, wall: float, trips: int) -> None:
    for step, seconds in spent.items():
        print(f"{step:24} {seconds / trips * 1e6:6.3f}")
    print(f"{'CPU in all':24} {cpu / trips * 1e6:6.3f} µs a trip; {trips / wall:,.0f} trips/s\n", flush=True)


if __name__ == "__main__":
    main()
