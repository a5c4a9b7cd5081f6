"""Child processes end with their parent, by themselves or when they are asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.children import Child, stop_all
from runtime.connections import ROOT
from tests.fleet import eventually

SLEEP = "import time; print('here', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
PARENT = f"""
import os, time
from pathlib import Path
from runtime.children import Child
child = Child([{sys.executable!r}, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"],
              log=Path("child.log"), environ=os.environ)
time.sleep(600)
"""


def child(tmp_path: Path, program: str, name: str = "child") -> Child:
    made = Child([sys.executable, "-c", program], log=tmp_path / f"{name}.log", environ=os.environ)
    eventually(lambda: made.tail() == ["  here"], lambda: f"{name} does not start")
    return made


def test_those_that_ignore_sigterm_are_killed(tmp_path: Path) -> None:
    gentle, stubborn = child(tmp_path, SLEEP, "gentle"), child(tmp_path, STUBBORN, "stubborn")
    stop_all([stubborn, gentle], patience_s=0.2)
    assert (gentle.exit_code, stubborn.exit_code) == (-signal.SIGTERM, -signal.SIGKILL)


def test_one_that_has_ended_is_stopped_without_an_error(tmp_path: Path) -> None:
    made = Child([sys.executable, "-c", "raise SystemExit(3)"], log=tmp_path / "log", environ=os.environ)
    eventually(lambda: made.exit_code == 3, lambda: "it does not end")
    made.stop()
    assert made.exit_code == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    log = tmp_path / "child.log"
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path, env=environ) as parent:
        eventually(lambda: log.exists() and log.read_text(encoding="utf-8").strip(), lambda: "no child")
        pid = int(log.read_text(encoding="utf-8"))
        parent.kill()
    eventually(lambda: has_ended(pid), lambda: "it lives on")


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie that nobody has buried."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
