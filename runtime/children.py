"""The stages as child processes of the demo: started, watched, and never left behind."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.connections import ROOT, make_folder
from schemas.errors import DriftlineError

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Between fork and exec: have the kernel send SIGTERM when the parent is gone, however it went."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Children:
    """logs: a folder; each stage writes `<stage>.log` there. environ: of every child."""

    logs: Path
    environ: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def start(self, stage: str, *options: str) -> None:
        """Run `driftline STAGE OPTIONS…` in the background."""
        make_folder(self.logs)
        with (self.logs / f"{stage}.log").open("wb") as log:
            self.running[stage] = subprocess.Popen(
                [sys.executable, str(ROOT / "driftline.py"), stage, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environ),
                preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing here starts threads before its children
            )

    def later(self, stage: str, *options: str) -> None:
        """Have it run once `start_waiting` is called."""
        self.waiting[stage] = options

    def start_waiting(self) -> None:
        """Run what waits; nothing the next time."""
        while self.waiting:
            stage, options = self.waiting.popitem()
            self.start(stage, *options)

    def check(self) -> None:
        """Raises DriftlineError with the last lines of a stage that failed."""
        for stage, child in self.running.items():
            if child.poll():
                raise DriftlineError(
                    f"`driftline {stage}` ended with exit code {child.returncode}",
                    "the end of its log says why:\n" + "\n".join(self._tail(stage)),
                )

    def done(self, stages: Sequence[str]) -> bool:
        """Whether all of these have ended well. Raises as `check` does."""
        self.check()
        return all(stage in self.running and self.running[stage].poll() == 0 for stage in stages)

    def stop(self, patience_s: float = 10.0) -> None:
        """SIGTERM to what still runs, SIGKILL to what does not listen."""
        alive = [child for child in self.running.values() if child.poll() is None]
        for child in alive:
            child.terminate()
        for child in alive:
            try:
                child.wait(patience_s)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _tail(self, stage: str, lines: int = 5) -> list[str]:
        text = (self.logs / f"{stage}.log").read_text(errors="replace", encoding="utf-8")
        return [f"  {line}" for line in text.splitlines()[-lines:]]
