"""The consumer: scores events, sorts records into panes, and commits rows, positions and watermarks together."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import pyarrow as pa
import structlog

from consumer.gauges import ConsumerGauges
from consumer.retry import PATIENCE_S, connect, run_sessions
from consumer.settings import Settings
from consumer.source import KafkaSource, deleted
from consumer.store import Store
from consumer.worker import Predictor, Worker
from models.artifact import load
from runtime.health import Health
from runtime.invocation import exit_with_command
from runtime.metrics_server import serving
from storage.migrations import migrate

log = structlog.get_logger()


def run(settings: Settings, stop: threading.Event, model: Predictor | None = None) -> None:
    """Consume until `stop` is set; with `until_done`, until that run is finished in every partition.

    1. Serve metrics and health.
    2. Load the model, unless the records bring their predictions.
    3. Connect to Postgres and Kafka, and wait for topics. Failures that may pass are waited for, here and later.
    4. Read and flush until it is time to end. After a failure, begin again at 3, from what was committed.

    Args:
        settings: What to read, and where.
        stop: Ends it, from another thread or a signal handler.
        model: Makes the predictions instead of the artifact that the settings name.

    Raises:
        DriftlineError: Something that waiting cannot mend.
    """
    gauges = ConsumerGauges()
    with serving(gauges.instruments, settings.metrics_host, settings.metrics_port):
        if model is None and settings.stream.needs_model:
            model = load(settings.model, settings.stream.events, settings.scorers)
        pa.array([None])  # imports pandas, at the first conversion: not while partitions wait
        with _rare_collections():
            session = partial(_session, settings, stop, model, gauges)
            run_sessions(session, settings.database_url, stop, on_trouble=gauges.health.trouble)


def _session(settings: Settings, stop: threading.Event, model: Predictor | None, gauges: ConsumerGauges) -> None:
    """One connection to Postgres and one membership in the consumer group, to their end."""
    with closing(connect(settings.database_url)) as connection:
        migrate(connection)
        connection.patience = PATIENCE_S
        store = Store(connection, settings.instance)
        store.forget_health()
        source = KafkaSource(settings.kafka, settings.topic_prefix, settings.stream)
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


def _wait_for_topics(source: KafkaSource, store: Store, health: Health, stop: threading.Event) -> None:
    """Wait until one of the stream's topics exists; the others are found when they are created.

    The consumer is well meanwhile, unless the topics were read before and are gone.
    """
    gone, waited = sorted(store.topics() & {*source.topics}), 0
    while not stop.is_set() and not source.partitions():
        if waited % 50 == 0:
            if gone:
                log.error("topic_deleted", **deleted(gone))
            else:
                log.info("waiting_for_topics", **source.awaited())
        waited += 1
        store.beat([])
        if gone:
            health.trouble(f"topic_deleted: {', '.join(gone)}")
        else:
            health.well()
        stop.wait(0.2)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Turn off the cyclic garbage collector, which would visit every message that is held. `Worker` calls it."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


if __name__ == "__main__":
    exit_with_command("consume")
