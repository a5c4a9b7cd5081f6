"""Find the artifact that a run is compared with, by the hash that the run refers to."""

from __future__ import annotations

from pathlib import Path

from models import names
from schemas.errors import ModelMissing

MANUFACTURED = "dummy"
"""Stands in place of the model's hash, and as the source, of runs that `driftline dummy` made up."""


def refuse_manufactured(reference: str | None) -> None:
    """Raise ModelMissing if a run refers to no model because `driftline dummy` made it up."""
    if reference == MANUFACTURED:
        raise ModelMissing("`driftline dummy` wrote this run: it has metrics but no records", "choose another run")


def find_by_hash(wanted: str | None, folder: Path) -> Path:
    """Find the artifact below a folder with this hash.

    Args:
        wanted: The hash that a run refers to; None where it is not known.
        folder: Where to look.

    Raises:
        ModelMissing: There is none, or it is not known which.
    """
    refuse_manufactured(wanted)
    if wanted is None:
        raise ModelMissing(
            "no monitor has kept which reference the windows of this run are compared with", "name one with --model"
        )
    for artifact in names.list_artifacts(folder):
        if artifact.hash == wanted:
            return artifact.path
    raise ModelMissing(
        f"no model in {folder} is the one that this run is compared with ({wanted[:12]})",
        "give its folder with --model; `driftline models` lists all",
    )
