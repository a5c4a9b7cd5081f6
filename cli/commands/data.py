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
    """Bring tables and roles up to date. A role with a password (DRIFTLINE_READER_PASSWORD …) gets a login."""
    from storage.prepare import prepare

    applied = prepare(servers.database_url(), os.environ)
    done = ", ".join(map(str, applied))
    output.console.print(
        f"applied migrations {done}" if applied else "tables and roles are up to date", highlight=False
    )


def backup(out: Path | None = options.BACKUP_OUT) -> None:
    """Save all runs, positions and results in one file (pg_dump's custom format), as of one moment.

    The stages may go on meanwhile. The file is there once it is whole, for its owner alone: it holds records.
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
    """Put a backup in the place of what is there: all of it, or nothing where something fails.

    Stop consumers and monitors before, and start them after. Positions are part of the backup, so consumers go back
    to where they were then and read the log from there once more: rows, windows and figures come out as if nothing
    had happened, as long as Kafka still holds the records from there on.
    """
    from cli.restore import restore as put_back

    done = put_back(servers.database_url(), file, replace=yes, say=say)
    output.console.print(f"restored, runs: {done.runs:,}", highlight=False)
    if done.migrations:
        say(f"brought up to date by migrations {', '.join(map(str, done.migrations))}")
    if done.active:
        say(f"start again, since they remember what is no more: {', '.join(done.active)}")


def doctor(
    model: Path = options.MODEL, topic_prefix: str = options.TOPIC_PREFIX, as_json: bool = options.JSON
) -> None:
    """Check Java, Kafka, Postgres, model, topics, and say what to do. Exit code 1 where a stage would fail now."""
    from cli.doctor import findings

    found = list(findings(os.environ, chosen.stream(), chosen.scorers(), model, topic_prefix))
    listing.show(output.console, found, as_json=as_json, fields=CHECK_FIELDS)
    if not all(check.ok for check in found):
        raise typer.Exit(1)
