"""Scenarios that come with the program, each a TOML file of this folder."""

from __future__ import annotations

from pathlib import Path

from schemas.errors import SourceUnusable

_HERE = Path(__file__).parent


def shipped() -> list[str]:
    """List the names of the scenarios in this folder."""
    return sorted(path.stem for path in _HERE.glob("*.toml"))


def read(where: str) -> tuple[str, str]:
    """Read a scenario.

    Args:
        where: A path, or the name of a shipped scenario.

    Returns:
        Its name and TOML text.

    Raises:
        SourceUnusable: It cannot be read.
    """
    path = _HERE / f"{where}.toml" if where in shipped() else Path(where)
    try:
        return path.stem, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        known = ", ".join(shipped())
        raise SourceUnusable(
            f"no scenario at {where} ({reason})", f"give a TOML file, or one of: {known}"
        ) from error
