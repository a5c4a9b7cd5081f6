"""Which artifact scored a run: the run knows its hash, the artifacts lie side by side in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dummy.surroundings import SOURCE
from models.card import decode
from schemas.errors import ModelUnusable


def with_hash(wanted: str | None, folder: Path) -> Path:
    """The artifact below `folder` whose hash this is. Raises ModelUnusable where none is, or none was used."""
    if wanted == SOURCE:
        raise ModelUnusable(
            "`driftline dummy` made this run up: it has figures, and no records", "choose another run"
        )
    for found, path in _hashes(folder):
        if found == wanted:
            return path
    raise ModelUnusable(
        f"no model in {folder} is the one that scored this run ({(wanted or 'none')[:12]})",
        "name its folder by --model",
    )


def _hashes(folder: Path) -> Iterator[tuple[str, Path]]:
    for card in sorted(folder.glob("*/card.json")):
        try:
            yield decode(card.read_bytes()).hash, card.parent
        except (OSError, ValueError):
            continue
