"""The consumer: scores trips, sorts them into panes, and commits rows, positions and watermarks together."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pyarrow as pa
import structlog

from consumer.retry import connect, persistently
from consumer.settings import Settings
from consumer.source import Source
from consumer.store import Store
from consumer.worker import Model, Worker
from models.artifact import load
from schemas.sql import migrate

log = structlog.get_logger()


def run(settings: Settings, stop: threading.Event, model: Model | None = None) -> None:
    """Consume until `stop` is set; with `until_done`, until that run is finished in every partition.

    model: scores in the place of the artifact that the settings name.

    1. Load the model, unless every stream brings its own predictions.
    2. Connect to Postgres and Kafka, and wait for topics. What may pass is waited for, here and later.
    3. Read and flush, until told to end or something breaks; then begin at 2, from what was committed.

    Raises DriftlineError for what waiting cannot mend.
    """
    if model is None and any(s.label is None and s.prediction is None for s in settings.streams):
        model = load(settings.model)
    pa.array([None])  # imports pandas, at the first conversion: not while partitions wait
    with _rare_collections():
        persistently(lambda: _session(settings, stop, model), stop)


def _session(settings: Settings, stop: threading.Event, model: Model | None) -> None:
    """One connection to Postgres and one membership in the consumer group, to their end."""
    with closing(connect(settings.database_url)) as connection:
        migrate(connection)
        store = Store(connection, settings.instance)
        store.forget_health()
        source = Source(settings.kafka, settings.topic_prefix, [stream.topic for stream in settings.streams])
        try:
            _wait_for_topics(source, stop)
            source.subscribe()
            worker = Worker(settings, source, store, model, time.monotonic())
            while not stop.is_set() and not worker.done:
                worker.step(time.monotonic())
            worker.drain()
        finally:
            if not source.close(seconds=5):
                log.warning("kafka_close_hangs")


def _wait_for_topics(source: Source, stop: threading.Event) -> None:
    """Until one of ours exists; the others are found when they are made."""
    waited = 0
    while not stop.is_set() and not source.partitions():
        if waited % 50 == 0:
            log.info("waiting_for_topics", do="start `driftline produce`")
        waited += 1
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
