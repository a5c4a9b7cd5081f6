"""Every option of every command: name, default, help and environment variable.

One variable means one thing: where an option means different things in different commands, each command has its own
variable. A stage's defaults are those of its settings. Options that destroy something have no variable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import typer

from board.settings import Settings as BoardSettings
from cli import checks, output
from cli.streams import DEFAULT_STREAM
from consumer.settings import Settings as ConsumerSettings
from local.settings import DemoSettings, DummySettings, GrafanaSettings
from models.names import DEFAULT
from monitor.settings import Settings as MonitorSettings
from producer.settings import Settings as ProducerSettings
from producer.sources import defaults as replay
from schemas.durations import duration_ms, duration_text, moment_ms
from schemas.topics import PARTITIONS as PARTITION_COUNT

PREFIX = "DRIFTLINE_"


class TaxiKind(StrEnum):
    """Values of `--kind`."""

    green = "green"
    yellow = "yellow"


class ModelKind(StrEnum):
    """Values of `train --model`."""

    default = "default"
    tutorial = "tutorial"


class Reason(StrEnum):
    """Values of `dead-letters --reason`."""

    undecodable = "undecodable"
    invalid = "invalid"
    late = "late"
    future = "future"
    model = "model"
    stream = "stream"


class FailOn(StrEnum):
    """Values of `windows --fail-on`."""

    drift = "drift"
    dataset = "dataset"


class AlarmState(StrEnum):
    """Values of `alarms --state`."""

    pending = "pending"
    firing = "firing"
    recovered = "recovered"
    withdrawn = "withdrawn"


class FailOnAlarm(StrEnum):
    """Values of `alarms --fail-on`."""

    firing = "firing"


class Verdict(StrEnum):
    """Values of `alarms ack --as`."""

    false = "false"
    known = "known"
    real = "real"


class Track(StrEnum):
    """Values of `silence add --track`."""

    change = "change"
    segments = "segments"
    ageing = "ageing"
    harm = "harm"


def variable(name: str, command: str = "") -> str:
    """The environment variable of option `--name`: DRIFTLINE_NAME, or DRIFTLINE_COMMAND_NAME of one command."""
    return PREFIX + "_".join(filter(None, (command, name))).upper().replace("-", "_")


def option(
    name: str,
    default: Any,
    help: str,
    *,
    check: Callable[[Any], object] | None = None,
    command: str = "",
    from_environment: bool = True,
    formerly_shared: bool = True,
    **more: Any,
) -> Any:
    """Define option `--name`.

    Args:
        name: Without dashes.
        default: Of the option; `...` if it is required.
        help: For `--help` and the table of variables.
        check: Raises a DriftlineError for an invalid value.
        command: The only command that reads the variable, where the option means something else in others.
        from_environment: Whether there is a variable at all.
        formerly_shared: Whether the variable without the command set this option before, and still sets another.
        more: For `typer.Option`. show_default: Describes the default, where it is None.
    """
    if from_environment:
        more["envvar"] = variable(name, command)
    if check or command:
        more["callback"] = _callback(check, variable(name) if command and formerly_shared else "")
    return typer.Option(default, f"--{name}", help=help, **more)


def _callback(check: Callable[[Any], object] | None, formerly: str) -> Callable[..., Any]:
    """Check a value as it is parsed.

    formerly: The variable that set the option before it got one of its own.
    """

    def callback(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
        source = context.get_parameter_source(parameter.name or "")
        if formerly and source and source.name == "DEFAULT" and os.environ.get(formerly):
            output.warn(
                f"{formerly} no longer sets {parameter.opts[0]} of `driftline {context.info_name}`: "
                f"{parameter.envvar} does"
            )
        return value if check is None else checks.checked(check)(value)

    return callback


def _defaults(settings: Any) -> dict[str, Any]:
    """The defaults of a stage's settings, by name."""
    return dict(zip(reversed(settings.__struct_fields__), reversed(settings.__struct_defaults__), strict=False))


def _durations(ms: Iterable[int]) -> str:
    return ",".join(map(duration_text, ms))


_consumer, _monitor, _board = map(_defaults, (ConsumerSettings, MonitorSettings, BoardSettings))
_TERMS = DEFAULT_STREAM.terms

