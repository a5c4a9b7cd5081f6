"""The artifact that a run is compared with, by the hash that the run remembers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from board.http_errors import Conflict
from models.card import decode
from models.lookup import find_by_hash
from models.names import ARTIFACTS, CARD, resolve_name
from schemas.errors import ModelUnusable

DEFAULT = ARTIFACTS / "default"
"""What a monitor uses where no --model is named."""


def artifact_of(wanted: str | None, folders: Iterable[Path]) -> Path:
    """Return the folder of an artifact: one of these, or below one of them. Raises Conflict where there is none."""
    if wanted is None:
        raise Conflict(
            "no monitor has written a window of this run: it is not known which reference it is compared with",
            "start a monitor for it",
        )
    for folder in folders:
        try:
            return find_by_hash(wanted, folder.parent if (resolve_name(folder) / CARD).is_file() else folder)
        except ModelUnusable:
            continue
    raise Conflict(
        f"the model that this run is compared with ({wanted[:12]}) is not here",
        "start the board with --model and its folder",
    )


def monitor_command(wanted: str | None, folders: Iterable[Path]) -> str | None:
    """Return the command of a monitor for runs that are compared with this artifact: one with another skips them.

    None where the artifact is not here.
    """
    try:
        path = artifact_of(wanted, folders)
    except Conflict:
        return "driftline monitor" if wanted is None else None
    return "driftline monitor" if _default_hash() == wanted else f"driftline monitor --model {path}"


def _default_hash() -> str | None:
    try:
        return decode((resolve_name(DEFAULT) / CARD).read_bytes()).hash
    except (OSError, ValueError):
        return None
