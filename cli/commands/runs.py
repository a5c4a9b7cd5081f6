"""`driftline runs`, `runs rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import listing, options, output, servers
from cli.output import confirm, say

RUN_FIELDS = (
    "run_id",
    "stream",
    "source",
    "started_at",
    "watermark",
    "rows",
    "late",
    "future",
    "invalid",
    "unscored",
    "lag",
    "windows",
    "remark",
)

app = typer.Typer(help="All runs, newest first; `runs rm` removes some.", invoke_without_command=True)


@app.callback()
def runs(context: typer.Context, as_json: bool = options.JSON) -> None:
    """List all runs, newest first. Rows are events and labels together. `runs rm` removes some."""
    if context.invoked_subcommand:
        return
    from msgspec.structs import replace

    from cli.remarks import why_no_window
    from monitor.drift.figures import Config
    from storage import listings

    with servers.database() as connection:
        monitors, rejected = listings.monitors(connection), listings.rejected_of_no_run(connection)
        needed = Config().min_rows
        found = [replace(row, remark=why_no_window(row, monitors, needed)) for row in listings.runs(connection)]
    listing.show(output.console, found, as_json=as_json, empty="no runs yet: `driftline demo`", fields=RUN_FIELDS)
    if rejected:
        say(f"{rejected:,} rejected records in which no run could be read count for none: `driftline dead-letters`")


@app.command("rm")
def runs_rm(
    run: Annotated[list[str], typer.Argument(help="Names of runs.")],
    yes: bool = options.YES,
    as_json: bool = options.JSON,
) -> None:
    """Remove runs with their rows, windows, dead letters and incidents: all of the runs, or none if one cannot be.

    A run that began or received data within the last minute is refused. The records that were read stay in Kafka
    and are not read again, since the position is kept: to get them back, replay them under another --run.
    Run `live`, of records that name no run, begins anew with the next record.
    """
    from cli.removal import default_runs, describe_removed, holdings, remove_runs

    with servers.database() as connection:
        found = holdings(connection, run)
        for each in found:
            holds = f"{each.rows:,} rows, {each.windows:,} windows, {each.dead_letters:,} dead letters"
            say(f"run {each.run_id}: {holds}")
        if not yes:
            confirm("Remove for good?")
        defaults = default_runs(connection, run)
        remove_runs(connection, run)
    listing.show(output.console, found, as_json=as_json)
    say(describe_removed(defaults))
