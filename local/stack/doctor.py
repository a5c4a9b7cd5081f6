"""Checks of what the embedded stack needs: what is wrong, and what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from local.stack import jars, java
from local.stack.embedded import CACHE, status
from local.stack.postgres import as_somebody, binaries
from runtime.connections import STATE, login_advice
from schemas.errors import DriftlineError
from storage.refusal import refuses

ROOM = 2 * 10**9
"""Bytes that a month of trips and its logs take."""


class Check(msgspec.Struct, frozen=True):
    """One check. ok: a stage that is started now finds what it needs. warning: it does, but something is odd.

    `do` is empty where nothing has to be done.
    """

    name: str
    ok: bool
    detail: str
    do: str = ""
    warning: bool = False

    @property
    def state(self) -> str:
        """ok, warning or failed."""
        return "failed" if not self.ok else "warning" if self.warning else "ok"


def checks(state: Path = STATE, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Check Java, jars, Postgres' programs and disk space, as far as they are needed here; then both servers."""
    if not environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield _checked("Java", lambda: _java(environ))
        yield _checked("Kafka's jars", lambda: _jars(environ))
    if not environ.get("DATABASE_URL"):
        yield _checked("PostgreSQL", _postgres)
    yield _room(state)
    for server in status(state, environ):
        where = "yours" if server.yours else "embedded"
        if server.trouble == "not running":
            yield Check(server.name, False, "not running", "`driftline stack up` starts it")
        elif server.name == "postgres" and refuses(server.trouble):
            yield Check(
                server.name, False, f"{where}, refuses ({server.trouble})", login_advice(server.address, state)
            )
        elif server.trouble:
            do = "see that it runs and that user and password are right" if server.yours else f"see {server.log}"
            yield Check(server.name, False, f"{where}, does not answer ({server.trouble})", do)
        else:
            yield Check(
                server.name,
                True,
                f"{where}, answers" + f" (restarts: {server.restarts})" * bool(server.restarts),
                f"see {server.log}" if server.restarts else "",
                warning=bool(server.restarts),
            )


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except DriftlineError as error:
        return Check(name, False, error.what, error.do)


def _java(environ: Mapping[str, str]) -> str:
    found = java.find(environ)
    return f"{found.version} at {found.path} ({found.found})"


def _jars(environ: Mapping[str, str]) -> str:
    pinned, repo = jars.pinned(), jars.repository(environ)
    missing = sum(not (repo / jar.path).is_file() for jar in pinned)
    if missing:
        return f"{missing} of {len(pinned)} are fetched at the next start (45 MB in all)"
    jars.check(pinned, repo, CACHE / "jars.json")
    return f"{len(pinned)} of Kafka {jars.VERSION}, each as pinned"


def _postgres() -> str:
    programs, prefix = binaries(), as_somebody()
    return f"{programs}" + (f", called by {prefix[0]}" if prefix else "")


def _room(state: Path) -> Check:
    there = next(folder for folder in (state.absolute(), *state.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    text = f"{free / 1e9:.1f} GB free under {there}"
    return Check("room", free >= ROOM, text, "" if free >= ROOM else f"a month of trips wants {ROOM / 1e9:.0f} GB")
