"""Servers of other kinds than the embedded stack's, where they are installed: skipped aloud where they are not."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from local.stack.postgres import as_somebody
from tests.fleet import eventually

PASSWORD = "geheim"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def pgbouncer(server: str, folder: Path, *, mode: str = "transaction", size: int = 20) -> Iterator[str]:
    """URL of a server by way of pgbouncer, for the same databases and the same login. size: of each pool."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer here (apt install pgbouncer)")
    url, port = urlsplit(server), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "users.txt").write_text(f'"{url.username}" "{url.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={url.hostname} port={url.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {folder}/users.txt\n"
        f"pool_mode = {mode}\ndefault_pool_size = {size}\n"
    )
    pooled = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}").geturl()
    with _running([program, str(folder / "pgbouncer.ini")], folder / "log", pooled, os.environ):
        yield pooled


@contextmanager
def german_postgres(folder: Path) -> Iterator[str]:
    """URL of a Postgres of Debian's that speaks German, for its superuser."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if programs is None or not shutil.which("localedef") or not Path("/usr/share/i18n/locales/de_DE").exists():
        pytest.skip("no PostgreSQL of Debian's, or no locales, here (apt install postgresql locales)")
    folder.mkdir(parents=True, exist_ok=True)
    locale = folder / "locales" / "de_DE.UTF-8"
    locale.parent.mkdir()
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(locale)], check=True)
    environ = {"PATH": os.environ["PATH"], "LOCPATH": str(locale.parent), "LC_ALL": "C"}
    (folder / "password").write_text(PASSWORD)
    prefix, data, port = as_somebody(), folder / "data", free_port()
    options = ["--username=admin", "--auth=scram-sha-256", f"--pwfile={folder}/password", "--no-sync"]
    locales = ["--locale=C", "--encoding=UTF8", "--lc-messages=de_DE.UTF-8"]
    command = [*prefix, str(programs / "initdb"), "-D", str(data), *options, *locales]
    subprocess.run(command, env=environ, cwd=folder, check=True, capture_output=True)
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    url = f"postgresql://admin:{PASSWORD}@127.0.0.1:{port}/postgres"
    with _running([str(programs / "postgres"), "-D", str(data), *flags], folder / "log", url, environ):
        yield url


@contextmanager
def _running(command: list[str], log: Path, url: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Until the end of the `with`; answers at this URL."""

    def answers() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    with log.open("wb") as out:
        process = subprocess.Popen(
            [*as_somebody(), *command], stdout=out, stderr=out, env=dict(environ), cwd=log.parent
        )
    try:
        eventually(answers, lambda: log.read_text(encoding="utf-8", errors="replace"), every_s=0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
