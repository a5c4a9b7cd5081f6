"""The monitor: takes windows that are ready, computes their figures against the reference, writes them."""

from __future__ import annotations

import threading
from functools import partial

from monitor.evidence import DriftEngine
from monitor.gauges import Gauges
from monitor.settings import Settings
from monitor.watch import watch
from schemas.sql import migrate
from storage.connect import connect
from storage.retry import persistently
from telemetry.server import serving


def run(settings: Settings, stop: threading.Event) -> None:
    """Watch all runs until `stop` is set; with `until_done`, until all windows of that run are final.

    1. Let ourselves be watched.
    2. Bring the tables up to date, and find out at once if the database refuses us.
    3. Load the model and prepare its reference: all that does not depend on the window.
    4. Wait for consumers to move the watermarks, compute what closed, commit it; again after every loss of the
       database.

    Raises DriftlineError for what waiting cannot mend.
    """
    gauges, url = Gauges(), settings.database_url
    with serving(gauges.instruments, settings.metrics_host, settings.metrics_port):
        persistently(partial(_prepare, url), url, stop, trouble=gauges.health.trouble)
        if not stop.is_set():
            watch(settings, stop, DriftEngine(settings), gauges)


def _prepare(url: str) -> None:
    with connect(url) as connection:
        migrate(connection)
