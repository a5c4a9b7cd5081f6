"""PostgreSQL's own programs, new enough for the server, and how they are told where it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.stack.postgres import binaries
from schemas.errors import StackBroken
from storage.address import without_password


@dataclass(frozen=True)
class Programs:
    """folder: of pg_dump, pg_restore and psql of one version. address: a conninfo without the password.

    environ: of the child, with the password: a command line is for all to read.
    """

    folder: Path
    address: str
    environ: Mapping[str, str]

    def argv(self, name: str, *options: str) -> list[str]:
        return [str(self.folder / name), *options]


def programs(url: str, server_version: int, environ: Mapping[str, str] = os.environ) -> Programs:
    """Those of the embedded stack, else those on PATH. server_version: as libpq gives it, 180004 for 18.4.

    Raises StackBroken where none is new enough: pg_dump refuses a server that is newer than itself.
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


def said(stderr: str) -> str:
    """What a program complained of, as one line: its first error."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|FATAL", line, re.IGNORECASE)]
    return (errors or lines or ["it said nothing"])[0]


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    with suppress(StackBroken):
        yield binaries()
    if found := shutil.which("pg_dump", path=environ.get("PATH")):
        yield Path(found).parent


def _major(folder: Path) -> int:
    """Of the programs in a folder; 0 where they do not run, or one of them is missing."""
    if not all((folder / name).exists() for name in ("pg_dump", "pg_restore", "psql")):
        return 0
    try:
        told = subprocess.run(
            [str(folder / "pg_dump"), "--version"],
            capture_output=True,
            text=True,
            check=True,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.CalledProcessError):
        return 0
    version = re.search(r"(\d+)", told.stdout)
    return int(version[1]) if version else 0
