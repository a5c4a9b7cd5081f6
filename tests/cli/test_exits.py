"""How real processes of the command line end: by Ctrl-C, a reader that leaves, a disk that is full."""

from __future__ import annotations

import errno
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cli import main as command_line
from local.dummy.plan import DummyPlan
from local.dummy.store import replace
from runtime.connections import ROOT, Addresses
from tests.databases import fresh_database
from tests.fleet import eventually

COMMAND = [sys.executable, str(ROOT / "driftline.py")]

RUNS = [
    ("windows", "--run", "dummy", "--json"),
    ("windows", "--run", "dummy"),
    ("columns", "--run", "dummy", "--size", "1h", "--window", "2026-09-09"),
    ("columns", "--run", "dummy", "--size", "1h", "--window", "2026-09-09", "--json"),
    ("runs", "--json"),
    ("runs",),
]


@pytest.fixture(scope="module")
def figures(stack: Addresses, template: str) -> Iterator[str]:
    """URL of a database with a run of ten days; nobody writes to it."""
    with fresh_database(stack.database_url, template) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            replace(connection, DummyPlan("dummy", 1_789_000_000_000, days=10))
        yield url


def started(*words: str, **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *words], cwd=ROOT, text=True, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload,no-any-return]


@pytest.mark.integration
@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_a_reader_that_leaves_ends_a_list_without_a_word(words: tuple[str, ...], figures: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with started(*words, stdout=writing, env=os.environ | {"DATABASE_URL": figures}) as child:
        os.close(writing)
        assert child.stderr
        assert not re.search("Traceback|Exception|Error|Broken", child.stderr.read())
        assert child.wait(60) == 128 + signal.SIGPIPE


@pytest.mark.parametrize("words", [("board", "--help"), ("windows",)], ids=" ".join)
def test_a_reader_that_leaves_is_141_also_for_help_and_for_what_stderr_says(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environ = os.environ | {"DATABASE_URL": "postgresql://u@127.0.0.1:1/x"}
    child = subprocess.Popen([*COMMAND, *words], cwd=ROOT, stdout=writing, stderr=writing, env=environ)
    os.close(writing)
    assert child.wait(60) == 128 + signal.SIGPIPE


@pytest.mark.integration
def test_a_list_onto_a_full_disk_is_a_failure_that_says_so(figures: str) -> None:
    with (
        open("/dev/full", "wb") as full,
        started(
            "windows", "--run", "dummy", "--json", stdout=full, env=os.environ | {"DATABASE_URL": figures}
        ) as child,
    ):
        assert child.stderr
        text = child.stderr.read()
        assert child.wait(60) == 1
    assert text == "driftline: No space left on device: free some space, or choose a path on another disk\n"


@pytest.mark.parametrize("library", ["/_heapq", "msgspec", "psycopg"])
def test_ctrl_c_is_130_without_a_traceback_while_modules_are_imported(library: str, silent: str) -> None:
    with started("runs", stdout=subprocess.PIPE, env=os.environ | {"DATABASE_URL": silent}) as child:
        assert_interrupted(child, library)


def test_ctrl_c_is_130_while_a_server_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        environ = os.environ | {"DATABASE_URL": f"postgresql://u@127.0.0.1:{server.getsockname()[1]}/x"}
        with started("runs", stdout=subprocess.PIPE, env=environ) as child, server.accept()[0]:
            assert_interrupted(child)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that is there and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"postgresql://u@127.0.0.1:{server.getsockname()[1]}/x"


def assert_interrupted(child: subprocess.Popen[str], library: str = "") -> None:
    """Send SIGINT once a library is loaded; the process ends as interrupted, with no traceback."""
    eventually(lambda: loaded(child.pid, library) or child.poll() is not None, lambda: f"it never loads {library}")
    child.send_signal(signal.SIGINT)
    text = child.communicate(timeout=60)[1]
    assert ("Traceback" in text, child.returncode) == (False, 130), text


def loaded(pid: int, library: str) -> bool:
    try:
        return library in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    except OSError:
        return False


@pytest.mark.parametrize(
    "words", [("train", "--synthetic", "--out", "{}/model"), ("doctor",), ("demo", "--synthetic")]
)
def test_ctrl_c_ends_what_computes_or_waits(words: tuple[str, ...], tmp_path: Path) -> None:
    environ = os.environ | {
        "DATABASE_URL": "postgresql://u@127.0.0.1:1/x",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    with started(*(word.format(tmp_path) for word in words), stdout=subprocess.PIPE, env=environ) as child:
        assert_interrupted(child, "pyarrow")
    assert list(tmp_path.iterdir()) == []


def at_a_prompt(answer: bytes) -> tuple[int, str]:
    """Exit code and stderr of a command in a terminal, to whose prompt somebody answers."""
    ours, theirs = pty.openpty()
    code = (
        "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "from runtime import interrupts\n"
        "sys.argv = ['driftline']; interrupts.end_on_interrupt()\n"
        "from cli import main, output; import typer\n"
        "main.app = typer.Typer(); main.app.command()(lambda: output.confirm('Remove for good?'))\n"
        "main.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=theirs,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        os.close(theirs)
        assert child.stderr
        said = b""
        while b"[y/N]" not in said and (piece := os.read(child.stderr.fileno(), 1_000)):
            said += piece
        os.write(ours, answer)
        said += child.stderr.read()
        ended = child.wait(60)
    os.close(ours)
    return ended, said.decode()


@pytest.mark.parametrize(
    ("answer", "code"), [(b"\x03", 130), (b"n\n", 1), (b"\n", 1), (b"\x04", 1), (b"y\n", 0), (b"Yes\n", 0)]
)
def test_a_prompt_tells_ctrl_c_from_a_no(answer: bytes, code: int) -> None:
    assert at_a_prompt(answer) == (code, "Remove for good? [y/N]: ")


@pytest.mark.parametrize("module", ["consumer", "producer", "monitor", "notifier", "board"])
def test_a_stage_that_is_run_as_a_file_names_its_command(module: str) -> None:
    done = subprocess.run(
        [sys.executable, f"{module}/stage.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    command = {"consumer": "consume", "producer": "produce", "notifier": "notify"}.get(module, module)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(rf"driftline {command}`$", done.stderr)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device: free some space"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/y"),
            "/x/y: Permission denied: choose another path",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/x/y"),
            "/x/y: Read-only file system: choose another path",
        ),
        (
            NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"),
            "/x/y: Not a directory: choose another path",
        ),
    ],
)
def test_a_file_system_that_refuses_is_a_line_wherever_it_is_met(
    error: OSError, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    monkeypatch.setattr(command_line, "_warn_of_unknown_variables", lambda: None)  # asks the real app
    monkeypatch.setattr(command_line, "logging", lambda: None)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(f"driftline: {message}")


def test_any_other_error_of_the_system_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(command_line, "app", fail)
    monkeypatch.setattr(command_line, "_warn_of_unknown_variables", lambda: None)  # asks the real app
    monkeypatch.setattr(command_line, "logging", lambda: None)
    with pytest.raises(OSError, match="Bad file"):
        command_line.main()
