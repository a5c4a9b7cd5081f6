"""`driftline grafana`: a Grafana that is installed here, with our dashboards, on our database, until Ctrl-C.

Everything it shows is in files, so its own data are made anew at each start. It listens on 127.0.0.1, lets anybody
there view it, and reads as `driftline_reader`, whose password is new at each start unless it is given.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grafana.generate import HERE, dashboards, text
from grafana.live import UID as HOME
from grafana.model import BOARD
from local import stack
from local.settings import GrafanaSettings
from runtime.children import Child
from runtime.connections import STATE, make_folder
from schemas.errors import DriftlineError, GrafanaMissing
from storage.address import parse_url
from storage.prepare import prepare

FOLDER = STATE / "grafana"
NOBODY = "http://127.0.0.1:9/"
"""Nobody listens here: Grafana does not start with an empty address for alerts."""
PATIENCE_S = 120.0
"""Seconds to wait for Grafana: a slow disk needs them."""
_IN_CONTAINERS = "/var/lib/grafana/dashboards"
_VERIFIED = ("require", "verify-ca", "verify-full", "disable")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """path: of `grafana`. home: the folder with its `conf` and `public`."""

    path: Path
    home: Path


def find(environ: Mapping[str, str]) -> Program:
    """Find the Grafana of GRAFANA_HOME, else the one on PATH. Raises GrafanaMissing, which says how to get one."""
    if named := environ.get("GRAFANA_HOME"):
        home = Path(named).expanduser()
        if not (home / "bin" / "grafana").is_file():
            raise GrafanaMissing(f"no bin/grafana in GRAFANA_HOME={named}", "name the folder that was unpacked")
        return Program(home / "bin" / "grafana", home)
    found = shutil.which("grafana", path=environ.get("PATH"))
    if found is None:
        raise GrafanaMissing(
            "no Grafana here",
            "`docker compose up` brings one; or unpack https://grafana.com/grafana/download"
            " (13.2.3 is what the dashboards are made for) and set GRAFANA_HOME to its folder",
        )
    above = Path(found).resolve().parent.parent
    for home in (above, above / "share" / "grafana", Path("/usr/share/grafana")):
        if (home / "conf" / "defaults.ini").is_file():
            return Program(Path(found), home)
    raise GrafanaMissing(f"{found} has no conf/defaults.ini beside it", "set GRAFANA_HOME to Grafana's folder")


def run(environ: Mapping[str, str], stop: threading.Event, say: Say, settings: GrafanaSettings) -> None:
    """Run Grafana on DATABASE_URL, else on the embedded stack, which is started if necessary."""
    find(environ)
    if url := environ.get("DATABASE_URL"):
        serve(url, environ, stop, say, settings)
        return
    with stack.running(say=say) as addresses:
        serve(addresses.database_url, environ, stop, say, settings)


def serve(
    database: str,
    environ: Mapping[str, str],
    stop: threading.Event,
    say: Say,
    chosen: GrafanaSettings,
) -> None:
    """Run it until `stop` is set. database: URL of a login that may make roles.

    Raises GrafanaMissing, DatabaseUnreachable, and DriftlineError where it does not start or ends by itself.
    """
    program, port, board = find(environ), chosen.port, chosen.board
    _check_port(port)
    password = reader_password(environ)
    prepare(database, {"DRIFTLINE_READER_PASSWORD": password})
    write_provisioning(FOLDER, board)
    env = {**environ, **settings(FOLDER, port), **sources(database, password, environ, board)}
    with _running(program, env, FOLDER) as child:
        _wait_until_ready(child, port, stop, say)
        while not stop.wait(0.2):
            _check_alive(child)


def reader_password(environ: Mapping[str, str]) -> str:
    """Return the given password, else a new one without dollars, which provisioning would expand."""
    return environ.get("DRIFTLINE_READER_PASSWORD") or secrets.token_hex(16)


def write_provisioning(folder: Path, board: str) -> None:
    """Write provisioning and dashboards for this machine, and remove what an earlier Grafana left."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "provisioning", make_folder(folder) / "provisioning")
    for name in ("data", "logs", "plugins", "dashboards"):
        (folder / name).mkdir()
    for name, made in dashboards().items():
        (folder / "dashboards" / name).write_text(
            text(made).replace(json.dumps(BOARD), json.dumps(board)), encoding="utf-8"
        )
    provider = folder / "provisioning" / "dashboards" / "driftline.yaml"
    provider.write_text(
        provider.read_text(encoding="utf-8").replace(_IN_CONTAINERS, json.dumps(str(folder / "dashboards"))),
        encoding="utf-8",
    )