# Of several commands
RUN = option("run", ..., "Name of the run.")
KNOWN_RUN = option("run", None, "Name of the run.", show_default="the only run")
SEGMENT = option(
    "segment",
    "",
    "One segment of the stream, NAME=VALUE, in windows of 6h or more.",
    show_default="all of it",
)
ANY_RUN = option("run", None, "Name of the run.", show_default="all, and records whose run could not be read")
UNTIL_DONE = option("until-done", None, "Exit once this run has been replayed and all its windows are final.")
TOPIC_PREFIX = option(
    "topic-prefix", "", "Prefix of topic names and of the consumer group.", check=checks.topic_prefix
)
_MODEL_HELP = "Model to use: a folder, a name or a hash (`driftline models`)."
MODEL = option("model", DEFAULT, _MODEL_HELP, show_default=DEFAULT.name)
RUN_MODEL = option(
    "model",
    None,
    _MODEL_HELP,
    show_default="the one that the run was compared with",
    from_environment=False,
)
METRICS_PORT = option(
    "metrics-port",
    _consumer["metrics_port"],
    "Port for /metrics and /healthz; 0 picks a free one.",
    show_default="off",
    min=0,
    max=65_535,
)
METRICS_HOST = option("metrics-host", _consumer["metrics_host"], "Address to serve metrics on.")
SIZES = option(
    "sizes", _durations(_monitor["sizes"]), "Window sizes, each a multiple of the pane.", check=checks.sizes
)
JSON = option("json", False, "Print JSON.", from_environment=False)
YES = option("yes", False, "Skip the confirmation.", from_environment=False)

# What is replayed, and what is trained on
FILES = option("file", None, "TLC parquet file, green or yellow; may be repeated.", check=checks.input_files)
MONTH = option(
    "month",
    None,
    "Month to download from TLC, such as 2022-02; with --synthetic, the month to generate.",
    check=checks.month,
    show_default=f"{replay.MONTH}, if it can be downloaded",
)
TRAINING_FILES = option(
    "file", None, "TLC parquet file, green or yellow; may be repeated.", check=checks.input_files, command="train"
)
TRAINING_MONTH = option(
    "month",
    None,
    "Month to download from TLC and train on; with --synthetic, the month to generate.",
    check=checks.month,
    command="train",
    show_default=replay.TRAINING_MONTH,
)
SYNTHETIC = option("synthetic", False, "Use synthetic trips, calibrated on real ones; needs no network.")
KIND = option("kind", TaxiKind(replay.KIND), "Type of taxi to download.")
VOLUME = option(
    "volume",
    replay.VOLUME,
    "Number of synthetic trips: 1 is as many as there really were, 100 a hundred times as many.",
    check=checks.positive,
)
SEED = option("seed", replay.SEED, "Seed of the synthetic trips.", min=0)
_SCENARIO_HELP = "Drift to inject: a TOML file, or a name that `driftline scenarios` lists."
SCENARIO = option("scenario", ProducerSettings.scenario, _SCENARIO_HELP, check=checks.scenario)

# train
MODEL_KIND = option(
    "model",
    ModelKind.default,
    "Kind of model; `tutorial` is a linear one, for comparison.",
    command="train",
    formerly_shared=False,
)
MODEL_OUT = option(
    "out",
    None,
    "Folder to write the model to.",
    check=checks.output_folder,
    command="train",
    formerly_shared=False,
    show_default="models/artifacts/<model>",
)
IF_MISSING = option("if-missing", False, "Do nothing if the folder holds a model already.")

# produce
SPEED = option(
    "speed",
    f"{ProducerSettings.speed:g}x",
    "Event time per wall time, such as `600x`, or `max`.",
    check=checks.speed,
)
PARTITIONS = option(
    "partitions",
    ProducerSettings.partitions,
    "Number of partitions of topics that do not exist yet.",
    show_default=str(PARTITION_COUNT),
    min=1,
    max=100_000,
)

# consume
PANE = option(
    "pane",
    None,
    "Smallest window, for new runs.",
    check=checks.sizes,
    show_default=duration_text(_TERMS.pane_ms),
)
LATENESS = option(
    "lateness",
    None,
    "Allowed lateness of events, for new runs.",
    check=duration_ms,
    show_default=duration_text(_TERMS.lateness_ms),
)
OUTCOME_LATENESS = option(
    "outcome-lateness",
    None,
    "Allowed lateness of labels, for new runs.",
    check=duration_ms,
    show_default=duration_text(_TERMS.label_lateness_ms),
)
MAX_AHEAD = option(
    "max-ahead",
    None,
    "Records further ahead of their partition become dead letters, for new runs.",
    check=duration_ms,
    show_default=duration_text(_TERMS.max_ahead_ms),
)
FLUSH_MS = option("flush-ms", _consumer["flush_ms"], "Commit at least this often, in ms of wall time.", min=1)
FLUSH_ROWS = option("flush-rows", _consumer["flush_rows"], "Commit after this many records of a partition.", min=1)

