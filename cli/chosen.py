"""What several commands derive from their options."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cli import listing, output, servers
from cli.options import TaxiKind
from cli.output import say, warn
from cli.streams import DEFAULT_STREAM
from models.names import DEFAULT
from runtime import connections
from schemas.definition import RunConfig, Stream
from schemas.durations import duration_ms
from schemas.errors import UsageError

if TYPE_CHECKING:
    from models.artifact import Scorers
    from storage.listings import RunRow


def stream() -> Stream:
    """Return the stream that the command is about."""
    return DEFAULT_STREAM


def scorers() -> Scorers:
    """Return the loaders of that stream's models, by kind."""
    from models.taxi import SCORERS

    return SCORERS


def author(named: str | None) -> str:
    """Return who decides: whoever was named, or the login.

    Raises:
        UsageError: Nobody was named, and the login has no name.
    """
    if named is not None and named.strip():
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # such as a number without a name in a container
        raise UsageError("this login has no name", "say who decides with --author") from None


def run_config(**given: str | None) -> RunConfig | None:
    """Return what new runs begin with; None for the stream's own terms.

    given: durations in place of the stream's, by field; None where the option was left out.
    """
    found = {name: duration_ms(text) for name, text in given.items() if text is not None}
    return replace(stream().terms, **found) if found else None


def monitor_settings(model: Path, *, needs_kafka: bool, **more: Any) -> Any:
    """Return the settings of the monitor. needs_kafka: raise UsageError where none is named or embedded."""
    from monitor.settings import Settings

    return Settings(
        stream=stream(),
        scorers=scorers(),
        model=model,
        kafka=connections.kafka_config(os.environ) if needs_kafka or connections.names_kafka(os.environ) else {},
        database_url=servers.database_url(),
        **more,
    )


def source(
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
        progress=listing.download_bar(output.err),
        say=say,
    )
    if found.note:
        warn(found.note)
    return found


def model(named: Path) -> Path:
    from models.names import find

    return find(named)


def model_of(run: RunRow, named: Path | None) -> Path:
    """Find the model that a run is compared with.

    Args:
        run: The run.
        named: Where it lies; None: below the folder of all models.

    Raises:
        UsageError: Another one was named.
        ModelMissing, ModelUnusable: There is none, or it is damaged.
    """
    from models.artifact import load
    from models.lookup import find_by_hash, refuse_manufactured
    from models.names import ARTIFACTS

    if named is None:
        return find_by_hash(run.reference, ARTIFACTS)
    refuse_manufactured(run.reference)
    found = model(named)
    if run.reference not in (None, theirs := load(found).hash):
        raise UsageError(
            f"run {run.run_id} belongs to model {str(run.reference)[:12]}, not to {theirs[:12]}",
            "leave --model out, or name that one",
        )
    return found


def usable_model(named: Path) -> Path:
    """The same. Raises ModelUnusable, before any server is asked, where the one that was named cannot be used."""
    from models.artifact import load

    found = model(named)
    if named != DEFAULT:
        load(found, stream().events, scorers())
    return found
