"""`make env`: write .env from .env.example, with new passwords. Needs nothing but Python."""

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
"""Nothing that has a meaning in a URL, a shell, YAML or Grafana, which expands values twice."""

_PASSWORD = re.compile(r"^(\w+_PASSWORD)=$", re.MULTILINE)


def token() -> str:
    """Create a password of 32 letters and digits: 190 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


def filled(example: str, password: Callable[[], str] = token) -> str:
    """Fill in a new password for every variable of the example that is named so and empty."""
    return _PASSWORD.sub(lambda match: f"{match[1]}={password()}", example)


def write(folder: Path = ROOT) -> Path:
    """Write .env, readable by its owner alone. Raises FileExistsError rather than lose passwords in use."""
    path = folder / ".env"
    text = filled((folder / ".env.example").read_text(encoding="utf-8"))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def main() -> int:
    """Return the exit code: 1 if there is an .env already."""
    try:
        print(f"wrote {write()}; now: docker compose up --wait")
    except FileExistsError:
        print(
            ".env exists already, and volumes use its passwords. For new ones: docker compose down --volumes,"
            " remove .env, make env",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
