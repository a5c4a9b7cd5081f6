"""Output of the command line: results on stdout, everything else on stderr."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from local.terminal import tell
from schemas.errors import UsageError

console = Console() if sys.stdout.isatty() else Console(width=160)
err = Console(stderr=True)


def say(text: str) -> None:
    """Print progress to stderr, so that stdout has only the result."""
    tell(err, text, "dim")


def warn(text: str) -> None:
    """Print to stderr what the operator must not overlook."""
    tell(err, text, "bold yellow")


def confirm(question: str) -> None:
    """Ask for a confirmation; a no ends the command. Raises UsageError if there is no terminal."""
    if not sys.stdin.isatty():
        raise UsageError("cannot ask for confirmation without a terminal", "add --yes")
    err.print(f"{question} [y/N]:", end=" ", markup=False, highlight=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):  # not by `typer.confirm`: it takes Ctrl-C for a no
        raise typer.Exit(1)
