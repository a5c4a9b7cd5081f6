"""Start, join, keep and stop the embedded stack. See `local.stack.keeper` for how it ends by itself."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from local.stack import postgres
from local.stack.kafka import Kafka
from local.stack.part import (
    Part,
    Say,
    begin,
    closing,
    end,
    has_keeper,
    lock,
    read_keeper_report,
    wait_until_ended,
    wait_until_ready,
)
from local.stack.postgres import Postgres
from runtime.connections import STATE, Addresses, make_folder
from schemas.errors import StackBroken, UsageError

CACHE = STATE / "cache"
PARTS: tuple[Part, ...] = (Postgres(), Kafka(CACHE))
"""Postgres first: it comes up while Kafka is being prepared."""


class Status(msgspec.Struct, frozen=True):
    """One server as it is now."""

    name: str
    address: str
    """Bootstrap servers or database URL; empty where it does not run."""
    yours: bool
    """Named by the environment, so it is not part of the embedded stack."""
    trouble: str
    """Why it does not serve clients; empty if it does."""
    kept: bool = False
    """Whether it stays until `down`."""
    pid: int | None = None
    restarts: int = 0
    log: str = ""


def _quiet(text: str) -> None:
    pass


@contextmanager
def running(state: Path = STATE, environ: Mapping[str, str] = os.environ, say: Say = _quiet) -> Iterator[Addresses]:
    """Run the stack for the length of a `with`, or of this process if it is killed. Raises StackBroken.

    Joins the stack that runs in `state`, else starts it. It ends with its last user, unless it is kept (`up`).
    Both addresses are usable: what the environment names stands in the place of what was not started.
    """
    leases: dict[str, int] = {}
    try:
        yield _join(leases, state.absolute(), environ, say)
    finally:
        _leave(leases, state.absolute())


def up(state: Path = STATE, environ: Mapping[str, str] = os.environ, say: Say = _quiet) -> Addresses:
    """Start the stack, or keep the running one, until `down`. Raises StackBroken."""
    leases: dict[str, int] = {}
    state = state.absolute()
    try:
        addresses = _join(leases, state, environ, say)
        for name in leases:
            (state / name / "keep").touch()
        return addresses
    finally:
        _leave(leases, state)


def down(state: Path = STATE) -> list[str]:
    """Stop the stack, whoever uses it, and return the names of the servers that ran. Data are kept."""
    state = state.absolute()
    if not state.exists():
        return []
    with _locked(state):
        return _stop([part.name for part in PARTS], state)


def status(state: Path = STATE, environ: Mapping[str, str] = os.environ) -> list[Status]:
    """Check each server of the stack."""
    return [_status(part, state.absolute() / part.name, environ) for part in PARTS]


def shown(server: Status, state: Path = STATE) -> Status:
    """Return the server as it may be printed: its address names the password file instead of the password."""
    if server.name != "postgres" or not server.address:
        return server
    try:
        address = postgres.shown(server.address, None if server.yours else state.absolute() / server.name)
    except UsageError:  # what is no URL may hold the password anywhere
        address = "DATABASE_URL"
    return msgspec.structs.replace(server, address=address)


def _join(leases: dict[str, int], state: Path, environ: Mapping[str, str], say: Say) -> Addresses:
    needed = [part for part in PARTS if not environ.get(part.variable)]
    if needed:
        with _locked(state), _explained(state):
            for part in needed:
                leases[part.name] = begin(part, state / part.name, environ, say)
            for part in needed:
                wait_until_ready(part, state / part.name)
            _publish(state)
    found = {part.name: environ.get(part.variable) or part.address(state / part.name) for part in PARTS}
    return Addresses(bootstrap_servers=found["kafka"], database_url=found["postgres"])


def _leave(leases: dict[str, int], state: Path) -> None:
    """Give the leases back; the last user stops the server and waits for it."""
    if not leases:
        return
    with _locked(state):
        last = [name for name, lease in leases.items() if _is_last(lease) and not (state / name / "keep").exists()]
        for lease in leases.values():
            os.close(lease)
        _stop(last, state)


def _is_last(lease: int) -> bool:
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stop(names: list[str], state: Path) -> list[str]:
    ran = [name for name in names if has_keeper(state / name)]
    for name in ran:
        end(state / name)
    for name in ran:
        wait_until_ended(state / name)
    _publish(state)
    return ran


def _status(part: Part, home: Path, environ: Mapping[str, str]) -> Status:
    if yours := environ.get(part.variable):
        return Status(part.name, yours, yours=True, trouble=part.trouble(yours, environ, 3))
    if not has_keeper(home):
        return Status(part.name, "", yours=False, trouble="not running")
    address, report = part.address(home), read_keeper_report(home)
    return Status(
        part.name,
        address,
        yours=False,
        trouble=part.trouble(address, {}, 3),
        kept=(home / "keep").exists(),
        pid=report.server if report else None,
        restarts=report.restarts if report else 0,
        log=str(home / "server.log"),
    )


def _publish(state: Path) -> None:
    """Write `stack.json` for the other commands: the address of what runs, empty for what does not."""
    found = {part.name: part.address(home) for part in PARTS if has_keeper(home := state / part.name)}
    file = state / "stack.json"
    if not found:
        file.unlink(missing_ok=True)
        return
    draft = file.with_suffix(".draft")
    draft.touch(0o600)
    draft.write_bytes(
        msgspec.json.encode(
            Addresses(bootstrap_servers=found.get("kafka", ""), database_url=found.get("postgres", ""))
        )
    )
    draft.replace(file)


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    """One process at a time starts or stops servers here."""
    with _explained(state):
        make_folder(make_folder(state), state)
        held = lock(state / "lock", fcntl.LOCK_EX)
    with closing(held):
        yield


@contextmanager
def _explained(state: Path) -> Iterator[None]:
    """Turn errors of the file system into StackBroken."""
    try:
        yield
    except OSError as error:
        raise StackBroken(
            f"{error.filename or state} cannot be used ({error.strerror or error})",
            "see whose it is and whether the disk is full",
        ) from error
