"""`driftline produce`, `consume`, `monitor`, `board`: the stages, each until it is done or stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import structlog

from cli import checks, chosen, listing, output, servers
from cli.options import (
    DEFAULT_MODEL,
    MODELS,
    Files,
    Kind,
    MetricsHost,
    MetricsPort,
    ModelDir,
    Month,
    Prefix,
    Run,
    Scenario,
    Seed,
    Synthetic,
    TaxiKind,
    UntilDone,
    Volume,
    option,
)
from runtime import connections
from runtime.stopping import leave, stopping
from schemas.durations import duration_ms


def produce(
    run: Run,
    file: Files = None,
    month: Month = None,
    synthetic: Synthetic = False,
    kind: Kind = TaxiKind.green,
    volume: Volume = 1.0,
    seed: Seed = 7,
    speed: Annotated[
        str, option("speed", "Event time per wall time, such as `600x`; or `max`.", check=checks.speed)
    ] = "600x",
    scenario: Scenario = None,
    partitions: Annotated[
        int | None, option("partitions", "Of topics that are not there yet [default: 4].", min=1, max=100_000)
    ] = None,
    topic_prefix: Prefix = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
) -> None:
    """Replay trips onto Kafka in event order. Killed or stopped, it goes on where it was."""
    from producer import stage
    from producer.pace import parse_speed
    from producer.settings import Settings
    from schemas.streams.taxi import TAXI

    kafka = connections.kafka_config(os.environ)  # before a month is downloaded in vain
    settings = Settings(
        stream=TAXI,
        run_id=run,
        source=chosen.source(file, month, synthetic, kind, volume, seed, default_month="2022-02"),
        kafka=kafka,
        speed=parse_speed(speed),
        scenario=scenario,
        partitions=partitions,
        topic_prefix=topic_prefix,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
    )
    stop = stopping()  # not while a month is downloaded, which Ctrl-C ends at once
    with listing.replay_bar(output.err) as report:
        stage.run(settings, stop, report)
    leave()


def consume(
    until_done: UntilDone = None,
    model: ModelDir = DEFAULT_MODEL,
    pane: Annotated[str, option("pane", "Smallest window, for new runs.", check=checks.sizes)] = "5m",
    lateness: Annotated[
        str, option("lateness", "Allowed lateness of trips, for new runs.", check=duration_ms)
    ] = "10m",
    outcome_lateness: Annotated[
        str, option("outcome-lateness", "Allowed lateness of outcomes.", check=duration_ms)
    ] = "2h",
    max_ahead: Annotated[
        str, option("max-ahead", "A record further ahead of its partition is a dead letter.", check=duration_ms)
    ] = "1d",
    flush_ms: Annotated[int, option("flush-ms", "Write at least so often, wall time.", min=1)] = 1_000,
    flush_rows: Annotated[int, option("flush-rows", "Write after so many records of a partition.", min=1)] = 20_000,
    topic_prefix: Prefix = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
) -> None:
    """Score trips, sort them into windows, commit rows and position together. One per partition at most."""
    stop = stopping()
    from consumer import stage
    from consumer.settings import Settings
    from schemas.streams.taxi import TAXI

    settings = Settings(
        stream=TAXI,
        model=chosen.usable_model(model),
        kafka=connections.kafka_config(os.environ),
        database_url=servers.database_url(),
        topic_prefix=topic_prefix,
        until_done=until_done,
        pane_ms=duration_ms(pane),
        lateness_ms=duration_ms(lateness),
        outcome_lateness_ms=duration_ms(outcome_lateness),
        max_ahead_ms=duration_ms(max_ahead),
        flush_ms=flush_ms,
        flush_rows=flush_rows,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
    )
    stage.run(settings, stop)
    leave()


def monitor(
    until_done: UntilDone = None,
    sizes: Annotated[
        str, option("sizes", "Window sizes, whole numbers of panes.", check=checks.sizes)
    ] = "1h,6h,1d",
    model: ModelDir = DEFAULT_MODEL,
    idle_timeout: Annotated[
        str, option("idle-timeout", "A partition silent for so long holds nothing back.", check=duration_ms)
    ] = "30s",
    topic_prefix: Prefix = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
) -> None:
    """Compare every window that closes with the reference and write its figures. Run as many as you like."""
    stop = stopping()
    structlog.get_logger().info("starting", takes="some seconds: Evidently is imported, the reference prepared")
    from monitor import stage

    watched = {"metrics_port": metrics_port, "metrics_host": metrics_host}
    stage.run(chosen.monitor_settings(model, topic_prefix, until_done, sizes, idle_timeout, **watched), stop)
    leave()


def board(
    host: Annotated[str, option("host", "Address to listen at; 0.0.0.0: all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, option("port", "Port to listen at; 0: any that is free.", min=0, max=65_535)] = 8000,
    allow_host: Annotated[
        list[str] | None, option("allow-host", "Name that browsers may call it by; may be repeated.")
    ] = None,
    model: Annotated[
        list[Path] | None, option("model", "Folder of models, or of one [default: models/artifacts].")
    ] = None,
    attended: Annotated[
        bool, option("attended", "Whoever starts the board starts the other stages.", hidden=True)
    ] = False,
) -> None:
    """The live page in a browser: drift as it happens, windows, reports, dead letters. It only reads."""
    url = servers.database_url()
    from board import stage
    from board.settings import Settings
    from cli.database import prepare
    from schemas.streams.taxi import TAXI

    if not os.environ.get("DATABASE_URL"):
        prepare(url)
    settings = Settings(
        stream=TAXI,
        database_url=url,
        host=host,
        port=port,
        allow_hosts=tuple(allow_host or ()),
        models=tuple(map(chosen.model, model or (MODELS,))),
        attended=attended,
    )
    stopping()
    stage.run(settings, lambda address: output.console.print(address, highlight=False, soft_wrap=True))
    leave()
