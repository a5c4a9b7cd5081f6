"""`driftline demo`, `dummy`, `grafana`: Driftline on one machine."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict
from pathlib import Path

from cli import options, output, servers
from cli.output import say
from local.settings import DemoSettings, DummySettings, GrafanaSettings
from runtime.stopping import exit_now, stop_on_signals
from schemas.durations import sizes_ms


def demo(
    keep: bool = options.KEEP,
    file: list[Path] | None = options.FILES,
    month: str | None = options.MONTH,
    synthetic: bool = options.SYNTHETIC,
    speed: str = options.DEMO_SPEED,
    scenario: str = options.DEMO_SCENARIO,
) -> None:
    """Show everything in two minutes: servers, model, a replay with an injected drift, live view, summary."""
    servers.check_database_url()
    output.console.print("· starting Kafka, Postgres and the board", style="dim", highlight=False)
    from local.demo.run import run

    run(DemoSettings(keep, tuple(file or ()), month, synthetic, speed, scenario), output.console)


def dummy(
    run: str = options.DUMMY_RUN,
    days: int = options.DAYS,
    sizes: str = options.SIZES,
    seed: int = options.DUMMY_SEED,
    live: bool = options.LIVE,
) -> None:
    """Write made-up metrics, without a stream or a model, to try out database, board and dashboards.

    An earlier dummy run of the same name is replaced; a run of a stream is never touched. Event time covers
    the last days, wall-clock time the last 15 minutes.
    """
    import time

    from local.dummy import run as stage
    from local.dummy.plan import PANE, DummyPlan

    settings = DummySettings(run, days, sizes_ms(sizes, PANE), seed, live)
    made = DummyPlan(now=round(time.time() * 1_000), **asdict(settings))
    stop = stop_on_signals() if live else threading.Event()
    stage.write(servers.database_url(), made, stop, say)
    if live:
        exit_now()


def grafana(
    grafana_port: int = options.GRAFANA_PORT,
    board_url: str = options.BOARD_URL,
) -> None:
    """Run the Grafana that is installed here with Driftline's dashboards, until Ctrl-C."""
    from local.grafana import run

    servers.check_database_url()
    run(
        os.environ, stop_on_signals(patience_s=30), say, GrafanaSettings(grafana_port, board_url)
    )  # it waits for its servers
    exit_now()
