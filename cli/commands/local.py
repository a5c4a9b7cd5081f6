"""`driftline demo`, `dummy`, `grafana`: Driftline on one machine."""

from __future__ import annotations

import os
import threading
from typing import Annotated

from cli import checks, output, servers
from cli.options import Files, Month, Run, Scenario, Synthetic, option
from cli.output import say
from runtime.stopping import leave, stopping


def demo(
    keep: Annotated[bool, option("keep", "Leave the embedded stack running at the end.")] = False,
    file: Files = None,
    month: Month = None,
    synthetic: Synthetic = False,
    speed: Annotated[
        str, option("speed", "`600x`, `max`, or `auto`: the replay takes 80 s.", check=checks.demo_speed)
    ] = "auto",
    scenario: Scenario = None,
) -> None:
    """The whole path in two minutes: stack, model, replay with an injected drift, live view, summary."""
    servers.check_database_url()
    output.console.print("· starting Kafka, Postgres and the board", style="dim", highlight=False)
    from local.demo.plan import Wish
    from local.demo.run import run

    wish = Wish(keep, tuple(file or ()), month, synthetic, speed, scenario)
    run(wish, output.console)


def dummy(
    run: Run = "dummy",
    days: Annotated[int, option("days", "Whole days of event time before today.")] = 30,
    sizes: Annotated[str, option("sizes", "Window sizes, whole numbers of 5m.")] = "1h,6h,1d",
    seed: Annotated[int, option("seed", "The same figures for the same seed at the same time.")] = 7,
    live: Annotated[bool, option("live", "Add a window each second, until ctrl-C.")] = False,
) -> None:
    """Plausible metrics with no stream and no model, to try database, board and dashboards.

    An earlier dummy run of the same name is replaced; a run of a stream is never touched. Event time is that of the
    last days, the clock time at which it "happened" the last 15 minutes.
    """
    import time

    from local.dummy import run as stage

    now = round(time.time() * 1_000)
    made = stage.plan(run, days=days, sizes=sizes, seed=seed, live=live, now=now)
    stop = stopping() if live else threading.Event()
    stage.write(servers.database_url(), made, stop, say)
    if live:
        leave()


def grafana(
    grafana_port: Annotated[
        int, option("grafana-port", "Where it listens, on 127.0.0.1.", min=1, max=65_535)
    ] = 3000,
    board_url: Annotated[str, option("board-url", "The board, as a browser reaches it.")] = "http://localhost:8000",
) -> None:
    """Start the Grafana that is installed here, with our dashboards, until Ctrl-C."""
    from local.grafana import run

    servers.check_database_url()
    run(os.environ, stopping(patience_s=30), say, port=grafana_port, board=board_url)  # it waits for its servers
    leave()
