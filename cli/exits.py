"""How the command line ends: Ctrl-C, a closed pipe, a full disk are an exit code and a line, never a traceback."""

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
from schemas.errors import DriftlineError

PIPE_CLOSED = 128 + signal.SIGPIPE
"""As a shell reports who was ended by that signal."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO, errno.ETXTBSY, errno.EINVAL),
)


class Output(Console):
    """A console on stdout; the process ends where its reader has gone."""

    def on_broken_pipe(self) -> NoReturn:
        leave_closed_pipe()


def print_anything() -> None:
    """Let characters that the encoding of the terminal does not have become question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def emit(text: str) -> None:
    """Print text on stdout, as it is."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        leave_closed_pipe()


def leave_closed_pipe() -> NoReturn:
    """Exit as `head` and SIGPIPE end any other program. The interpreter's own last flush goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    sys.exit(PIPE_CLOSED)


def flush() -> None:
    """Write what stdout still holds, so that a failure is met here and not by the interpreter."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        leave_closed_pipe()


def of_database(error: Exception, environ: Mapping[str, str]) -> DriftlineError | None:
    """What Postgres refuses in the middle of a command, as the operator's to mend; None for any other error."""
    if not type(error).__module__.startswith("psycopg"):
        return None
    from storage.errors import unreachable  # noqa: PLC0415 - where it is needed: `--help` is to be quick

    return unreachable(error, database_url(environ))


def explained(error: OSError) -> DriftlineError | None:
    """A file system's refusal as the operator's to mend; None for any other error, which keeps its traceback."""
    what = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    if error.errno in _FULL:
        return DriftlineError(what, "free space, or name a place on another disk")
    if error.errno in _FORBIDDEN and error.filename is not None:
        return DriftlineError(what, "name another place, or see to its owner and mode")
    return None
