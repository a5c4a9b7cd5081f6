"""How the command line ends: Ctrl-C, a closed pipe or a full disk give an exit code and a line, no traceback.

0    done
1    failed while it ran, or the answer is no: figures differ, a check fails, nothing is known for --fail-on
2    wrong usage, and nothing was done: an option, an argument or a variable is invalid or names what is not
     there (a run, window, size, model, alarm, file or month), or no server is named at all
3    --fail-on found what it was asked for
130  Ctrl-C
141  the reader of stdout has left
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import NoReturn

from rich.console import Console

from runtime.connections import database_url
from schemas.errors import DatabaseUnreachable, DriftlineError, UsageError

PIPE_CLOSED = 128 + signal.SIGPIPE
"""As a shell reports a process that the signal ended."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO, errno.ETXTBSY, errno.EINVAL),
)


def end_with_the_reader() -> None:
    """End the process once nobody reads a console any more, also one that typer makes for its help."""

    def end(self: Console) -> None:
        exit_on_closed_pipe()

    Console.on_broken_pipe = end  # type: ignore[method-assign]


def replace_unprintable() -> None:
    """Print characters that the terminal's encoding lacks as question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def emit(text: str) -> None:
    """Print text to stdout as it is."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        exit_on_closed_pipe()


def exit_on_closed_pipe() -> NoReturn:
    """Exit as other programs do when their reader closes the pipe; the interpreter's last flush goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):  # `2>&1 |` makes them one
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    sys.exit(PIPE_CLOSED)


def flush() -> None:
    """Flush stdout, so that a failure is handled here and not by the interpreter."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        exit_on_closed_pipe()


def explain_database_error(error: Exception, environ: Mapping[str, str]) -> DriftlineError | None:
    """Explain what Postgres refused in the middle of a command to the operator.

    Returns:
        None for an error that is not Postgres', or that only a change of this program can fix.
    """
    if not type(error).__module__.startswith("psycopg"):
        return None
    from storage.errors import unreachable  # noqa: PLC0415 - slow, and `--help` does not need it

    try:
        return unreachable(error, database_url(environ))
    except UsageError as stopped:  # the embedded one, in the middle of the command
        return DatabaseUnreachable(stopped.what, stopped.do)


def explain_os_error(error: OSError) -> DriftlineError | None:
    """Explain what a file system refused to the operator.

    Returns:
        None for any other error, which keeps its traceback.
    """
    what = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    if error.errno in _FULL:
        return DriftlineError(what, "free some space, or choose a path on another disk")
    if error.errno in _FORBIDDEN and error.filename is not None:
        return DriftlineError(what, "choose another path, or change its owner or permissions")
    return None
