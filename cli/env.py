"""`make env`: writes .env from .env.example, with a password where a password belongs. Needs Python alone."""

from __future__ import annotations

import os
import re
import secrets
import string
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_ALPHABET = string.ascii_letters + string.digits
"""Nothing that a URL, a shell, YAML or Grafana (which expands values twice) would read as something else."""

_PASSWORD = re.compile(r"^(\w+_PASSWORD)=$", re.MULTILINE)


def token() -> str:
    """A password of 32 letters and digits: 190 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


def filled(example: str, password: Callable[[], str] = token) -> str:
    """The example with a password of its own for every variable that is named so and empty."""
    return _PASSWORD.sub(lambda match: f"{match[1]}={password()}", example)


def write(folder: Path = ROOT) -> Path:
    """Make .env, readable by its owner alone. Raises FileExistsError rather than lose passwords in use."""
    path = folder / ".env"
    text = filled((folder / ".env.example").read_text(encoding="utf-8"))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def main() -> int:
    """Exit code 1 where there is an .env already."""
    try:
        print(f"wrote {write()}; now: docker compose up --wait")
    except FileExistsError:
        print(
            ".env is there already, and volumes know its passwords. For new ones: docker compose down --volumes,"
            " remove .env, make env",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
