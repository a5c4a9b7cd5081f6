"""Options that several commands take, each with its environment variable."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import checks
from cli.checks import checked
from runtime.connections import ROOT
from schemas.durations import duration_ms, moment_ms

MODELS = ROOT / "models" / "artifacts"
DEFAULT_MODEL = MODELS / "default"
"""Where `train` writes and the others look, unless told otherwise."""


class TaxiKind(StrEnum):
    """Of `--kind`."""

    green = "green"
    yellow = "yellow"


class ModelKind(StrEnum):
    """Of `train --model`."""

    default = "default"
    tutorial = "tutorial"


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
