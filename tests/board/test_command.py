"""`driftline board` as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from board.stage import address, listening_socket
from runtime.connections import ROOT
from schemas.errors import DriftlineError
from tests.monitor.feed import T0, Feed

pytestmark = pytest.mark.integration


def started(database: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "driftline.py"), "board", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=os.environ | {"DATABASE_URL": database}, text=True, **pipes)  # type: ignore[call-overload]


@pytest.fixture
def process(prepared: str) -> Iterator[subprocess.Popen[str]]:
    child = started(prepared, "--port", "0")
    yield child
    child.kill()
    child.communicate()


def test_it_prints_its_address_and_ends_well_though_a_page_is_open(
    process: subprocess.Popen[str], prepared: str
) -> None:
    assert process.stdout
    url = process.stdout.readline().strip()
    with Feed(prepared) as feed, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        feed.mark(T0)
        with client.stream("GET", "/api/events") as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line.startswith("event: status"))
            asked = time.monotonic()
            process.send_signal(signal.SIGTERM)
            list(lines)
            assert process.wait(10) == 0
            assert time.monotonic() - asked < 10


@pytest.mark.parametrize("part", ["password", "database"])
def test_a_database_that_refuses_is_said_at_once_with_what_to_correct(prepared: str, part: str) -> None:
    url = urlsplit(prepared)
    login = f"{url.username}:{'geheim' if part == 'password' else url.password}@{url.hostname}:{url.port}"
    path = "/nowhere" if part == "database" else url.path
    child = started(url._replace(netloc=login, path=path).geturl(), "--port", "0")
    out, stderr = child.communicate(timeout=60)
    assert (child.returncode, out) == (1, "")
    assert "Postgres refused" in stderr
    assert "correct DATABASE_URL" in stderr
    assert "stack up" not in stderr
    assert "geheim" not in stderr


def test_while_the_database_is_down_it_waits_and_says_so() -> None:
    child = started("postgresql://driftline@127.0.0.1:1/driftline", "--port", "0")
    try:
        assert child.stdout
        url = child.stdout.readline().strip()
        found = httpx.get(f"{url}api/runs", timeout=30, trust_env=False)
        assert found.status_code == 503
        assert "see that Postgres runs there, or correct DATABASE_URL" in found.json()["do"]
    finally:
        child.kill()
        child.communicate()


def test_a_port_that_is_taken_is_told_with_what_to_do(prepared: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        child = started(prepared, "--port", str(taken.getsockname()[1]))
        _, stderr = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "cannot listen" in stderr
    assert "--port 0" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("host", ["300.1.1.1", "192.0.2.1"])
def test_a_host_that_is_not_of_this_machine_is_told_with_what_to_do(host: str) -> None:
    with pytest.raises(DriftlineError, match=r"cannot listen.*choose a --host of this machine"):
        listening_socket(host, 0)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("::1", "[::1]"), ("[::1]", "[::1]"), ("::", "[::1]"), ("[::]", "[::1]"), ("0.0.0.0", "127.0.0.1")],
)
def test_its_address_can_be_opened(host: str, shown: str) -> None:
    assert address(host, 8000) == f"http://{shown}:8000/"