# monitor
IDLE_TIMEOUT = option(
    "idle-timeout",
    duration_text(round(_monitor["idle_timeout_s"] * 1_000)),
    "Stop waiting for a partition after this much silence.",
    check=duration_ms,
)
PROMISE = option(
    "promise",
    "1/month",
    "Watch runs for alarms, accepting this many false ones; none: do not watch. A run keeps its first promise.",
    check=checks.promise,
)
HOLIDAYS = option(
    "holidays",
    None,
    "Calendar of holidays, such as US-NY, for runs not watched yet: these days add no evidence, and are not calm.",
    check=checks.holidays,
    show_default="none",
)

SEGMENTS = option(
    "segments",
    False,
    "Watch the segments of the stream as well, in runs not watched yet; all monitors of a run alike.",
)

# board
HOST = option("host", _board["host"], "Address to listen on; 0.0.0.0 is every address of this machine.")
PORT = option("port", _board["port"], "Port to listen on; 0 picks a free one.", min=0, max=65_535)
ALLOW_HOST = option("allow-host", None, "Host name under which browsers may open it; may be repeated.")
MODEL_FOLDERS = option(
    "model",
    None,
    "Folder of models, or of a single one; may be repeated.",
    command="board",
    show_default="models/artifacts",
)
ATTENDED = option(
    "attended",
    False,
    "The other stages are started by whoever starts the board.",
    from_environment=False,
    hidden=True,
)

# notify
NOTIFY = option(
    "notify",
    None,
    "Whom to tell of alarms: `[[STREAM:]TRACK,...=]URL`, with a URL of apprise; may be repeated. $NAME in it is "
    "the value of variable NAME.",
    check=checks.addresses,
)
ALERTMANAGER = option(
    "alertmanager",
    None,
    "Alertmanager to tell of alarms: `[[STREAM:]TRACK,...=]http://HOST:9093`; may be repeated.",
    check=checks.addresses,
)
REMIND_EVERY = option(
    "remind-every", "1d", "Remind of an alarm that still fires after so long; or never.", check=checks.reminder
)
TEST = option("test", False, "Send a test message to each target, and exit.", from_environment=False)

# runs, models, windows, columns, dead-letters, report
FORCE = option("force", False, "Remove named models and those that runs use, too.", from_environment=False)
SIZE = option("size", ..., "Window size, such as 1h.", check=duration_ms)
ANY_SIZE = option("size", None, "Window size, such as 1h.", check=duration_ms, show_default="all")
WINDOW = option("window", ..., "Start of the window, such as 2022-02-14T06:00.", check=moment_ms)
NEWEST = option("newest", None, "List only this many of the newest windows of each size.", min=1)
FAIL_ON = option(
    "fail-on",
    None,
    "Exit with 3 if, in a listed window that has closed, any column (drift) or the whole dataset of events "
    "(dataset) has drifted; with 1 if no listed window has a verdict.",
)
DRIFTED = option("drifted", False, "List only the columns that have drifted.")
REASON = option("reason", None, "List only those with this reason; may be repeated.")
LIMIT = option("limit", 20, "List at most this many, newest first.", min=1)
REPORT_OUT = option(
    "out",
    None,
    "HTML file to write.",
    check=checks.output_file,
    command="report",
    formerly_shared=False,
    show_default="a file in .driftline/reports",
)
COLUMNS = option("column", None, "Columns to show.", command="compare", formerly_shared=False)
CSV = option(
    "csv",
    None,
    "CSV file to write, with every figure and distribution.",
    check=checks.output_file,
    command="compare",
    from_environment=False,
)
BACK = option("back", None, "Address of the window's page, for a link.", from_environment=False, hidden=True)

# alarms, silence, weeks, calibrate: nobody decides by a variable
ALL_RUNS = option("run", None, "Name of the run.", show_default="all")
STATE = option(
    "state",
    None,
    "List only alarms in this state; may be repeated.",
    command="alarms",
    formerly_shared=False,
    show_default="all",
)
FAIL_ON_ALARM = option(
    "fail-on",
    None,
    "Exit with 3 if an alarm, listed or not, fires and is not silenced; with 1 if there is no evidence.",
    command="alarms",
    formerly_shared=False,
)
VERDICT = option(
    "as",
    ...,
    "What it was: `false`; `known`, such as a holiday; or `real`.",
    from_environment=False,
)
NOTE = option("note", "", "Why.", from_environment=False)
AUTHOR = option("author", None, "Name of the person who decides.", show_default="the login")
SILENCED_RUN = option("run", None, "Silence only this run.", show_default="all", from_environment=False)
TRACK = option("track", None, "Silence only this track.", show_default="all", from_environment=False)
SILENCED_COLUMN = option(
    "column",
    None,
    "Silence only alarms that name just this: a column, `error`, `volume` or `coverage`.",
    show_default="all",
    from_environment=False,
)
UNTIL = option("until", None, "When it ends, wall time in UTC.", check=moment_ms, from_environment=False)
DURATION = option(
    "for",
    None,
    "How long it lasts, such as 2h; at most a year.",
    check=checks.at_most_a_year,
    from_environment=False,
)
WHY = option("reason", ..., "Why.", check=checks.words, from_environment=False)
WHY_EXCLUDED = option("reason", "", "Why, such as a strike.", from_environment=False)
ENDED = option("all", False, "List those that have ended, too.", from_environment=False)
PLOT = option(
    "plot",
    None,
    "HTML file to write: the evidence against the line.",
    check=checks.output_file,
    command="calibrate",
    formerly_shared=False,
)

