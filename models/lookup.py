"""Which artifact scored a run: the run knows its hash, the artifacts lie side by side in one folder."""

from __future__ import annotations

from pathlib import Path

from models import names
from schemas.errors import ModelUnusable

MANUFACTURED = "dummy"
"""Stands in place of the model's hash, and as the source, of runs that `driftline dummy` made up."""


def with_hash(wanted: str | None, folder: Path) -> Path:
    """The artifact below `folder` whose hash this is. Raises ModelUnusable where none is, or none was used."""
    if wanted == MANUFACTURED:
        raise ModelUnusable(
            "`driftline dummy` made this run up: it has figures, and no records", "choose another run"
        )
    for artifact in names.listed(folder):
        if artifact.hash == wanted:
            return artifact.path
    raise ModelUnusable(
        f"no model in {folder} is the one that scored this run ({(wanted or 'none')[:12]})",
        "name its folder by --model, or see `driftline models`",
    )
