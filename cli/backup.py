"""`driftline backup`: save the whole schema to one file, as of one moment."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cli.programs import first_error, programs
from runtime.connections import STATE, make_folder
from runtime.programs import output_of
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
    """Save the schema in pg_dump's custom format.

    It is one snapshot, whoever writes meanwhile: rows, offsets and watermarks of the same moment. The file appears
    once it is complete, readable by its owner alone.

    Args:
        url: Of the database.
        out: The file to write; None for a new one below BACKUPS.

    Returns:
        The file.

    Raises:
        DatabaseUnreachable: Postgres does not answer or refuses.
        StackBroken: No pg_dump here is new enough for the server.
        UsageError: There is nothing to save, or the file cannot be written.
    """
    file = out or BACKUPS / f"driftline-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.dump"
    with connect_directly(url) as connection:
        if connection.execute("SELECT to_regnamespace('driftline')").fetchone() == (None,):
            raise UsageError(f"there is no schema driftline at {redacted(url)}", "correct DATABASE_URL")
        tools = programs(url, connection.info.server_version)
    draft = _draft(file)
    try:
        argv = tools.argv("pg_dump", *_OPTIONS, f"--file={draft}", f"--dbname={tools.address}")
        dump = output_of(argv, env=dict(tools.environ))
        if dump.returncode:
            raise DatabaseUnreachable(
                f"pg_dump could not read {redacted(url)} ({first_error(dump.stderr)})",
                "check that Postgres is up, the disk has room, and DATABASE_URL is the owner of schema driftline",
            )
        _publish(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return file


def _draft(file: Path) -> Path:
    """Create an empty file beside the final one, with mode 600. Raises UsageError if that fails."""
    if file.is_dir():
        raise UsageError(f"{file} is a folder", "name a file")
    try:
        make_folder(file.parent)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        raise UsageError(f"cannot write in {file.parent} ({error.strerror})", "choose another path") from None
    os.close(handle)
    return Path(name)


def _publish(draft: Path, file: Path) -> None:
    """Rename the draft once its bytes are on the disk."""
    with draft.open("rb") as done:
        os.fsync(done.fileno())
    draft.replace(file)
