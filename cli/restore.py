"""`driftline restore`: replace the database with a backup, all of it or nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from cli.backup import SCHEMA
from cli.programs import Programs, first_error, programs
from runtime.programs import output_of
from schemas.errors import DatabaseUnreachable, RunConflict, UsageError
from storage import roles
from storage.address import redacted
from storage.connect import Connection, connect_directly
from storage.errors import InsufficientPrivilege, LockNotAvailable
from storage.locks import advice_on_locks
from storage.migrations import migrate, migrations
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_name("restore.sql"))
Say = Callable[[str], None]
_NEWER = b"SET transaction_timeout = 0;\n"
"""Written by pg_restore of version 17 and newer; older servers refuse it."""
_NO_DUMP = "name a file that `driftline backup` wrote"


class Restored(NamedTuple):
    """What a restore did.

    Attributes:
        runs: Number of runs that the database holds now.
        migrations: Numbers of the migrations that were applied to a backup of an older version.
        active: Stages that reported their health just before; they have to be restarted.
    """

    runs: int
    migrations: list[int]
    active: list[str]


def restore(url: str, file: Path, *, replace: bool = False, say: Say = print) -> Restored:
    """Replace schema driftline by the one in a file, in one transaction; then bring tables and grants up to date.

    Args:
        url: Of the database.
        file: A backup.
        replace: Whether runs that are there may be replaced.
        say: Called with progress messages.

    Raises:
        UsageError: The file is no backup, or was written by a newer version.
        RunConflict: The database holds runs, and `replace` is not set.
        DatabaseUnreachable: Postgres refuses, or tables stay locked. Everything is then as it was before.
    """
    with connect_directly(url) as connection:
        tools = programs(url, connection.info.server_version)
        _check(tools, file)
        connection.execute(_SQL["patience"])
        try:
            active = _active_stages(connection, url, replace=replace)
        except LockNotAvailable:
            raise DatabaseUnreachable(
                f"the tables at {redacted(url)} are locked", advice_on_locks(connection)
            ) from None
        say(f"restoring {file} into {redacted(url)}")
        if active:
            say(f"still running: {', '.join(active)}; waiting up to 10 s for a table that they use")
        _load(connection, tools, file, url)
        return _finish(connection, url, active)


def _finish(connection: Connection, url: str, active: list[str]) -> Restored:
    """Bring tables and grants up to date."""
    try:
        applied = migrate(connection)
        roles.grant(connection)
        row = connection.execute(_SQL["runs"]).fetchone()
        return Restored(row[0] if row else 0, applied, active)
    except InsufficientPrivilege as error:
        raise DatabaseUnreachable(
            f"everything was restored, but {redacted(url)} may not create roles ({error.diag.message_primary})",
            "run `driftline migrate` with a login that may",
        ) from None
    except LockNotAvailable:
        raise DatabaseUnreachable(
            f"everything was restored, but tables and roles at {redacted(url)} could not be brought up to date",
            f"{advice_on_locks(connection)}, then run `driftline migrate`",
        ) from None


def _check(tools: Programs, file: Path) -> None:
    """Raises UsageError for a file that is no backup of Driftline's, or that a newer version wrote."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}", _NO_DUMP)
    contents = _listed(tools, file, "--list")
    if contents is None and file.read_bytes()[:5] == b"PGDMP":
        raise UsageError(f"{file} was cut off or is damaged: it cannot be read", _NO_DUMP)
    if contents is None or f" SCHEMA - {SCHEMA} " not in contents:
        raise UsageError(f"{file} is not a backup of schema {SCHEMA}", _NO_DUMP)
    rows = _listed(tools, file, "--data-only", f"--schema={SCHEMA}", "--table=migration", "--file=-") or ""
    theirs = [int(line.split("\t")[0]) for line in rows.splitlines() if line.count("\t") == 2 and line[0].isdigit()]
    known = max(number for number, _, _ in migrations())
    if max(theirs, default=0) > known:
        raise UsageError(
            f"{file} is of a newer version: its tables are at migration {max(theirs)}, this one knows {known}",
            "restore it with that version",
        )


def _listed(tools: Programs, file: Path, *options: str) -> str | None:
    listed = output_of(tools.argv("pg_restore", *options, str(file)))
    return None if listed.returncode else listed.stdout


def _active_stages(connection: Connection, url: str, *, replace: bool) -> list[str]:
    """List the stages that are active. Raises RunConflict if runs would be lost."""
    if connection.execute("SELECT to_regclass('driftline.run')").fetchone() == (None,):
        return []
    row = connection.execute(_SQL["runs"]).fetchone()
    if row and row[0] and not replace:
        raise RunConflict(
            f"{redacted(url)} holds {row[0]} run{'s' * (row[0] != 1)}",
            "save them with `driftline backup`, then restore with --yes (make: ARGS=--yes), which replaces all",
        )
    return [f"{stage} {instance}" for stage, instance in connection.execute(_SQL["active"])]


def _load(connection: Connection, tools: Programs, file: Path, url: str) -> None:
    """Drop, restore and commit in one transaction of psql's, which the server rolls back without the commit.

    1. psql begins, stops at the first error, and drops the schema.
    2. pg_restore pipes its script into psql.
    3. psql commits only after pg_restore has finished. If this process dies, psql reaches the end of its input,
       and the connection ends without a commit.
    """
    writer = connection.execute(_SQL["writer"]).fetchone() == (True,)
    script = tools.argv("pg_restore", "--no-owner", "--no-privileges", f"--schema={SCHEMA}", "--file=-", str(file))
    options = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", f"--dbname={tools.address}")
    with TemporaryFile() as errors:
        psql = subprocess.Popen(
            tools.argv("psql", *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=dict(tools.environ),
        )
        assert psql.stdin
        try:
            whole = _feed(psql.stdin, script, errors, last=roles.OWN if writer else "")
        finally:
            code = psql.wait()
        if code or not whole:
            errors.seek(0)
            why = first_error(errors.read().decode(errors="replace"))
            locked = "55P03" in why
            raise DatabaseUnreachable(
                f"{file} could not be restored into {redacted(url)}, where everything is as it was before ({why})",
                advice_on_locks(connection) if locked else "check that the file is complete and the disk has room",
            )


def _feed(psql: IO[bytes], script: Sequence[str], errors: IO[bytes], *, last: str) -> bool:
    """Pipe the script into psql; return whether it was complete, and a commit followed."""
    try:
        with psql:
            psql.write(_SQL["begin"].encode() + b"\n")
            psql.flush()
            with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=errors) as done:
                assert done.stdout
                psql.writelines(line for line in done.stdout if line != _NEWER)
            if done.returncode == 0:
                psql.write(f"\n{last}\n{_SQL['commit']}\n".encode())
            return done.returncode == 0
    except BrokenPipeError:
        return False
