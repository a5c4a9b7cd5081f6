"""`driftline produce`, `consume`, `monitor`, `notify`, `board`: each until it is done or stopped; `scenarios`."""

from __future__ import annotations

import os
from pathlib import Path

import structlog
import typer

from cli import checks, chosen, listing, options, output, servers
from models.names import ARTIFACTS
from producer.sources.defaults import MONTH
from runtime import connections
from runtime.stopping import exit_now, stop_on_signals
from schemas.durations import duration_ms, sizes_ms
from schemas.errors import UsageError


def produce(
    run: str = options.RUN,
    file: list[Path] | None = options.FILES,
    month: str | None = options.MONTH,
    synthetic: bool = options.SYNTHETIC,
    kind: options.TaxiKind = options.KIND,
    volume: float = options.VOLUME,
    seed: int = options.SEED,
    speed: str = options.SPEED,
    scenario: str | None = options.SCENARIO,
    partitions: int | None = options.PARTITIONS,
    topic_prefix: str = options.TOPIC_PREFIX,
    metrics_port: int | None = options.METRICS_PORT,
    metrics_host: str = options.METRICS_HOST,
) -> None:
    """Replay trips to Kafka in event order. After being stopped or killed, it resumes where it was."""
    from producer import stage
    from producer.pace import parse_speed
    from producer.settings import Settings

    kafka = connections.kafka_config(os.environ)  # before a month is downloaded in vain
    settings = Settings(
        stream=chosen.stream(),
        run_id=run,
        source=chosen.source(file, month, synthetic, kind, volume, seed, default_month=MONTH),
        kafka=kafka,
        speed=parse_speed(speed),
        scenario=scenario,
        partitions=partitions,
        topic_prefix=topic_prefix,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
    )
    stop = stop_on_signals()  # not while a month is downloaded, which Ctrl-C ends at once
    with listing.replay_bar(output.err) as report:
        stage.run(settings, stop, report)
    exit_now()


def scenarios(as_json: bool = options.JSON) -> None:
    """List the drift scenarios that `produce` and `demo` can inject; docs/scenarios.md says how to write one."""
    from producer import scenarios as known

    found = known.summaries(chosen.stream())
    listing.show(output.console, found, as_json=as_json, fields=("name", "course", "description"))


def consume(
    until_done: str | None = options.UNTIL_DONE,
    model: Path = options.MODEL,
    pane: str | None = options.PANE,
    lateness: str | None = options.LATENESS,
    outcome_lateness: str | None = options.OUTCOME_LATENESS,
    max_ahead: str | None = options.MAX_AHEAD,
    flush_ms: int = options.FLUSH_MS,
    flush_rows: int = options.FLUSH_ROWS,
    topic_prefix: str = options.TOPIC_PREFIX,
    metrics_port: int | None = options.METRICS_PORT,
    metrics_host: str = options.METRICS_HOST,
) -> None:
    """Score events, assign them to windows, commit rows and offsets together. Run one per partition at most."""
    stop = stop_on_signals()
    from consumer import stage
    from consumer.settings import Settings

    settings = Settings(
        stream=chosen.stream(),
        model=chosen.usable_model(model),
        scorers=chosen.scorers(),
        kafka=connections.kafka_config(os.environ),
        database_url=servers.database_url(),
        topic_prefix=topic_prefix,
        until_done=until_done,
        run_config=chosen.run_config(
            pane_ms=pane, lateness_ms=lateness, label_lateness_ms=outcome_lateness, max_ahead_ms=max_ahead
        ),
        flush_ms=flush_ms,
        flush_rows=flush_rows,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
    )
    stage.run(settings, stop)
    exit_now()


def monitor(
    until_done: str | None = options.UNTIL_DONE,
    sizes: str = options.SIZES,
    model: Path = options.MODEL,
    idle_timeout: str = options.IDLE_TIMEOUT,
    promise: str = options.PROMISE,
    holidays: str | None = options.HOLIDAYS,
    segments: bool = options.SEGMENTS,
    topic_prefix: str = options.TOPIC_PREFIX,
    metrics_port: int | None = options.METRICS_PORT,
    metrics_host: str = options.METRICS_HOST,
) -> None:
    """Compare every window that closes with the reference and write its metrics. Run as many as you like."""
    stop = stop_on_signals()
    structlog.get_logger().info("starting", takes="some seconds: Evidently is imported, the reference prepared")
    from monitor import stage
    from monitor.verdict.promise import parse_rate

    settings = chosen.monitor_settings(
        chosen.usable_model(model),
        needs_kafka=False,
        topic_prefix=topic_prefix,
        until_done=until_done,
        sizes=sizes_ms(sizes, 1_000),
        idle_timeout_s=duration_ms(idle_timeout) / 1_000,
        promise=None if promise == checks.NO_PROMISE else parse_rate(promise),
        holidays=holidays or "",
        segments=segments,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
    )
    stage.run(settings, stop)
    exit_now()


def notify(
    context: typer.Context,
    notify: list[str] | None = options.NOTIFY,
    alertmanager: list[str] | None = options.ALERTMANAGER,
    remind_every: str = options.REMIND_EVERY,
    board_url: str = options.BOARD_URL,
    test: bool = options.TEST,
    metrics_port: int | None = options.METRICS_PORT,
    metrics_host: str = options.METRICS_HOST,
) -> None:
    """Tell people of alarms: when they fire, recover or are withdrawn. Run a second one, and it takes over."""
    from notifier import stage
    from notifier.addresses import parse
    from notifier.settings import Settings

    if not (notify or alertmanager):
        raise UsageError("nobody is to be told of alarms", "name somebody with --notify or --alertmanager")
    settings = Settings(
        database_url="" if test else servers.database_url(),
        notify=tuple(parse(text, os.environ) for text in notify or ()),
        alertmanager=tuple(parse(text, os.environ) for text in alertmanager or ()),
        remind_s=None if remind_every == checks.NEVER else duration_ms(remind_every) / 1_000,
        board_url=board_url,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
    )
    given = [context.get_parameter_source(name) for name in ("notify", "alertmanager")]
    written = [source is not None and source.name == "COMMANDLINE" for source in given]
    targets = stage.open_targets(settings, from_command_line=(written[0], written[1]))
    if test:
        stage.test(targets, lambda line: output.console.print(line, markup=False, highlight=False, soft_wrap=True))
        return
    stop = stop_on_signals()
    stage.run(settings, stop, targets)
    exit_now()


def board(
    host: str = options.HOST,
    port: int = options.PORT,
    allow_host: list[str] | None = options.ALLOW_HOST,
    model: list[Path] | None = options.MODEL_FOLDERS,
    attended: bool = options.ATTENDED,
) -> None:
    """Serve the live page: drift as it happens, windows, reports, dead letters. It only reads."""
    url = servers.database_url()
    from board import stage
    from board.settings import Settings
    from storage.prepare import prepare

    if not os.environ.get("DATABASE_URL"):
        prepare(url)
    settings = Settings(
        stream=chosen.stream(),
        database_url=url,
        host=host,
        port=port,
        allow_hosts=tuple(allow_host or ()),
        models=tuple(map(chosen.model, model or (ARTIFACTS,))),
        attended=attended,
    )
    stop_on_signals()
    stage.run(settings, lambda address: output.console.print(address, highlight=False, soft_wrap=True))
    exit_now()