def settings(folder: Path, port: int) -> dict[str, str]:
    """Return Grafana's own settings. Preinstalled plugins are off: Grafana would download them at start."""
    return {
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(folder / "dashboards" / f"{HOME}.json"),
        "GF_DASHBOARDS_MIN_REFRESH_INTERVAL": "1s",
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_SECURITY_ADMIN_PASSWORD": secrets.token_hex(16),
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
    }


def sources(database: str, password: str, environ: Mapping[str, str], board: str) -> dict[str, str]:
    """Return the variables that the provisioning reads."""
    parts = parse_url(database)
    host, port = str(parts.get("host") or "localhost"), parts.get("port") or 5432
    if host.startswith("/") or "," in host:
        raise DriftlineError(f"Grafana reaches no Postgres at {host}", "name one host by TCP in DATABASE_URL")
    near = host in ("localhost", "127.0.0.1", "::1")
    mode, root = str(parts.get("sslmode") or ""), parts.get("sslrootcert")
    return {
        "DRIFTLINE_PG_ADDRESS": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "DRIFTLINE_PG_DATABASE": str(parts.get("dbname") or parts.get("user") or ""),
        "DRIFTLINE_PG_SSLMODE": mode if mode in _VERIFIED else "disable" if near else "require",
        "DRIFTLINE_PG_SSLROOTCERT": str(root) if root and root != "system" else "",
        "DRIFTLINE_READER_PASSWORD": password,
        "DRIFTLINE_ALERT_WEBHOOK": environ.get("DRIFTLINE_ALERT_WEBHOOK") or NOBODY,
        "DRIFTLINE_BOARD_URL": board,
    }


@contextmanager
def _running(program: Program, env: Mapping[str, str], folder: Path) -> Iterator[Child]:
    """Run Grafana for the length of the block."""
    argv = [str(program.path), "server", f"--homepath={program.home}"]
    child = Child(argv, log=folder / "logs" / "console.log", environ=env, cwd=program.home)
    try:
        yield child
    finally:
        child.stop()


def _wait_until_ready(child: Child, port: int, stop: threading.Event, say: Say) -> None:
    """Wait until it answers and has loaded the dashboards, which its health does not include."""
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
    while not stop.wait(0.2):
        _check_alive(child)
        if _get(f"{address}/api/health") is not None:
            found = _get(f"{address}/api/search?type=dash-db&tag=driftline") or b"[]"
            if len(json.loads(found)) >= len(dashboards()):
                say(f"Grafana is at {address} (Ctrl-C ends it)")
                return
        if time.monotonic() > end:
            raise DriftlineError(f"Grafana does not show the dashboards at {address}", _see(child))


def _get(url: str) -> bytes | None:
    """Return the body of an answer; None for an error, or without an answer."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            body: bytes = answer.read()
            return body
    except (OSError, urllib.error.URLError):
        return None


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DriftlineError(f"port {port} is taken", "choose another with --grafana-port") from None


def _check_alive(child: Child) -> None:
    if child.exit_code is not None:
        raise DriftlineError(f"Grafana ended with exit code {child.exit_code}", _see(child))


def _see(child: Child) -> str:
    return "\n".join([f"the end of {child.log} says why", *child.tail()])
