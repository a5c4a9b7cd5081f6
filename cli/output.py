"""What the command line says: answers on stdout, everything else on stderr."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from cli import exits
from runtime.invocation import pasteable
from schemas.errors import UsageError

console = exits.Output() if sys.stdout.isatty() else exits.Output(width=160)
err = Console(stderr=True)


def say(text: str) -> None:
    """Progress for the operator: on stderr, so that stdout stays what was asked for."""
    err.print(pasteable(text), style="dim", markup=False, highlight=False)


def warn(text: str) -> None:
    """What the operator must not overlook, on stderr."""
    err.print(pasteable(text), style="bold yellow", markup=False, highlight=False, soft_wrap=True)


def confirm(question: str) -> None:
    """Raises UsageError where nobody can answer; ends the command where the answer is no."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", "add --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
