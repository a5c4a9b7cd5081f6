"""PostgreSQL's client programs, new enough for the server, and how to connect them to it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.stack.postgres import binaries
from runtime.programs import output_of
from schemas.errors import StackBroken
from storage.address import without_password


@dataclass(frozen=True)
class Programs:
    """The client programs of one version, and how to connect them.

    Attributes:
        folder: Holds pg_dump, pg_restore and psql.
        address: A conninfo string without the password.
        environ: For the child process, with the password: anybody can read a command line.
    """

    folder: Path
    address: str
    environ: Mapping[str, str]

    def argv(self, name: str, *options: str) -> list[str]:
        return [str(self.folder / name), *options]


def programs(url: str, server_version: int, environ: Mapping[str, str] = os.environ) -> Programs:
    """Find the client programs for a server: those of the embedded stack, else those on PATH.

    Args:
        url: Of the database.
        server_version: As libpq gives it: 180004 for 18.4.
        environ: Names the PATH; the programs run with it.

    Raises:
        StackBroken: None is new enough: pg_dump refuses a server that is newer than itself.
    """
    address, password = without_password(url)
    secrets = {} if password is None else {"PGPASSWORD": password}
    needed = server_version // 10_000
    for folder in _folders(environ):
        if _major(folder) >= needed:
            return Programs(folder, address, {**environ, **secrets, "LC_ALL": "C"})
    raise StackBroken(
        f"no pg_dump of version {needed} or newer, which this server needs",
        f"run `make setup`, or put PostgreSQL {needed}'s client programs on PATH",
    )


def first_error(stderr: str) -> str:
    """Reduce what a program wrote to stderr to one line: its first error."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|FATAL", line, re.IGNORECASE)]
    return (errors or lines or ["no error message"])[0]


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    with suppress(StackBroken):
        yield binaries()
    if found := shutil.which("pg_dump", path=environ.get("PATH")):
        yield Path(found).parent


def _major(folder: Path) -> int:
    """Return the major version of the programs in a folder; 0 if they do not run or one of them is missing."""
    if not all((folder / name).exists() for name in ("pg_dump", "pg_restore", "psql")):
        return 0
    try:
        version = output_of([folder / "pg_dump", "--version"])
    except OSError:
        return 0
    number = re.search(r"(\d+)", version.stdout)
    return int(number[1]) if number and version.returncode == 0 else 0
