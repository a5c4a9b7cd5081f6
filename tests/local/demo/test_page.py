"""The board beside the demo, as a real process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.demo import page as beside
from local.demo.page import page
from runtime.connections import ROOT
from tests.fleet import PATIENCE_S, eventually

pytestmark = pytest.mark.integration

PARENT = """
import os, signal, sys, time
from pathlib import Path
from local.demo.page import page
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
with page(Path(sys.argv[1]), os.environ) as board:
    print(board.wait(120.0), board._children.running["board"]._process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def environ(database: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.delenv("DRIFTLINE_PORT", raising=False)
    return os.environ | {"DATABASE_URL": database}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port that somebody else listens at, where the board would be looked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(beside, "PORT", port)
        yield port


def test_it_leaves_a_port_to_whom_it_belongs_answers_where_it_says_and_ends_with_the_demo(
    environ: dict[str, str], tmp_path: Path, taken: int
) -> None:
    with page(tmp_path, environ) as board:
        address = board.wait(PATIENCE_S)
        assert address
        assert f":{taken}/" not in address
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.status == 200
    assert board._children.running["board"]._process.returncode == 0, "it was not waited for"
    assert board.ended
    assert board.address is None


def test_one_that_cannot_start_is_no_failure(
    environ: dict[str, str], tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_PORT", str(taken))
    with page(tmp_path, environ | {"DRIFTLINE_PORT": str(taken)}) as board:
        assert board.wait(PATIENCE_S) is None
        assert board.ended
        assert "cannot listen" in board.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_behind_however_the_demo_ends(
    environ: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ | {"DRIFTLINE_PORT": "0"}, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        address, pid = parent.stdout.readline().split()
        assert address.startswith("http://")
        parent.send_signal(number)
        parent.wait(60)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), lambda: "the board runs on")
