"""In a process of its own each, as only a main thread may have signal handlers, and some are to be ended."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from runtime.connections import ROOT

BEGIN = """
import runtime.stopping
from runtime.stopping import exit_now, stop_on_signals
runtime.stopping.LAST_S = {last_s}
stop = stop_on_signals(patience_s={patience_s})
"""
AMPLE_S = 20.0
"""For who drains, or is not to meet the kernel's alarm: none of it is waited for."""
NO_SIGNAL = 0
READY = "\nprint('ready', flush=True)\n"


def signalled(
    program: str,
    number: int = signal.SIGTERM,
    before: str = "",
    patience_s: float = AMPLE_S,
    last_s: float = AMPLE_S,
) -> tuple[int, str]:
    """Exit code and output of a program that was signalled once it was ready. before: what it does until then."""
    begin = BEGIN.format(patience_s=patience_s, last_s=last_s)
    with subprocess.Popen(
        [sys.executable, "-c", begin + before + READY + program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            return process.wait(60), process.stdout.read()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_drains_in_time_ends_as_it_likes(number: int) -> None:
    code, output = signalled("stop.wait(); print('drained')", number)
    assert code == 0
    assert output.endswith("\ndrained\n")


def test_it_says_at_once_that_it_is_stopping() -> None:
    begin = BEGIN.format(patience_s=AMPLE_S, last_s=AMPLE_S)
    with subprocess.Popen(
        [sys.executable, "-c", begin + "import time" + READY + "time.sleep(60)"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(signal.SIGINT)
            assert b"stopping" in process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize(
    "work",
    [
        "import threading; threading.Event().wait()",
        "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)",
        "while True: pass",
    ],
    ids=["waiting for a server", "in a long call into C", "computing"],
)
def test_who_does_not_is_ended_with_0_and_says_so(work: str) -> None:
    code, output = signalled(work, patience_s=0.2)
    assert code == 0
    assert "left_undrained" in output


HANGS = "import atexit, threading; atexit.register(threading.Event().wait)"


def test_who_leaves_is_not_kept_by_what_hangs_at_the_end() -> None:
    code, output = signalled("stop.wait(); print('drained'); exit_now()", before=HANGS)
    assert code == 0
    assert output.endswith("\ndrained\n")


def test_nor_is_who_is_done_without_being_told_to_stop() -> None:
    assert signalled("print('done'); exit_now()", NO_SIGNAL, before=HANGS) == (0, "done\n")


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("work", ["stop.wait()", "while True: pass"], ids=["drained", "left undrained"])
def test_a_script_does_not_go_on_after_ctrl_c(number: int, expected: int, work: str) -> None:
    assert signalled(f"{work}; exit_now()" if "wait" in work else work, number, patience_s=0.5)[0] == expected


def test_the_kernel_ends_what_hangs_after_all_threads_were_left() -> None:
    before = (
        "import ctypes\nclass Late:\n def __del__(self, sleep=ctypes.PyDLL(None).sleep): sleep(60)\nkept = Late()"
    )
    assert signalled("stop.wait()", before=before, last_s=1.0 - AMPLE_S)[0] == -signal.SIGALRM


def test_other_signals_end_nobody() -> None:
    before = (
        "import os, signal; signal.signal(signal.SIGUSR1, lambda *_: None); os.kill(os.getpid(), signal.SIGUSR1)"
    )
    assert signalled("print(stop.wait(0.1)); stop.wait()", signal.SIGUSR2, before)[0] == -signal.SIGUSR2
    code, output = signalled("stop.wait(); print('drained')", before=before + "; assert not stop.wait(0.5)")
    assert code == 0
    assert output.endswith("\ndrained\n")


def test_a_second_signal_says_nothing() -> None:
    twice = "stop.wait(); import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('drained')"
    code, output = signalled(twice)
    assert code == 0
    assert output.count("stopping") == 1
    assert output.endswith("\ndrained\n")
