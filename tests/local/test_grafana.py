"""`driftline grafana` with a program in Grafana's place, which tells how it was called and answers as that does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from local import grafana
from local.settings import GrafanaSettings
from local.stack.part import ports
from runtime.connections import ROOT
from schemas.errors import DriftlineError, GrafanaMissing
from tests.fleet import eventually

PASSWORD = "reader0"
"""The same in every test: roles belong to the server that all tests share."""
FAKE = f"""#!{sys.executable}
import http.server, json, os, pathlib, sys
pathlib.Path(os.environ["TOLD"]).write_text(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ)}}))
if os.environ.get("FAIL"):
    sys.exit("logger=settings error: it does not like this")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[1, 2, 3]" if "search" in self.path else b"{{}}")
    def log_message(self, *_):
        pass
address = (os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"]))
http.server.HTTPServer(address, Answer).serve_forever()
"""
COMMAND = """
import sys, pathlib, local.grafana, driftline
local.grafana.FOLDER = pathlib.Path(sys.argv.pop(1))
driftline.main()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """As GRAFANA_HOME."""
    program = tmp_path / "grafana" / "bin" / "grafana"
    program.parent.mkdir(parents=True)
    program.write_text(FAKE)
    program.chmod(0o755)
    return tmp_path / "grafana"


@pytest.fixture
def port(tmp_path: Path) -> int:
    """Free, and none that the system gives to others meanwhile."""
    return ports(tmp_path, 1)[0]


@contextmanager
def started(folder: Path, port: int, **environ: str) -> Iterator[subprocess.Popen[str]]:
    arguments = ["grafana", "--grafana-port", str(port), "--board-url", "http://board.test:8001"]
    child = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(folder), *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "TOLD": str(folder.parent / "told.json"),
            "DRIFTLINE_READER_PASSWORD": PASSWORD,
            **environ,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=1):
            return True
    except OSError:
        return False


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_in_the_foreground_and_ends_with_its_grafana(
    number: int, home: Path, port: int, database: str, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    with started(folder, port, GRAFANA_HOME=str(home), DATABASE_URL=database) as child:
        eventually(lambda: answers(port) or child.poll() is not None, lambda: "it does not answer")
        assert child.stderr
        message = child.stderr.readline()
        assert message == f"Grafana is at http://127.0.0.1:{port} (Ctrl-C ends it)\n"
        child.send_signal(number)
        assert child.wait(60) == (130 if number == signal.SIGINT else 0)
    eventually(lambda: not answers(port), lambda: "its Grafana outlived it")
    launched = json.loads((tmp_path / "told.json").read_text())
    assert launched["argv"] == ["server", f"--homepath={home}"]
    _check_settings(launched["env"], folder, port)
    _check_login(launched["env"], database)
    _check_files(launched["env"], folder)


def _check_settings(env: dict[str, str], folder: Path, port: int) -> None:
    assert env["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert env["GF_SERVER_HTTP_PORT"] == str(port)
    assert env["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert env["GF_DASHBOARDS_MIN_REFRESH_INTERVAL"] == "1s"
    assert env["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert env["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == str(folder / "dashboards" / "driftline-live.json")
    assert all(Path(env[f"GF_PATHS_{name}"]).is_relative_to(folder) for name in ("DATA", "LOGS", "PLUGINS"))


def _check_login(env: dict[str, str], database: str) -> None:
    """What the data source is given opens the database, and only to read."""
    host, _, port = env["DRIFTLINE_PG_ADDRESS"].rpartition(":")
    with psycopg.connect(
        host=host,
        port=port,
        dbname=env["DRIFTLINE_PG_DATABASE"],
        sslmode=env["DRIFTLINE_PG_SSLMODE"],
        user="driftline_reader",
        password=env["DRIFTLINE_READER_PASSWORD"],
    ) as connection:
        assert connection.execute("SELECT count(*) FROM ml_metrics").fetchone() == (0,)
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)


def _check_files(env: dict[str, str], folder: Path) -> None:
    """Every variable that provisioning names is there; paths and addresses are this machine's."""
    provisioning = Path(env["GF_PATHS_PROVISIONING"])
    named = {name for path in provisioning.rglob("*.yaml") for name in variables(path.read_text())}
    assert len(named) == 7
    assert {name for name in named if not env[name]} == {"DRIFTLINE_PG_SSLROOTCERT"}  # nobody asked for TLS
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "driftline.yaml").read_text())["providers"]
    assert sorted(Path(provider["options"]["path"]).iterdir()) == sorted((folder / "dashboards").iterdir())
    live: dict[str, Any] = json.loads((folder / "dashboards" / "driftline-live.json").read_text())
    assert live["templating"]["list"][-1]["current"]["value"] == "http://board.test:8001"


def variables(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("${")[1:] if part[:1].isupper()}


@pytest.mark.integration
def test_a_grafana_that_ends_by_itself_is_explained_by_the_end_of_its_log(
    home: Path, port: int, database: str, tmp_path: Path
) -> None:
    with started(tmp_path / "s", port, GRAFANA_HOME=str(home), DATABASE_URL=database, FAIL="1") as child:
        _, message = child.communicate(timeout=60)
        assert child.returncode == 1
        assert "Grafana ended with exit code 1: the end of" in message
        assert "it does not like this" in message


def test_a_password_of_the_reader_is_taken_or_made_up_of_letters_and_digits() -> None:
    assert grafana.reader_password({"DRIFTLINE_READER_PASSWORD": "given"}) == "given"
    made = {grafana.reader_password({}) for _ in range(2)}
    assert len(made) == 2
    assert all(len(each) == 32 and each.isalnum() for each in made)


def test_without_a_grafana_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(GrafanaMissing, match=r"no Grafana here: .*docker compose up.*grafana\.com.*GRAFANA_HOME"):
        grafana.find({"PATH": str(tmp_path)})
    with pytest.raises(GrafanaMissing, match="no bin/grafana in GRAFANA_HOME"):
        grafana.find({"GRAFANA_HOME": str(tmp_path)})


def test_a_grafana_on_the_path_is_found_with_its_home(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "grafana").symlink_to(home / "bin" / "grafana")
    path = {"PATH": str(tmp_path / "bin")}
    with pytest.raises(GrafanaMissing, match=r"no conf/defaults\.ini"):
        grafana.find(path)
    (home / "conf").mkdir()
    (home / "conf" / "defaults.ini").touch()
    assert grafana.find(path) == grafana.Program(tmp_path / "bin" / "grafana", home)


def test_a_taken_port_is_said_before_anything_is_started(home: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DriftlineError, match=f"port {port} is taken: choose another with --grafana-port"):
            grafana.serve("", {"GRAFANA_HOME": str(home)}, None, print, GrafanaSettings(port=port))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "address", "mode"),
    [
        ("postgresql://me:x@127.0.0.1:5433/d", "127.0.0.1:5433", "disable"),
        ("postgresql://me@db.example/d", "db.example:5432", "require"),
        ("postgresql://me@db.example/d?sslmode=verify-full", "db.example:5432", "verify-full"),
        ("postgresql://me@db.example/d?sslmode=prefer", "db.example:5432", "require"),
        ("host=::1 port=7 dbname=d user=me", "[::1]:7", "disable"),
    ],
)
def test_the_data_source_is_where_the_database_is(url: str, address: str, mode: str) -> None:
    env = grafana.sources(url, "p", {}, "http://b")
    assert (env["DRIFTLINE_PG_ADDRESS"], env["DRIFTLINE_PG_SSLMODE"]) == (address, mode)
    assert env["DRIFTLINE_PG_DATABASE"] == "d"
    assert env["DRIFTLINE_ALERT_WEBHOOK"] == grafana.NOBODY


def test_a_socket_of_postgres_is_no_address_for_grafana() -> None:
    with pytest.raises(DriftlineError, match="by TCP"):
        grafana.sources("host=/var/run/postgresql dbname=d", "p", {}, "http://b")
