"""The folder of artifacts: each is stored under its hash, and names point to them.

    models/artifacts/ca062ac6…/    an artifact, never changed
    models/artifacts/default       a symbolic link to it; a file with the hash in it where links cannot be made

A folder with another name, made by an earlier version or by hand, is an artifact as well. Light: what only has to
find a model imports neither pyarrow nor numpy.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from models.card import Card, decode
from schemas.errors import UsageError

ARTIFACTS = Path(__file__).parent / "artifacts"
DEFAULT = ARTIFACTS / "default"
"""Where `train` writes and the others look, unless another is named."""
CARD = "card.json"
OF_DEMO = "demo-"
"""Names of the models that `driftline demo` trains begin so."""

_HASH = re.compile(r"[0-9a-f]{64}")
_SHORTEST = 4
"""Characters of a hash that name an artifact."""


@dataclass(frozen=True)
class Artifact:
    """An artifact that lies in a folder. names: those that point to it, and its own where that is not its hash."""

    path: Path
    card: Card
    names: tuple[str, ...]

    @property
    def hash(self) -> str:
        """The hash of its card."""
        return self.card.hash


def resolve_name(path: Path) -> Path:
    """Return the folder that a path stands for: itself, or what it points to. It need not exist."""
    if not os.path.lexists(path) and (pending := sorted(path.parent.glob(_pending(path.name, "*")))):
        return resolve_name(pending[0])  # whoever was switching it was killed between two steps
    if path.is_symlink():
        return path.parent / path.readlink()
    if path.is_file() and _HASH.fullmatch(text := path.read_text(encoding="utf-8", errors="replace").strip()):
        return path.parent / text
    return path


def link(path: Path, hash: str) -> None:
    """Point a name to the artifact with this hash in the same folder.

    At once: whenever the process is killed, `resolve_name` finds the old artifact or this one. A folder of that
    name is kept under its own hash.

    Raises:
        OSError: It cannot be written.
    """
    new = path.with_name(_pending(path.name, str(os.getpid())))
    new.unlink(missing_ok=True)
    try:
        new.symlink_to(hash, target_is_directory=True)
    except (OSError, NotImplementedError):
        new.write_text(hash + "\n", encoding="utf-8")
    if path.is_dir() and not path.is_symlink():
        archive(path, path.parent)
    os.replace(new, path)
    for stale in path.parent.glob(_pending(path.name, "*")):
        stale.unlink(missing_ok=True)


def archive(path: Path, folder: Path) -> None:
    """Move an artifact to its hash below a folder, so that an artifact that scored runs is kept.

    Raises:
        OSError: It cannot be moved.
    """
    card = read_card(path)
    kept = folder / (card.hash if card else f"{path.name}-damaged")
    if card and read_card(kept) == card:  # it is there already
        doomed = folder / f".{path.name}.{os.getpid()}.old"
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        shutil.rmtree(kept, ignore_errors=True)
        path.rename(kept)


def list_artifacts(folder: Path = ARTIFACTS) -> list[Artifact]:
    """List the artifacts below a folder, by name; none if there is no such folder."""
    found: dict[Path, Card] = {}
    names: dict[Path, list[str]] = {}
    for path in sorted(folder.glob("[!.]*")):
        place = resolve_name(path)
        if card := read_card(place):
            found[place] = card
            if path.name != card.hash:
                names.setdefault(place, []).append(path.name)
    return [Artifact(path, card, tuple(names.get(path, ()))) for path, card in found.items()]


def find_by_prefix(wanted: str, folder: Path = ARTIFACTS) -> Sequence[Artifact]:
    """Find the artifacts below a folder whose hash begins so; none for fewer than four characters."""
    if len(wanted) < _SHORTEST or not re.fullmatch("[0-9a-f]+", wanted):
        return ()
    return [artifact for artifact in list_artifacts(folder) if artifact.hash.startswith(wanted)]


def find(named: Path, folder: Path = ARTIFACTS) -> Path:
    """Find the artifact that an operator means: a folder, a name below `folder`, or the beginning of a hash there.

    Anything else is returned as it is; loading it reports that there is no model.

    Raises:
        UsageError: Several hashes begin so, or none does.
    """
    if (resolve_name(named) / CARD).is_file() or len(named.parts) != 1:
        return named
    if (resolve_name(folder / named) / CARD).is_file():
        return folder / named
    found = {artifact.hash: artifact.path for artifact in find_by_prefix(named.name, folder)}
    if len(found) > 1:
        raise UsageError(f"{len(found)} models begin with {named.name}", "give more characters of the hash")
    if not found and not named.exists() and re.fullmatch("[0-9a-f]+", named.name):
        raise UsageError(
            f"no model begins with {named.name}",
            "`driftline models` lists them; give four characters of one or more",
        )
    return next(iter(found.values()), named)


def remove(artifact: Artifact) -> None:
    """Delete an artifact and the names that point to it. Names first: none ever points to half an artifact.

    Raises:
        OSError: It cannot be deleted.
    """
    for path in sorted(artifact.path.parent.glob("*")):
        if path != artifact.path and resolve_name(path) == artifact.path:
            path.unlink()
    doomed = artifact.path.with_name(f".{artifact.hash[:12]}.{os.getpid()}.old")
    artifact.path.rename(doomed)
    shutil.rmtree(doomed)


def _pending(name: str, who: str) -> str:
    return f".{name}.{who}.next"


def read_card(path: Path) -> Card | None:
    """Read the card of the artifact in a folder; None if there is none, or it is damaged."""
    with suppress(OSError, ValueError):
        return decode((path / CARD).read_bytes())
    return None
