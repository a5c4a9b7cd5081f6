"""Child processes with a log, which never outlive this one: Driftline's stages in the demo, Grafana."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.connections import ROOT, make_folder
from runtime.orphans import end_with
from schemas.errors import DriftlineError

STOP_S = 10.0
"""Seconds between SIGTERM and SIGKILL."""


class Child:
    """A program in the background, with its output in a file."""

    def __init__(
        self, argv: Sequence[str], *, log: Path, environ: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Start it. To be called before this process starts threads.

        Args:
            argv: The program and its arguments.
            log: Takes its output; an earlier one is overwritten.
            environ: All of its environment.
            cwd: Where it runs.

        Raises:
            OSError: It cannot be started, or the log not be written.
        """
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                argv,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                preexec_fn=end_with(os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - no threads yet
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.poll()

    def tail(self, lines: int = 5) -> list[str]:
        """Give the last lines of its log, indented."""
        text = self.log.read_text(errors="replace", encoding="utf-8") if self.log.exists() else ""
        return [f"  {line}" for line in text.splitlines()[-lines:]]

    def stop(self) -> None:
        """End it by SIGTERM, and by SIGKILL where that takes too long."""
        stop_all([self])

    def ask_to_stop(self) -> None:
        """Send SIGTERM, unless it has ended."""
        if self.exit_code is None:
            self._process.terminate()

    def wait_or_kill(self, patience_s: float) -> None:
        """Wait for its end, and kill it after so many seconds."""
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def stop_all(children: Iterable[Child], patience_s: float = STOP_S) -> None:
    """End all of these at once: SIGTERM to each, then SIGKILL to those that take longer than `patience_s`."""
    children = [*children]
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.wait_or_kill(patience_s)


@dataclass
class Children:
    """Stages of Driftline. logs: a folder; each writes `<stage>.log` there. environ: of every child."""

    logs: Path
    environ: Mapping[str, str]
    running: dict[str, Child] = field(default_factory=dict)
    waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def start(self, stage: str, *options: str) -> None:
        """Run `driftline STAGE OPTIONS…` in the background."""
        make_folder(self.logs)
        argv = [sys.executable, str(ROOT / "driftline.py"), stage, *options]
        self.running[stage] = Child(argv, log=self.logs / f"{stage}.log", environ=self.environ)

    def later(self, stage: str, *options: str) -> None:
        """Have it run once `start_waiting` is called."""
        self.waiting[stage] = options

    def start_waiting(self) -> None:
        """Run what waits; nothing the next time."""
        while self.waiting:
            stage, options = self.waiting.popitem()
            self.start(stage, *options)

    def check(self) -> None:
        """Raise DriftlineError, with the last lines of its log, for a stage that failed."""
        for stage, child in self.running.items():
            if child.exit_code:
                raise DriftlineError(
                    f"`driftline {stage}` ended with exit code {child.exit_code}",
                    "the end of its log says why:\n" + "\n".join(child.tail()),
                )

    def done(self, stages: Sequence[str]) -> bool:
        """Say whether all of these have ended well. Raises as `check` does."""
        self.check()
        return all(stage in self.running and self.running[stage].exit_code == 0 for stage in stages)

    def stop(self) -> None:
        """End what still runs."""
        stop_all(self.running.values())
