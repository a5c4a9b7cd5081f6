"""What Kafka and Postgres have in common as servers of the embedded stack: a folder, locks, ports, a keeper."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from runtime.connections import make_folder
from schemas.errors import StackBroken

PORTS = range(20_000, 32_000)
"""Below the range of outgoing connections, which could take a server's port while it restarts."""
_KEEPER = Path(__file__).with_name("keeper.py")

DEATHS = 3
"""Deaths of a starting server before giving up."""

Say = Callable[[str], None]


class Command(msgspec.Struct, frozen=True):
    """How the keeper runs a server."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    log: str
    stop: int
    """Signal for an orderly stop."""
    orphaned: int
    """Signal that the kernel sends it when its keeper was killed."""
    produces: tuple[str, str] | None = None
    """File that it writes on an orderly stop, and the file's final name."""


class Part(Protocol):
    """A server of the stack."""

    @property
    def name(self) -> str: ...
    @property
    def variable(self) -> str:
        """Environment variable that names another server to use instead."""

    def prepare(self, home: Path, environ: Mapping[str, str], say: Say) -> Command:
        """Install what is missing, create its data folder, choose its ports. Raises StackBroken."""

    def address(self, home: Path) -> str:
        """Return the address for clients, once `prepare` has run."""

    def trouble(self, address: str, environ: Mapping[str, str], timeout: float) -> str:
        """Say why it does not serve clients within `timeout` seconds; empty if it does."""


class KeeperReport(msgspec.Struct, frozen=True):
    """What a keeper reports: two process ids, and how often it has restarted its server."""

    keeper: int
    server: int
    restarts: int


def begin(part: Part, home: Path, environ: Mapping[str, str], say: Say) -> int:
    """Join the running server or start it; return a lease, a file descriptor that gives it back when closed."""
    make_folder(home, home.parent)
    lease = lock(home / "lease.lock", fcntl.LOCK_SH)
    try:
        keeper = _take_keeper_lock(home)
        if keeper is not None:
            with closing(keeper):
                _spawn(part.prepare(home, environ, say), home, keeper)
    except BaseException:
        os.close(lease)
        raise
    return lease


def _take_keeper_lock(home: Path) -> int | None:
    """Take the keeper's lock; None if there is a keeper. Tries thrice, since `has_keeper` holds it briefly."""
    for attempt in range(3):
        time.sleep(0.005 * attempt)
        if (fd := try_lock(home / "keeper.lock")) is not None:
            return fd
    return None


def _spawn(command: Command, home: Path, keeper_lock: int) -> None:
    for name in ("keep", "keeper.json"):
        (home / name).unlink(missing_ok=True)
    log = Path(command.log)
    if log.exists():
        log.replace(log.with_suffix(".before"))
    with (home / "keeper.log").open("wb") as out:
        subprocess.run(
            [sys.executable, "-I", "-S", str(_KEEPER), str(home), str(keeper_lock)],
            input=msgspec.json.encode(command),
            stdout=out,
            stderr=out,
            pass_fds=(keeper_lock,),
            start_new_session=True,
            cwd="/",
            check=True,
        )


def wait_until_ready(part: Part, home: Path, seconds: float = 60.0, deaths: float = DEATHS) -> None:
    """Wait until it serves clients. Raises StackBroken after so many deaths or seconds, with its last error."""
    deadline, first = time.monotonic() + seconds, None
    while part.trouble(part.address(home), {}, timeout=0.5):
        report = read_keeper_report(home)
        if first is None and report is not None:
            first = report.restarts
        died = report is not None and first is not None and report.restarts - first >= deaths
        if died or not has_keeper(home) or time.monotonic() > deadline:
            raise broken(f"{part.name} did not start", home)
        time.sleep(0.02)


def end(home: Path) -> None:
    """Have the keeper stop its server; `wait_until_ended` waits for it."""
    (home / "keep").unlink(missing_ok=True)
    if has_keeper(home) and (report := _wait_for_pids(home)):
        with suppress(ProcessLookupError):
            os.kill(report.keeper, signal.SIGTERM)


def wait_until_ended(home: Path, seconds: float = 30.0) -> None:
    """Wait for the end of the keeper; after the timeout kill it, and with it the server."""
    deadline = time.monotonic() + seconds
    while has_keeper(home):
        if time.monotonic() > deadline and (report := read_keeper_report(home)):
            with suppress(ProcessLookupError):
                os.kill(report.keeper, signal.SIGKILL)
        time.sleep(0.02)


def has_keeper(home: Path) -> bool:
    """Whether a keeper is running. A lock shows it, not a pid: after a crash of the machine no lock is held."""
    if not (home / "keeper.lock").exists():
        return False
    if (fd := try_lock(home / "keeper.lock")) is None:
        return True
    os.close(fd)
    return False


def read_keeper_report(home: Path) -> KeeperReport | None:
    """Read the keeper's report; None before it has started its server."""
    try:
        return msgspec.json.decode((home / "keeper.json").read_bytes(), type=KeeperReport)
    except (OSError, msgspec.DecodeError):
        return None


def _wait_for_pids(home: Path) -> KeeperReport | None:
    deadline = time.monotonic() + 5
    while (report := read_keeper_report(home)) is None and has_keeper(home) and time.monotonic() < deadline:
        time.sleep(0.02)
    return report


def ports(home: Path, count: int) -> list[int]:
    """Choose `count` free ports on 127.0.0.1: those of last time if they are still free."""
    file = home / "ports.json"
    with suppress(OSError, msgspec.DecodeError):
        before = msgspec.json.decode(file.read_bytes(), type=list[int])
        if len(before) == count and all(map(is_free, before)):
            return before
    chosen: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if is_free(port):
            chosen.append(port)
        if len(chosen) == count:
            file.write_bytes(msgspec.json.encode(chosen))
            return chosen
    raise StackBroken("no port is free on 127.0.0.1", "find out which programs use them (`ss -ltn`)")


def chosen_ports(home: Path) -> list[int]:
    return msgspec.json.decode((home / "ports.json").read_bytes(), type=list[int])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def lock(path: Path, kind: int) -> int:
    """Wait for a lock (fcntl.LOCK_SH or LOCK_EX); the returned file descriptor holds it until it is closed."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, kind)
    except BaseException:
        os.close(fd)
        raise
    return fd


def try_lock(path: Path) -> int | None:
    """Take the lock exclusively; None if another process holds it."""
    try:
        return lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


@contextmanager
def closing(fd: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(fd)


def broken(what: str, home: Path) -> StackBroken:
    """Make the error for a server that does not start, with the last error in its log or its keeper's."""
    log = home / "server.log"
    logged = [*_lines(home / "keeper.log"), *_lines(log)][-50:]
    if any("No space left" in line for line in logged):
        return StackBroken(f"{what}, the disk is full", f"free some space under {home}")
    if any("Address already in use" in line for line in logged):
        return StackBroken(f"{what}, another program has taken its port", "try again: it will choose another")
    last = next((line for line in reversed(logged) if "FATAL" in line or "rror" in line or "ERROR" in line), "")
    return StackBroken(f"{what} ({last[:300] or 'its log is empty'})", f"see {log}")


def _lines(log: Path) -> list[str]:
    try:
        return [
            line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
    except OSError:
        return []
