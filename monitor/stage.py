"""The monitor: takes windows that are ready, computes their figures against the reference, writes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from monitor.engine import load_reference
from monitor.gauges import MonitorGauges
from monitor.settings import Settings
from monitor.starting import announced, check_sizes, unless_stopped
from runtime.invocation import exit_with_command
from runtime.metrics_server import serving
from storage.connect import connect
from storage.migrations import migrate
from storage.retry import run_sessions


def run(settings: Settings, stop: threading.Event) -> None:
    """Watch all runs until `stop` is set; with `until_done`, until all windows of that run are final.

    1. Let ourselves be watched.
    2. Find out at once if there is no model, the database refuses us, or no run has such windows; bring the tables
       up to date.
    3. Import Evidently and prepare the model's reference: all that does not depend on the window.
    4. Wait for consumers to move the watermarks, compute what closed, commit it; again after every loss of the
       database.

    Raises DriftlineError for what waiting cannot mend.
    """
    gauges, url = MonitorGauges(), settings.database_url
    with serving(gauges.instruments, settings.metrics_host, settings.metrics_port):
        load_reference(settings)  # in milliseconds, and long before it is needed
        run_sessions(partial(_prepare, settings), url, stop, on_trouble=gauges.health.trouble)
        if not stop.is_set():
            with announced(url, settings.until_done):
                work = unless_stopped(lambda: _ready(settings), stop)
            if work is not None:
                work(stop, gauges)


def _ready(settings: Settings) -> Callable[[threading.Event, MonitorGauges], None]:
    from monitor.evidently.engine import DriftEngine  # noqa: PLC0415 - Evidently, after what may fail
    from monitor.scheduling.scheduler import run_scheduler  # noqa: PLC0415

    engine = DriftEngine(settings)
    engine.prepare(settings.sizes)
    return lambda stop, gauges: run_scheduler(settings, stop, engine, gauges)


def _prepare(settings: Settings) -> None:
    with connect(settings.database_url) as connection:
        migrate(connection)
        check_sizes(connection, settings)


if __name__ == "__main__":
    exit_with_command("monitor")
