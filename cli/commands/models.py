"""`driftline train`, `models`, `models rm`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import chosen, listing, options, output, servers
from cli.output import confirm, say
from models.names import ARTIFACTS, CARD, read_card, resolve_name
from producer.sources.defaults import TRAINING_MONTH
from schemas.errors import DriftlineError

MODEL_FIELDS = ("model", "name", "kind", "source", "rows", "mae", "used_by")

app = typer.Typer(
    help="All models and the runs that use them; `models rm` removes some.", invoke_without_command=True
)


def train(
    file: list[Path] | None = options.TRAINING_FILES,
    month: str | None = options.TRAINING_MONTH,
    synthetic: bool = options.SYNTHETIC,
    kind: options.TaxiKind = options.KIND,
    volume: float = options.VOLUME,
    seed: int = options.SEED,
    model: options.ModelKind = options.MODEL_KIND,
    out: Path | None = options.MODEL_OUT,
    if_missing: bool = options.IF_MISSING,
) -> None:
    """Train a model of trip durations; write it with its card and the reference set.

    Models are kept under their hash; `default` is the newest. `driftline models` lists them.
    """
    name = out or ARTIFACTS / model.value
    earlier = resolve_name(name)
    if if_missing and (earlier / CARD).exists():
        say(f"{name} already contains a model")
        return
    source = chosen.source(file, month, synthetic, kind, volume, seed, TRAINING_MONTH, or_synthetic=False)
    from models.taxi import train as learning
    from monitor import estimating
    from producer.sources.selection import sample

    say(f"training on {source.name}")
    before = read_card(earlier)
    made = learning.train(
        sample(source),
        kind=model.value,
        out=name,
        source=source.name,
        period=source.period,
        by_hash=name.absolute().parent == ARTIFACTS,
        beside=estimating.files,
    )
    listing.show_card(output.console, made, name)
    if before and before.hash != made.hash:
        say(f"the previous model, trained on {before.source}, is kept in {name.with_name(before.hash)}")


@app.callback()
def models(context: typer.Context, as_json: bool = options.JSON) -> None:
    """List all models: training data, error, the runs that use them. `models rm` removes some."""
    if context.invoked_subcommand:
        return
    from cli import removal

    found = removal.models(ARTIFACTS, _used())
    listing.show(
        output.console, found, as_json=as_json, empty="no models yet: `driftline train`", fields=MODEL_FIELDS
    )


@app.command("rm")
def models_rm(
    model: Annotated[list[str], typer.Argument(help="Hashes, or how they begin; or names.")],
    force: bool = options.FORCE,
    yes: bool = options.YES,
    as_json: bool = options.JSON,
) -> None:
    """Remove models. One that has a name (`default`) or is used by a run that still exists needs --force."""
    from cli import removal

    used = _used()
    chosen = removal.removable(model, ARTIFACTS, used, force=force)
    for artifact in chosen:
        say(f"model {artifact.hash[:12]} of {artifact.card.source}: {artifact.path}")
    if not yes:
        confirm("Remove for good?")
    removal.remove_models(chosen)
    listing.show(output.console, [removal.row(a, used) for a in chosen], as_json=as_json, fields=MODEL_FIELDS)


def _used() -> dict[str, list[str]] | None:
    """Map models, by hash, to the runs that use them; None, with a message, if no database answers."""
    from cli.removal import runs_of_models

    try:
        with servers.database() as connection:
            return runs_of_models(connection)
    except DriftlineError as error:
        say(f"it is not known which runs use them: {error}")
        return None