# tune
TUNE_MONTHS = option(
    "month",
    None,
    "Month to download from TLC; may be repeated. With --synthetic: trips are made from the first to the last.",
    check=checks.months,
    command="tune",
    formerly_shared=False,
    show_default=", ".join(replay.MONTHS),
)
TUNE_SIZES = option(
    "sizes",
    "1h,3h,6h,12h,1d",
    "Window sizes to try, each alone.",
    check=checks.sizes,
    command="tune",
    formerly_shared=False,
)
JOINT = option(
    "joint",
    "auto",
    "Sets of sizes that share one line, such as `1h+6h,1h+6h+1d`; auto: the monitor's default, the smallest with "
    "the largest, and all.",
    check=checks.sets,
)
REFERENCES = option(
    "reference",
    "training,rolling",
    "What windows are compared with: the weeks of the training, or the last weeks.",
    check=checks.references,
)
TUNE_SCENARIOS = option(
    "scenario",
    None,
    "Drift to inject: a TOML file, or a name that `driftline scenarios` lists; may be repeated.",
    check=checks.scenarios,
    command="tune",
    formerly_shared=False,
    show_default="all",
)
STRENGTHS = option(
    "strength", "1", "How many times as strong each drift is, such as `0.5,1,2`.", check=checks.strengths
)
ONSETS = option("onsets", 30, "Random moments at which each drift begins.", min=5, max=1_000)
TUNE_PROMISE = option(
    "promise",
    "1/month",
    "False alarms that are accepted.",
    check=checks.rate,
    command="tune",
    formerly_shared=False,
)
TUNE_HOLIDAYS = option(
    "holidays",
    None,
    "Calendar of holidays, such as US-NY: these days do not count.",
    check=checks.holidays,
    command="tune",
    formerly_shared=False,
    show_default="none",
)
WORST_DELAY = option("worst-delay", "1d", "Delay that is tolerated.", check=duration_ms)
NO_POWER = option("no-power", False, "Leave out which changes of each column show.")
JOBS = option("jobs", 2, "Number of processes.", min=1, max=256)
TUNE_SEED = option(
    "seed",
    replay.SEED,
    "Seed of the onsets, and of synthetic trips.",
    min=0,
    command="tune",
    formerly_shared=False,
)
TUNE_OUT = option(
    "out",
    None,
    "Folder to write tuning.html, tuning.csv and tuning.json to.",
    check=checks.output_folder,
    command="tune",
    formerly_shared=False,
    show_default=".driftline/tuning",
)

# stack, backup, restore
SHOW_PASSWORD = option("show-password", False, "Print the database URL with its password.")
BACKUP_OUT = option(
    "out",
    None,
    "File to write.",
    check=checks.output_file,
    command="backup",
    formerly_shared=False,
    show_default="a file in .driftline/backups",
)
REPLACE = option("yes", False, "Replace the runs that are there.", from_environment=False)

# demo, dummy, grafana
KEEP = option("keep", DemoSettings.keep, "Leave the embedded stack running at the end.")
DEMO_SPEED = option(
    "speed",
    DemoSettings.speed,
    "`600x`, `max`, or `auto`: the replay then takes 80 s.",
    check=checks.demo_speed,
    command="demo",
)
DEMO_SCENARIO = option("scenario", DemoSettings.scenario, _SCENARIO_HELP, check=checks.scenario)
DUMMY_RUN = option("run", DummySettings.run, "Name of the run.", command="dummy")
DAYS = option("days", DummySettings.days, "Number of whole days of event time before today.")
DUMMY_SEED = option(
    "seed", DummySettings.seed, "The same seed at the same time gives the same figures.", command="dummy"
)
LIVE = option("live", DummySettings.live, "Add a window each second, until Ctrl-C.")
GRAFANA_PORT = option("grafana-port", GrafanaSettings.port, "Port to listen on, at 127.0.0.1.", min=1, max=65_535)
BOARD_URL = option("board-url", GrafanaSettings.board, "Address of the board, as a browser reaches it.")
