"""`driftline migrate`, `backup`, `restore`, `doctor`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli import checks, chosen, listing, options, output, servers
from cli.output import say

CHECK_FIELDS = ("name", "state", "detail", "do")


def migrate() -> None:
    """Bring tables and roles up to date. A role whose password is set (DRIFTLINE_READER_PASSWORD …) can log in."""
    from storage.prepare import prepare

    applied = prepare(servers.database_url(), os.environ)
    done = ", ".join(map(str, applied))
    output.console.print(
        f"applied migrations {done}" if applied else "tables and roles are up to date",
        highlight=False,
        soft_wrap=True,
    )


def backup(out: Path | None = options.BACKUP_OUT) -> None:
    """Save all runs, positions and results to one file, as of one moment, in pg_dump's custom format.

    Stages may keep running. The file appears once it is complete, and only its owner may read it: it holds records.
    """
    from cli.backup import backup as save

    output.console.print(save(servers.database_url(), out), highlight=False, soft_wrap=True)


def restore(
    file: Annotated[
        Path,
        typer.Argument(
            help="A file that `driftline backup` wrote, and that you trust.",
            callback=checks.checked(checks.input_file),
        ),
    ],
    yes: bool = options.REPLACE,
) -> None:
    """Replace the database with a backup: all of it, or nothing if anything fails.

    Stop consumers and monitors first, and start them again afterwards. Positions are restored too, so
    consumers read again what came after the backup. As long as Kafka still holds those records, the rows, windows
    and figures become what they would have been.
    """
    from cli.restore import restore as put_back

    done = put_back(servers.database_url(), file, replace=yes, say=say)
    output.console.print(f"restored, runs: {done.runs:,}", highlight=False)
    if done.migrations:
        say(f"brought up to date by migrations {', '.join(map(str, done.migrations))}")
    if done.active:
        say(f"restart these stages, which still hold state from before the restore: {', '.join(done.active)}")


def doctor(
    model: Path = options.MODEL, topic_prefix: str = options.TOPIC_PREFIX, as_json: bool = options.JSON
) -> None:
    """Check Java, Kafka, Postgres, model and topics, and say what to do. Exits with 1 if a stage would fail."""
    from cli.doctor import run_checks

    found = list(run_checks(os.environ, chosen.stream(), chosen.scorers(), model, topic_prefix))
    listing.show(output.console, found, as_json=as_json, fields=CHECK_FIELDS)
    if not all(check.ok for check in found):
        raise typer.Exit(1)
