"""`driftline runs`, `runs rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import listing, options, output, servers
from cli.output import confirm, say

RUN_FIELDS = (
    *("run", "stream", "watermark", "rows", "labels", "windows", "lag", "rejected", "started_at", "source"),
    "remark",
)

app = typer.Typer(help="All runs, newest first; `runs rm` removes some.", invoke_without_command=True)


@app.callback()
def runs(context: typer.Context, as_json: bool = options.JSON) -> None:
    """List all runs, newest first. `runs rm` removes some.

    Rows and windows are those of events. Rejected are dead letters by reason, of events and labels together. Lag is
    the number of records that are not read yet and may be of the run.
    """
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
    same = len({row.stream for row in found}) == 1
    fields = [field for field in RUN_FIELDS if not (same and field == "stream")]
    listing.show(output.console, found, as_json=as_json, empty="no runs yet: `driftline demo`", fields=fields)
    if rejected:
        say(f"rejected records of no run in this list: {rejected:,} (`driftline dead-letters`)")


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
            holds = f"{each.rows:,} rows, {each.labels:,} labels, {each.windows:,} windows"
            say(f"run {each.run_id}: {holds}, {each.dead_letters:,} dead letters")
        if not yes:
            confirm("Remove for good?")
        defaults = default_runs(connection, run)
        remove_runs(connection, run)
    listing.show(output.console, found, as_json=as_json)
    say(describe_removed(defaults))
