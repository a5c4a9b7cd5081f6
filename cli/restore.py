"""`driftline restore`: put a backup in the place of what is there, all of it or nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from cli.backup import SCHEMA
from cli.programs import Programs, programs, said
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
"""Said by pg_restore of version 17 and newer, of its own accord; refused by servers that are older."""
_NO_DUMP = "name a file that `driftline backup` wrote"


class Restored(NamedTuple):
    """runs: in the database now. migrations: applied to what came from an older version. active: stages that
    reported health a moment before, and have to be started again."""

    runs: int
    migrations: list[int]
    active: list[str]


def restore(url: str, file: Path, *, replace: bool = False, say: Say = print) -> Restored:
    """Replace schema driftline by the one in a file, in one transaction; then bring tables and grants up to date.

    say: is told what goes on. Raises UsageError for a file that is no backup, or of a newer version; RunConflict
    where runs are there, unless told to replace them; DatabaseUnreachable where Postgres refuses, or tables stay
    locked: then everything is as it was before.
    """
    with connect_directly(url) as connection:
        tools = programs(url, connection.info.server_version)
        _check(tools, file)
        connection.execute(_SQL["patience"])
        try:
            active = _look(connection, url, replace=replace)
        except LockNotAvailable:
            raise DatabaseUnreachable(
                f"the tables at {redacted(url)} are locked", advice_on_locks(connection)
            ) from None
        say(f"restoring {file} into {redacted(url)}")
        if active:
            say(f"not stopped yet: {', '.join(active)}; a table that they use is waited for, 10 s at most")
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
            f"all is restored, but {redacted(url)} may not make roles ({error.diag.message_primary})",
            "run `driftline migrate` with a login that may",
        ) from None
    except LockNotAvailable:
        raise DatabaseUnreachable(
            f"all is restored, but tables and roles at {redacted(url)} could not be brought up to date",
            f"{advice_on_locks(connection)}, then run `driftline migrate`",
        ) from None


def _check(tools: Programs, file: Path) -> None:
    """Raises UsageError for what is no backup of ours, or of a version that has tables unknown here."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}", _NO_DUMP)
    told = _listed(tools, file, "--list")
    if told is None or f" SCHEMA - {SCHEMA} " not in told:
        raise UsageError(f"{file} is no backup of schema {SCHEMA}", _NO_DUMP)
    rows = _listed(tools, file, "--data-only", f"--schema={SCHEMA}", "--table=migration", "--file=-") or ""
    theirs = [int(line.split("\t")[0]) for line in rows.splitlines() if line.count("\t") == 2 and line[0].isdigit()]
    known = max(number for number, _, _ in migrations())
    if max(theirs, default=0) > known:
        raise UsageError(
            f"{file} is of a newer version: its tables are at migration {max(theirs)}, this one knows {known}",
            "restore it with that version",
        )


def _listed(tools: Programs, file: Path, *options: str) -> str | None:
    argv = tools.argv("pg_restore", *options, str(file))
    told = output_of(argv)
    return None if told.returncode else told.stdout


def _look(connection: Connection, url: str, *, replace: bool) -> list[str]:
    """The stages that are active. Raises RunConflict where runs would be lost."""
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
    """One transaction of psql's: drop, restore, commit. Without the last word, the server rolls all of it back.

    1. psql is told to begin, to stop at the first error, and to drop the schema.
    2. pg_restore writes its script into psql.
    3. Only where it has reached its end, psql is told to commit. If this process dies, psql meets the end of its
       input and the connection ends without a commit.
    """
    writer = connection.execute(_SQL["writer"]).fetchone() == (True,)
    script = tools.argv("pg_restore", "--no-owner", "--no-privileges", f"--schema={SCHEMA}", "--file=-", str(file))
    options = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", f"--dbname={tools.address}")
    with TemporaryFile() as complaints:
        psql = subprocess.Popen(
            tools.argv("psql", *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            env=dict(tools.environ),
        )
        assert psql.stdin
        try:
            whole = _feed(psql.stdin, script, complaints, last=roles.OWN if writer else "")
        finally:
            code = psql.wait()
        if code or not whole:
            complaints.seek(0)
            why = said(complaints.read().decode(errors="replace"))
            locked = "55P03" in why
            raise DatabaseUnreachable(
                f"{file} could not be restored into {redacted(url)}, where all is as it was before ({why})",
                advice_on_locks(connection) if locked else "see that the file is whole and the disk has room",
            )


def _feed(psql: IO[bytes], script: Sequence[str], complaints: IO[bytes], *, last: str) -> bool:
    """Whether psql was told to commit."""
    try:
        with psql:
            psql.write(_SQL["begin"].encode() + b"\n")
            psql.flush()
            with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=complaints) as done:
                assert done.stdout
                psql.writelines(line for line in done.stdout if line != _NEWER)
            if done.returncode == 0:
                psql.write(f"\n{last}\n{_SQL['commit']}\n".encode())
            return done.returncode == 0
    except BrokenPipeError:
        return False
