from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from local.demo import run
from local.settings import DemoSettings
from runtime.children import Children
from tests.local.demo.test_view import BLANK, FRAME


@pytest.mark.parametrize("at", ["plan", "_watch"])
def test_ctrl_c_is_answered_before_anything_is_stopped(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Console(file=StringIO())

    @contextmanager
    def started(*_: Any, **__: Any) -> Iterator[Any]:
        try:
            yield SimpleNamespace(logs="")
        finally:
            out.print("stopped")

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for name in ("_connected", "page", "_stages"):
        monkeypatch.setattr(run, name, started)
    monkeypatch.setattr(run.stack, "running", started)
    chosen = SimpleNamespace(source=SimpleNamespace(name="nothing"), model="", caution="")
    for name in ("plan", "_environ", "_show_board", "_first_frame", "_watch"):
        monkeypatch.setattr(run, name, interrupted if name == at else lambda *_, **__: chosen)
    with pytest.raises(KeyboardInterrupt):
        run.run(DemoSettings(), out)
    assert isinstance(out.file, StringIO)
    printed = [line for line in out.file.getvalue().splitlines() if line.startswith("stop")]
    assert printed == ["stopping …"] + ["stopped"] * (3 if at == "plan" else 4)


@dataclass
class Recorder(Children):
    """Starts nothing; done after three rounds."""

    started: list[str] = field(default_factory=list)
    rounds: int = 0

    def start(self, stage: str, *options: str) -> None:
        self.started.append(" ".join((stage, *options)))

    def done(self, stages: Any) -> bool:
        self.rounds += 1
        return self.rounds == 3


def test_the_replay_begins_when_the_monitor_is_ready_and_until_then_the_frames_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    children = Recorder(Path("/nowhere"), {})
    children.later("produce", "--run", "r")
    states = iter([replace(BLANK, watched=False), BLANK, BLANK])
    monkeypatch.setattr(run, "read", lambda *_, **__: next(states))
    monkeypatch.setattr(run, "POLL_S", 0.0)
    connection: Any = None
    board: Any = SimpleNamespace(address=None)
    frames = []
    for _, frame in run._snapshots(connection, children, FRAME, board, limit=1):
        frames.append((frame.waited_s is not None, list(children.started)))
    assert frames == [(True, []), (False, ["produce --run r"]), (False, ["produce --run r"])]


@pytest.mark.parametrize(
    ("kept", "somebody", "expected"),
    [
        (False, False, ["stack up", "board &", "windows"]),
        (True, False, ["board &", "windows"]),
        (False, True, ["windows"]),
    ],
    ids=["all has ended", "the stack stays", "somebody sits there"],
)
def test_what_to_go_on_with_is_what_is_not_running(
    kept: bool, somebody: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, commands = Console(file=StringIO()), list[str]()

    @contextmanager
    def started(*_: Any, **__: Any) -> Iterator[Any]:
        yield SimpleNamespace(logs="", address="http://board.test/")

    for name in ("_connected", "page", "_stages"):
        monkeypatch.setattr(run, name, started)
    server = SimpleNamespace(yours=False, kept=kept)
    monkeypatch.setattr(run, "stack", SimpleNamespace(running=started, status=lambda **_: [server]))
    chosen = SimpleNamespace(source=SimpleNamespace(name="nothing"), model="", caution="")
    for name in ("plan", "_environ", "_show_board", "_first_frame", "_watch"):
        monkeypatch.setattr(run, name, lambda *_, **__: chosen)
    monkeypatch.setattr(run, "attended", lambda _: somebody)
    card = SimpleNamespace(card=SimpleNamespace(mae=1.0))
    monkeypatch.setattr(run, "artifact", SimpleNamespace(load=lambda _: card))
    monkeypatch.setattr(run.summary, "show", lambda *_, **__: None)
    monkeypatch.setattr(run.summary, "commands", lambda *_: ["windows"])
    monkeypatch.setattr(run.summary, "show_next_commands", lambda _, found: commands.extend(found))
    monkeypatch.setattr("builtins.input", lambda: "")
    run.run(DemoSettings(), out)
    assert commands == expected
    assert isinstance(out.file, StringIO)
    assert ("until you press Enter" in out.file.getvalue()) == somebody


def test_nobody_is_waited_for_without_a_terminal() -> None:
    assert not run.attended(Console(file=StringIO()))
    assert not run.attended(Console(file=StringIO(), force_terminal=True))  # stdin is none
