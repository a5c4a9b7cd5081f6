"""The consumer: scores trips, sorts them into panes, and commits rows, positions and watermarks together."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import pyarrow as pa
import structlog

from consumer.gauges import Gauges
from consumer.retry import PATIENCE_S, connect, run_sessions
from consumer.settings import Settings
from consumer.source import Source, deleted
from consumer.store import Store
from consumer.worker import Model, Worker
from models.artifact import load
from runtime.health import Health
from runtime.metrics_server import serving
from storage.migrations import migrate

log = structlog.get_logger()


def run(settings: Settings, stop: threading.Event, model: Model | None = None) -> None:
    """Consume until `stop` is set; with `until_done`, until that run is finished in every partition.

    model: scores in the place of the artifact that the settings name.

    1. Let ourselves be watched.
    2. Load the model, unless every stream brings its own predictions.
    3. Connect to Postgres and Kafka, and wait for topics. What may pass is waited for, here and later.
    4. Read and flush, until told to end or something breaks; then begin at 3, from what was committed.

    Raises DriftlineError for what waiting cannot mend.
    """
    gauges = Gauges()
    with serving(gauges.instruments, settings.metrics_host, settings.metrics_port):
        if model is None and settings.stream.needs_model:
            model = load(settings.model, settings.stream.events, settings.scorers)
        pa.array([None])  # imports pandas, at the first conversion: not while partitions wait
        with _rare_collections():
            session = partial(_session, settings, stop, model, gauges)
            run_sessions(session, settings.database_url, stop, on_trouble=gauges.health.trouble)


def _session(settings: Settings, stop: threading.Event, model: Model | None, gauges: Gauges) -> None:
    """One connection to Postgres and one membership in the consumer group, to their end."""
    with closing(connect(settings.database_url)) as connection:
        migrate(connection)
        connection.patience = PATIENCE_S
        store = Store(connection, settings.instance)
        store.forget_health()
        source = Source(settings.kafka, settings.topic_prefix, settings.stream)
        try:
            _wait_for_topics(source, store, gauges.health, stop)
            source.subscribe()
            worker = Worker(settings, source, store, model, time.monotonic(), gauges=gauges)
            while not stop.is_set() and not worker.done:
                worker.step(time.monotonic())
            worker.drain()
        finally:
            if not source.close(seconds=5):
                log.warning("kafka_close_hangs")


def _wait_for_topics(source: Source, store: Store, health: Health, stop: threading.Event) -> None:
    """Until one of ours exists; the others are found when they are made. Whoever waits is well, unless for topics
    that were read before and are gone.
    """
    gone, waited = sorted(store.topics() & {*source.topics}), 0
    while not stop.is_set() and not source.partitions():
        if waited % 50 == 0:
            if gone:
                log.error("topic_deleted", **deleted(gone))
            else:
                log.info("waiting_for_topics", do="start `driftline produce`")
        waited += 1
        store.beat([])
        if gone:
            health.trouble(f"topic_deleted: {', '.join(gone)}")
        else:
            health.well()
        stop.wait(0.2)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Without the cyclic garbage collector, which would walk over every message that is held; `Worker` calls it."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
