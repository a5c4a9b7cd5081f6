"""The command line: choose a stage, print what the operator can mend, exit 0, 1 or 2."""

from __future__ import annotations

from runtime import interrupts

# isort: split
import os
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer
from rich.console import Console

from cli import checks, exits, listing
from cli.checks import checked
from runtime import connections
from runtime.invocation import pasteable, program
from runtime.stopping import leave, stopping
from schemas.durations import duration_ms, moment_ms, sizes_ms
from schemas.errors import DriftlineError, ModelUnusable, UsageError
from schemas.text import printable_event

MODEL = connections.ROOT / "models" / "artifacts" / "default"
"""Where `train` writes and the others look, unless told otherwise."""

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DO_NOT_TRACK": "1"}
"""On shared cores more threads make scikit-learn a hundred times slower; Evidently is to tell nobody anything."""

app = typer.Typer(
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
stack_app = typer.Typer(help="The embedded Kafka and Postgres of this checkout.", no_args_is_help=True)
app.add_typer(stack_app, name="stack")


class TaxiKind(StrEnum):
    """Of `--kind`."""

    green = "green"
    yellow = "yellow"


class ModelKind(StrEnum):
    """Of `train --model`."""

    default = "default"
    tutorial = "tutorial"


def option(name: str, help: str, *, check: Callable[[Any], object] | None = None, **more: Any) -> Any:
    """An option `--name` whose environment variable is DRIFTLINE_NAME. check: as in `cli.checks.checked`."""
    if check is not None:
        more["callback"] = checked(check)
    return typer.Option(f"--{name}", help=help, envvar=f"DRIFTLINE_{name.upper().replace('-', '_')}", **more)


Scenario = Annotated[
    str | None, option("scenario", "TOML file, or the name of a shipped one: miles-to-km.", check=checks.scenario)
]
Run = Annotated[str, option("run", "Name of the run.")]
KnownRun = Annotated[str | None, option("run", "Name of the run [default: the only one there is].")]
Files = Annotated[
    list[Path] | None,
    option("file", "TLC parquet file, green or yellow; may be repeated.", check=checks.input_files),
]
Month = Annotated[str | None, option("month", "Month to download from TLC, such as 2022-02.", check=checks.month)]
Synthetic = Annotated[bool, option("synthetic", "Synthetic trips, calibrated on real ones; no network.")]
Kind = Annotated[TaxiKind, option("kind", "Of the month: which taxis.")]
Volume = Annotated[
    float,
    option("volume", "Of synthetic trips: 1 is the real number, 100 a hundred times it.", check=checks.positive),
]
Seed = Annotated[int, option("seed", "Of synthetic trips.", min=0)]
Prefix = Annotated[str, option("topic-prefix", "Before the name of every topic and of the consumer group.")]
ModelDir = Annotated[Path, option("model", "The model: a folder, a name or a hash (`driftline models`).")]
RunModel = Annotated[
    Path | None,
    option("model", "The model: a folder, a name or a hash [default: the one that scored the run]."),
]
Size = Annotated[str, option("size", "Window size, such as 1h.", check=duration_ms)]
WindowStart = Annotated[str, option("window", "Start of the window, such as 2022-02-14T06:00.", check=moment_ms)]
MetricsPort = Annotated[
    int | None,
    option(
        "metrics-port", "Serve /metrics and /healthz here; 0: any free port [default: nowhere].", min=0, max=65_535
    ),
]
MetricsHost = Annotated[str, option("metrics-host", "Address that the metrics are served at.")]
Yes = Annotated[bool, option("yes", "Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
UntilDone = Annotated[str | None, option("until-done", "End once this run is replayed and all of it is final.")]

STACK_FIELDS = ("name", "address", "trouble", "kept", "pid", "restarts", "log")
CHECK_FIELDS = ("name", "state", "detail", "do")
RUN_FIELDS = ("run_id", "source", "started_at", "watermark", "rows", "late", "future", "invalid", "lag", "windows")
WINDOW_FIELDS = (
    *("stream", "size", "window_start", "status", "rows", "columns_drifted", "dataset_drift"),
    *("worst_column", "worst_severity", "mae"),
)
DEAD_LETTER_FIELDS = ("written_at", "run_id", "place", "reason", "detail", "record")
MODEL_FIELDS = ("model", "name", "kind", "source", "rows", "mae", "scored")
"""What a table shows; JSON has everything."""

DRIFTED = 3
"""Exit code of `windows --fail-on`: not 1, which a script must not take for drift when the database is away."""

FIRST_STEPS = """\
Driftline watches a stream of scored events drift. All of it in two minutes:

  {program} demo

Step by step:

  {program} stack up               Kafka and Postgres; or name yours: KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL
  {program} train                  a model, and the reference that windows are compared with
  {program} consume &              scores trips, sorts them into windows
  {program} monitor &              compares every window with the reference
  {program} board &                the live page, http://127.0.0.1:8000
  {program} produce --run NAME     replays a month
  {program} windows --run NAME     what came of it

`{program} doctor` says what is missing, `{program} --help` lists all commands."""


@app.callback()
def begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Watch a stream of scored events drift: producer, consumer, monitor. Begin with `driftline demo`."""
    if version:
        from importlib.metadata import version as installed

        console.print(f"driftline {installed('driftline-app')}", highlight=False)
        raise typer.Exit
    if context.invoked_subcommand is None:
        console.print(FIRST_STEPS.format(program=program()), markup=False, highlight=False, soft_wrap=True)


class Reason(StrEnum):
    """Of `dead-letters --reason`."""

    undecodable = "undecodable"
    invalid = "invalid"
    late = "late"
    future = "future"
    model = "model"


class FailOn(StrEnum):
    """Of `windows --fail-on`."""

    drift = "drift"
    dataset = "dataset"


console = exits.Output() if sys.stdout.isatty() else exits.Output(width=160)
err = Console(stderr=True)


def say(text: str) -> None:
    """Progress for the operator: on stderr, so that stdout stays what was asked for."""
    err.print(pasteable(text), style="dim", markup=False, highlight=False)


def warn(text: str) -> None:
    """What the operator must not overlook, on stderr."""
    err.print(pasteable(text), style="bold yellow", markup=False, highlight=False, soft_wrap=True)


def logging() -> None:
    """Events with fields on stderr: coloured for people, `key=value` lines elsewhere."""
    people = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=True),
            structlog.processors.format_exc_info,
            printable_event,
            structlog.dev.ConsoleRenderer()
            if people
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(
            sys.stderr
        ),  # of the moment: a progress bar is in its place
    )


@app.command()
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
    _check_database_url()
    console.print("· starting Kafka, Postgres and the board", style="dim", highlight=False)
    from local.demo.plan import Wish
    from local.demo.run import run

    wish = Wish(keep, tuple(file or ()), month, synthetic, speed, scenario)
    run(wish, console)


@app.command()
def train(
    file: Files = None,
    month: Month = None,
    synthetic: Synthetic = False,
    kind: Kind = TaxiKind.green,
    volume: Volume = 1.0,
    seed: Seed = 7,
    model: Annotated[
        ModelKind, typer.Option(help="tutorial: its linear model, for comparison.")
    ] = ModelKind.default,
    out: Annotated[
        Path | None,
        option("out", "Folder of the artifact [default: models/artifacts/<model>].", check=checks.output_folder),
    ] = None,
    if_missing: Annotated[bool, option("if-missing", "Do nothing where the folder holds an artifact.")] = False,
) -> None:
    """Learn trip durations; write model, model card and reference set. Default month: 2022-01.

    Models are kept under their hash; `default` is the newest. `driftline models` lists them.
    """
    from models.names import ARTIFACTS, CARD, card_of, follow

    name = out or ARTIFACTS / model.value
    earlier = follow(name)
    if if_missing and (earlier / CARD).exists():
        say(f"{name} holds a model already")
        return
    from models.taxi import train as learning
    from producer.sources.selection import sample

    source = _source(file, month, synthetic, kind, volume, seed, default_month="2022-01", or_synthetic=False)
    say(f"training on {source.name}")
    before = card_of(earlier)
    made = learning.train(
        sample(source),
        kind=model.value,
        out=name,
        source=source.name,
        period=source.period,
        by_hash=name.absolute().parent == ARTIFACTS,
    )
    listing.show_card(console, made.card, name)
    if before and before.hash != made.hash:
        say(f"before it was {before.hash[:12]}, of {before.source}; kept in {name.with_name(before.hash)}")


@app.command()
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
    from producer import __main__ as stage
    from producer.pace import parse_speed
    from producer.settings import Settings

    kafka = connections.kafka_config(os.environ)  # before a month is downloaded in vain
    settings = Settings(
        run_id=run,
        source=_source(file, month, synthetic, kind, volume, seed, default_month="2022-02"),
        kafka=kafka,
        speed=parse_speed(speed),
        scenario=scenario,
        partitions=partitions,
        topic_prefix=topic_prefix,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
    )
    stop = stopping()  # not while a month is downloaded, which Ctrl-C ends at once
    with listing.replay_bar(err) as report:
        stage.run(settings, stop, report)
    leave()


@app.command()
def consume(
    until_done: UntilDone = None,
    model: ModelDir = MODEL,
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

    settings = Settings(
        model=_usable(model),
        kafka=connections.kafka_config(os.environ),
        database_url=_database_url(),
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


@app.command()
def monitor(
    until_done: UntilDone = None,
    sizes: Annotated[
        str, option("sizes", "Window sizes, whole numbers of panes.", check=checks.sizes)
    ] = "1h,6h,1d",
    model: ModelDir = MODEL,
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
    from monitor import __main__ as stage

    watched = {"metrics_port": metrics_port, "metrics_host": metrics_host}
    stage.run(_monitor_settings(model, topic_prefix, until_done, sizes, idle_timeout, **watched), stop)
    leave()


def _monitor_settings(
    model: Path,
    prefix: str = "",
    until_done: str | None = None,
    sizes: str = "1h",
    idle_timeout: str = "30s",
    **more: Any,
) -> Any:
    from monitor.settings import Settings

    return Settings(
        model=_usable(model),
        kafka=connections.kafka_config(os.environ),
        database_url=_database_url(),
        topic_prefix=prefix,
        sizes=sizes_ms(sizes, 1_000),
        until_done=until_done,
        idle_timeout_s=duration_ms(idle_timeout) / 1_000,
        **more,
    )


def _source(
    file: list[Path] | None,
    month: str | None,
    synthetic: bool,
    kind: TaxiKind,
    volume: float,
    seed: int,
    default_month: str,
    or_synthetic: bool = True,
) -> Any:
    """The trips that the options name; says where they come from when nothing was named."""
    from producer.sources.selection import choose

    found = choose(
        files=tuple(file or ()),
        month=month,
        synthetic=synthetic,
        kind=kind.value,
        default_month=default_month,
        or_synthetic=or_synthetic,
        seed=seed,
        volume=volume,
        progress=listing.download_bar(err),
        say=say,
    )
    if found.note:
        warn(found.note)
    return found


@stack_app.command("up")
def stack_up() -> None:
    """Start Kafka and Postgres and keep them until `stack down`."""
    from local import stack

    stack.up(say=say)
    for server in stack.status():
        console.print(
            f"{server.name.capitalize():9} {stack.shown(server).address}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    say("the password is in the passfile; `driftline stack status --show-password` prints it")


@stack_app.command("down")
def stack_down() -> None:
    """Stop Kafka and Postgres; their data stay."""
    from local import stack

    stopped = stack.down()
    console.print(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")


@stack_app.command("status")
def stack_status(
    as_json: Json = False,
    show_password: Annotated[bool, option("show-password", "Print the database URL with its password.")] = False,
) -> None:
    """Addresses of Kafka and Postgres, and whether they answer. Exit code 1 when one does not.

    The database URL names a file with the password, which only its owner reads: libpq's programs take it as it is.
    """
    from local import stack

    found = stack.status()
    if not show_password:
        found = list(map(stack.shown, found))
    listing.show(console, found, as_json=as_json, fields=STACK_FIELDS)
    if not all(not server.trouble for server in found):
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Bring tables and roles up to date. A role with a password (DRIFTLINE_READER_PASSWORD …) gets a login."""
    from cli.database import prepare

    applied = prepare(_database_url(), os.environ)
    done = ", ".join(map(str, applied))
    console.print(f"applied migrations {done}" if applied else "tables and roles are up to date", highlight=False)


@app.command()
def backup(
    out: Annotated[
        Path | None, option("out", "File [default: below .driftline/backups].", check=checks.output_file)
    ] = None,
) -> None:
    """Save all runs, positions and results in one file (pg_dump's custom format), as of one moment.

    The stages may go on meanwhile. The file is there once it is whole, for its owner alone: it holds records.
    """
    from cli.backup import backup as save

    console.print(save(_database_url(), out), highlight=False, soft_wrap=True)


@app.command()
def restore(
    file: Annotated[
        Path,
        typer.Argument(
            help="A file that `driftline backup` wrote, and that you trust.", callback=checked(checks.input_file)
        ),
    ],
    yes: Annotated[bool, option("yes", "Replace the runs that are there.")] = False,
) -> None:
    """Put a backup in the place of what is there: all of it, or nothing where something fails.

    Stop consumers and monitors before, and start them after. Positions are part of the backup, so consumers go back
    to where they were then and read the log from there once more: rows, windows and figures come out as if nothing
    had happened, as long as Kafka still holds the records from there on.
    """
    from cli.restore import restore as put_back

    done = put_back(_database_url(), file, replace=yes, say=say)
    console.print(f"restored, runs: {done.runs:,}", highlight=False)
    if done.migrations:
        say(f"brought up to date by migrations {', '.join(map(str, done.migrations))}")
    if done.active:
        say(f"start again, since they remember what is no more: {', '.join(done.active)}")


@app.command()
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
    stage.write(_database_url(), made, stop, say)
    if live:
        leave()


@app.command()
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
    url = _database_url()
    from board import __main__ as stage
    from board.settings import Settings
    from cli.database import prepare

    if not os.environ.get("DATABASE_URL"):
        prepare(url)
    settings = Settings(
        database_url=url,
        host=host,
        port=port,
        allow_hosts=tuple(allow_host or ()),
        models=tuple(map(_model, model or (MODEL.parent,))),
        attended=attended,
    )
    stopping()
    stage.run(settings, lambda address: console.print(address, highlight=False, soft_wrap=True))
    leave()


runs_app = typer.Typer(help="All runs, newest first; `runs rm` removes some.", invoke_without_command=True)
app.add_typer(runs_app, name="runs")
models_app = typer.Typer(
    help="All models and the runs that they scored; `models rm` removes some.", invoke_without_command=True
)
app.add_typer(models_app, name="models")


@runs_app.callback()
def runs(context: typer.Context, as_json: Json = False) -> None:
    """All runs, newest first. Rows are those of trips and of outcomes. `runs rm` removes some."""
    if context.invoked_subcommand:
        return
    from storage import read

    with _database() as connection:
        found = read.runs(connection)
    listing.show(console, found, as_json=as_json, empty="no runs yet: `driftline demo`", fields=RUN_FIELDS)


@runs_app.command("rm")
def runs_rm(
    run: Annotated[list[str], typer.Argument(help="Names of runs.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove runs with all rows, windows, dead letters and alarms: all of them, or none where one cannot be.

    A run to which anything was written within a minute is refused. Records stay in Kafka and are not read again,
    since positions stay where they are: to have them again, replay them under another --run.
    """
    from cli.removal import holdings, remove_runs

    with _database() as connection:
        found = holdings(connection, run)
        for each in found:
            holds = f"{each.rows:,} rows, {each.windows:,} windows, {each.dead_letters:,} dead letters"
            say(f"run {each.run_id}: {holds}")
        if not yes:
            _confirm("Remove for good?")
        remove_runs(connection, run)
    listing.show(console, found, as_json=as_json)
    say("removed; their records stay in Kafka and are not read again: replay them under another --run")


@models_app.callback()
def models(context: typer.Context, as_json: Json = False) -> None:
    """All models: what they learnt from, how far off they are, which runs they scored. `models rm` removes some."""
    if context.invoked_subcommand:
        return
    from cli import removal

    found = removal.models(MODEL.parent, _scored())
    listing.show(console, found, as_json=as_json, empty="no models yet: `driftline train`", fields=MODEL_FIELDS)


@models_app.command("rm")
def models_rm(
    model: Annotated[list[str], typer.Argument(help="Hashes, or how they begin; or names.")],
    force: Annotated[bool, option("force", "Also one with a name, and one that scored runs.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove models. One with a name (`default`), or that scored runs which are still there, only with --force."""
    from cli import removal

    scored = _scored()
    chosen = removal.removable(model, MODEL.parent, scored, force=force)
    for artifact in chosen:
        say(f"model {artifact.hash[:12]} of {artifact.card.source}: {artifact.path}")
    if not yes:
        _confirm("Remove for good?")
    removal.remove_models(chosen)
    listing.show(console, [removal.row(a, scored) for a in chosen], as_json=as_json, fields=MODEL_FIELDS)


def _scored() -> dict[str, list[str]] | None:
    """Runs by the hash of their model; None, and a word about it, where no database answers."""
    from cli.removal import runs_of_models

    try:
        with _database() as connection:
            return runs_of_models(connection)
    except DriftlineError as error:
        say(f"which runs they scored is not known: {error}")
        return None


def _confirm(question: str) -> None:
    """Raises UsageError where nobody can answer; ends the command where the answer is no."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", "add --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


@app.command()
def windows(
    run: KnownRun = None,
    size: Annotated[str | None, option("size", "Only this window size, such as 1h.", check=duration_ms)] = None,
    newest: Annotated[int | None, option("newest", "Only so many of the newest of each size.", min=1)] = None,
    fail_on: Annotated[
        FailOn | None,
        option(
            "fail-on",
            "Exit with 3 if a listed window has closed and any of its columns has drifted (drift), or it has as a "
            "whole (dataset).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """The windows of a run, newest first. For scripts: `--size 1h --newest 1 --fail-on drift`."""
    from cli.windows import drifted, latest
    from monitor.drift.figures import Config
    from storage import read

    with _database() as connection:
        name = read.known(connection, run).run_id
        found = read.windows(connection, name, None if size is None else duration_ms(size) // 1_000)
        sizes = read.sizes(connection, name) if size and not found else []
        small = read.shortages(connection, name, Config().min_rows)
    empty = f"no windows of {size}: run {name} has {', '.join(sizes)}" if sizes else f"no windows of run {name} yet"
    if fail_on is not None and sizes:
        raise UsageError(empty, "choose one of them with --size")
    listed = latest(found, newest, closed=fail_on is not None)
    listing.show(console, listed, as_json=as_json, empty=empty, fields=WINDOW_FIELDS)
    for shortage in small:
        if size is None or shortage.size_s * 1_000 == duration_ms(size):
            say(shortage.told(Config().min_rows))
    if fail_on is not None and drifted(listed, dataset=fail_on is FailOn.dataset):
        raise typer.Exit(DRIFTED)


@app.command()
def columns(
    size: Size,
    window: WindowStart,
    run: KnownRun = None,
    drifted: Annotated[bool, option("drifted", "Only the columns that have drifted.")] = False,
    as_json: Json = False,
) -> None:
    """The columns of one window, worst first; in brackets the reference. JSON has every figure."""
    from cli import columns as figures
    from storage import read

    with _database() as connection:
        known = read.known(connection, run)
        found = read.existing(connection, known.run_id, duration_ms(size) // 1_000, moment_ms(window))
    if drifted:
        found = figures.drifted(found)
    try:
        found = figures.with_reference(found, known.model, MODEL.parent)
    except ModelUnusable as error:
        say(f"without the reference's figures: {error.what}")
    rows = found if as_json else figures.lines(found)
    listing.show(console, rows, as_json=as_json, empty="no column has drifted")


@app.command("dead-letters")
def dead_letters(
    run: Annotated[
        str | None, option("run", "Name of the run [default: all, and records in which none could be read].")
    ] = None,
    reason: Annotated[list[Reason] | None, option("reason", "Only of this reason; may be repeated.")] = None,
    limit: Annotated[int, option("limit", "Only so many of the newest.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Records that were kept aside, and why, newest first. JSON has their bytes: `jq '.[].raw | @base64d'`."""
    from storage import read

    with _database() as connection:
        found, counts = read.dead_letters(connection, run, reason or (), limit)
        if run is not None and not found:
            read.known(connection, run)
    listing.show(console, found, as_json=as_json, empty="no dead letters", fields=DEAD_LETTER_FIELDS)
    if len(found) < counts.listed:
        say(f"these are the newest {len(found):,} of {counts.listed:,}: --limit shows more")
    if run is not None and counts.of_no_run:
        say(f"{counts.of_no_run:,} more in which no run could be read: without --run they are listed, too")


@app.command()
def recompute(
    size: Size,
    window: WindowStart,
    run: KnownRun = None,
    model: RunModel = None,
    topic_prefix: Prefix = "",
    as_json: Json = False,
) -> None:
    """Read a window's trips back from Kafka and compute it again: the same numbers, or which differ and exit 1."""
    name, length, start, scorer = _window(run, size, window, model)
    from monitor.recompute.compare import recompute as compare

    found = compare(_monitor_settings(scorer, topic_prefix), name, length, start)
    listing.show(console, found, as_json=as_json, empty="the log says the same")
    if found:
        raise typer.Exit(1)


@app.command()
def report(
    size: Size,
    window: WindowStart,
    run: KnownRun = None,
    model: RunModel = None,
    out: Annotated[
        Path | None, option("out", "HTML file [default: below .driftline/reports].", check=checks.output_file)
    ] = None,
    back: Annotated[str | None, option("back", "Address of the window's page, to be linked.", hidden=True)] = None,
) -> None:
    """The full Evidently report of one window, as HTML."""
    name, length, start, scorer = _window(run, size, window, model)
    say("Evidently makes the report, which may take a minute")
    from monitor.evidently.report import report as write
    from monitor.settings import Settings

    settings = Settings(database_url=_database_url(), model=scorer)
    made = write(settings, name, length, start, out, back=back)
    console.print(made.path, highlight=False, soft_wrap=True)
    if made.left_out:
        say(f"left out, since Evidently's presets cannot take them: {', '.join(made.left_out)}")


def _window(run: str | None, size: str, window: str, named: Path | None) -> tuple[str, int, int, Path]:
    """Run, length and start of a window that a monitor has written, ms; folder of the model that scored its run.

    named: of the model, else it is the artifact that the run remembers. Comes before anything heavy is imported.
    """
    from models.lookup import with_hash
    from storage import read

    length, start = duration_ms(size), moment_ms(window)
    with _database() as connection:
        known = read.known(connection, run)
        read.existing(connection, known.run_id, length // 1_000, start)
    return known.run_id, length, start, _model(named) if named else with_hash(known.model, MODEL.parent)


def _model(named: Path) -> Path:
    from models.names import find

    return find(named)


def _usable(named: Path) -> Path:
    """The same. Raises ModelUnusable, before any server is asked, where the one that was named cannot be used."""
    from models.artifact import load

    found = _model(named)
    if named != MODEL:
        load(found)
    return found


@app.command()
def grafana(
    grafana_port: Annotated[
        int, option("grafana-port", "Where it listens, on 127.0.0.1.", min=1, max=65_535)
    ] = 3000,
    board_url: Annotated[str, option("board-url", "The board, as a browser reaches it.")] = "http://localhost:8000",
) -> None:
    """Start the Grafana that is installed here, with our dashboards, until Ctrl-C."""
    from local.grafana import run

    _check_database_url()
    run(os.environ, stopping(patience_s=30), say, port=grafana_port, board=board_url)  # it waits for its servers
    leave()


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check Java, Kafka, Postgres, model, topics, and say what to do. Exit code 1 where a stage would fail now."""
    from cli.doctor import findings

    found = list(findings(os.environ, MODEL))
    listing.show(console, found, as_json=as_json, fields=CHECK_FIELDS)
    if not all(check.ok for check in found):
        raise typer.Exit(1)


def _database_url() -> str:
    """The address of the database. Raises UsageError without one, and for what libpq cannot read."""
    _check_database_url()
    return connections.database_url(os.environ)


def _check_database_url() -> None:
    """Raises UsageError where DATABASE_URL is set to what libpq cannot read."""
    from storage.address import read

    read(os.environ.get("DATABASE_URL", "").strip())


def _database() -> Any:
    from storage.connect import connect_now

    return connect_now(_database_url())


def main() -> None:
    """Exit codes: 0 done, 1 failed (one line says what to do), 2 wrong usage, 3 drift, 130 interrupted."""
    interrupts.raise_on_interrupt()
    try:
        logging()
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        connections.forget_platform(os.environ)
        connections.forget_libpq(os.environ)
        exits.print_anything()
        _warn_of_unknown_variables()
        try:
            app()
        finally:
            interrupts.end_on_interrupt()
            exits.flush()
    except KeyboardInterrupt:
        sys.exit(interrupts.INTERRUPTED)
    except DriftlineError as error:
        _fail(error)
    except OSError as error:
        if (refused := exits.explained(error)) is None:
            raise
        _fail(refused)
    except Exception as error:
        if (lost := exits.of_database(error, os.environ)) is None:
            raise
        _fail(lost)


def _warn_of_unknown_variables() -> None:
    from cli.variables import PREFIX, unknown

    if any(name.startswith(PREFIX) for name in os.environ):
        for text in unknown(os.environ, typer.main.get_command(app)):
            warn(text)


def _fail(error: DriftlineError) -> NoReturn:
    err.print(f"driftline: {pasteable(str(error))}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2 if isinstance(error, UsageError) else 1)


if __name__ == "__main__":
    main()
