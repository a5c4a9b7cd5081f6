"""`driftline backup`: the whole schema in one file, as of one moment."""

from __future__ import annotations

import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cli.programs import programs, said
from runtime.connections import STATE, make_folder
from schemas.errors import DatabaseUnreachable, UsageError
from storage.address import redacted
from storage.connect import connect_directly

BACKUPS = STATE / "backups"
SCHEMA = "driftline"
_OPTIONS = (
    *("--format=custom", f"--schema={SCHEMA}", "--no-owner", "--no-privileges"),
    *("--no-password", "--lock-wait-timeout=30s"),
)


def backup(url: str, out: Path | None = None) -> Path:
    """Write the schema in pg_dump's custom format; the file is there when it is whole, for its owner alone.

    It is one snapshot, whoever writes meanwhile: rows, offsets and watermarks of the same moment.
    Raises DatabaseUnreachable where Postgres does not answer or refuses, StackBroken without a pg_dump that does,
    UsageError where there is nothing to save, or nowhere to put it.
    """
    file = out or BACKUPS / f"driftline-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.dump"
    with connect_directly(url) as connection:
        if connection.execute("SELECT to_regnamespace('driftline')").fetchone() == (None,):
            raise UsageError(f"there is no schema driftline at {redacted(url)}", "correct DATABASE_URL")
        tools = programs(url, connection.info.server_version)
    draft = _draft(file)
    try:
        argv = tools.argv("pg_dump", *_OPTIONS, f"--file={draft}", f"--dbname={tools.address}")
        told = subprocess.run(
            argv,
            env=dict(tools.environ),
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
        if told.returncode:
            raise DatabaseUnreachable(
                f"pg_dump could not read {redacted(url)} ({said(told.stderr)})",
                "see that Postgres is up, the disk has room, and DATABASE_URL is the owner of schema driftline",
            )
        _settle(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return file


def _draft(file: Path) -> Path:
    """An empty file beside the final one, mode 600. Raises UsageError where none can be made."""
    if file.is_dir():
        raise UsageError(f"{file} is a folder", "name a file")
    try:
        make_folder(file.parent)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        raise UsageError(f"no file can be made in {file.parent} ({error.strerror})", "name another place") from None
    os.close(handle)
    return Path(name)


def _settle(draft: Path, file: Path) -> None:
    """Give it its name once its bytes are on the disk."""
    with draft.open("rb") as done:
        os.fsync(done.fileno())
    draft.replace(file)
