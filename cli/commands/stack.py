"""`driftline stack`: the embedded Kafka and Postgres."""

from __future__ import annotations

import typer

from cli import listing, options, output
from cli.output import say

STACK_FIELDS = ("name", "address", "trouble", "kept", "pid", "restarts", "log")

app = typer.Typer(help="The embedded Kafka and Postgres of this checkout.", no_args_is_help=True)


@app.command("up")
def stack_up() -> None:
    """Start Kafka and Postgres and keep them running until `stack down`."""
    from local import stack

    stack.up(say=say)
    for server in stack.status():
        output.console.print(
            f"{server.name.capitalize():9} {stack.shown(server).address}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    say("the password is in the passfile; `driftline stack status --show-password` prints it")


@app.command("down")
def stack_down() -> None:
    """Stop Kafka and Postgres; their data are kept."""
    from local import stack

    stopped = stack.down()
    output.console.print(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")


@app.command("status")
def stack_status(as_json: bool = options.JSON, show_password: bool = options.SHOW_PASSWORD) -> None:
    """Show the addresses of Kafka and Postgres and whether they answer. Exits with 1 if one does not.

    The database URL names a password file that only you can read; psql and every other libpq client accepts it.
    """
    from local import stack

    found = stack.status()
    if not show_password:
        found = list(map(stack.shown, found))
    listing.show(output.console, found, as_json=as_json, fields=STACK_FIELDS)
    if not all(not server.trouble for server in found):
        raise typer.Exit(1)
