"""Keeps one server of the embedded stack: starts it, restarts it when it dies, stops it when nobody needs it.

    python -I -S keeper.py HOME LOCK_FD      (the command to keep comes as JSON on stdin)

HOME/keeper.lock  held (inherited as LOCK_FD) for as long as the keeper lives: nobody else starts a second one.
HOME/lease.lock   everybody who uses the server holds it shared, until they end, however they end. Once the keeper
                  gets it exclusively the last user has gone. It keeps it while it stops, so that a newcomer waits.
HOME/keep         there: the server stays without users, until SIGTERM.
HOME/keeper.json  pids and restarts.

The kernel kills the server when the keeper dies (PR_SET_PDEATHSIG, Linux), so that no kill -9 leaves an orphan.
Standard library, runtime.orphans, and one thread: it starts in 30 ms, and forks safely.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))
from runtime.orphans import end_with

TICK = 0.1
"""Seconds between two checks of the server and the lease."""
PATIENCE = 15.0
"""Seconds that a requested stop may take: on its first stop Java writes its start-up cache."""
ABANDONED = 4.0
"""Seconds that a stop may take once the last user has gone."""
SLOWEST = 5.0
"""Seconds before the next start of a server that keeps dying."""


class Keeper:
    """One server. `command` is a `local.stack.part.Command` as JSON."""

    def __init__(self, home: Path, command: dict[str, Any]) -> None:
        self.home = home
        self.command = command
        self.child: subprocess.Popen[bytes] | None = None
        self.restarts = -1
        self.started_at = 0.0
        self.delay = 0.0
        self.reported = True
        self.asked_to_stop = False
        self.lease = os.open(home / "lease.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def run(self) -> None:
        """Keep the server until SIGTERM, or until the last user has gone."""
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while not self.asked_to_stop and not self.abandoned():
            self.tend(time.monotonic())
            self.report()
            time.sleep(TICK)
        self.stop(PATIENCE if self.asked_to_stop else ABANDONED)

    def abandoned(self) -> bool:
        """Whether the server has no users and is not to be kept. If so, newcomers wait from now on."""
        if (self.home / "keep").exists():
            return False
        try:
            fcntl.flock(self.lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def tend(self, now: float) -> None:
        """Start the server if it does not run, after a longer pause each time if it keeps dying soon."""
        if self.child is not None and (code := self.child.poll()) is not None:
            young = now - self.started_at < 2 * SLOWEST
            self.delay = min(SLOWEST, self.delay * 2) if young and self.delay else 0.1
            log("server_died", name=self.home.name, pid=self.child.pid, code=code, next_try_s=self.delay)
            self.child, self.started_at = None, now
        if self.child is None and now - self.started_at >= self.delay:
            self.start()
            self.started_at = now

    def start(self) -> None:
        with Path(self.command["log"]).open("ab") as out:
            self.child = subprocess.Popen(
                self.command["argv"],
                env=self.command["env"],
                cwd=self.command["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=end_with(os.getpid(), self.command["orphaned"]),  # noqa: PLW1509 (we have no threads)
            )
        self.restarts += 1
        self.reported = False
        log("server_started", name=self.home.name, pid=self.child.pid, restarts=self.restarts)

    def report(self) -> None:
        """Write the process ids down; on a full disk, as soon as there is room again."""
        if self.reported or self.child is None:
            return
        content = {"keeper": os.getpid(), "server": self.child.pid, "restarts": self.restarts}
        draft = self.home / "keeper.draft"
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(content), encoding="utf-8")
            draft.replace(self.home / "keeper.json")
            self.reported = True

    def stop(self, patience: float) -> None:
        """Ask the server to stop; after `patience` seconds kill it and its children."""
        if self.child is None:
            return
        log("stopping", name=self.home.name, asked=self.asked_to_stop)
        self.child.send_signal(self.command["stop"])
        try:
            self.child.wait(patience)
            in_time = True
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
            in_time = False
        if self.command["produces"]:
            draft, wanted = map(Path, self.command["produces"])
            keep_product(draft, wanted, complete=in_time, too_slow=self.asked_to_stop and not in_time)

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        self.asked_to_stop = True


def keep_product(draft: Path, wanted: Path, *, complete: bool, too_slow: bool) -> None:
    """Rename the file that the server wrote when it stopped, or remember that it took too long."""
    if complete and draft.exists():
        draft.replace(wanted)
    if too_slow:
        wanted.with_suffix(".failed").touch()
    for leftover in draft.parent.glob(f"{draft.name}*"):
        leftover.unlink(missing_ok=True)


def log(event: str, **fields: Any) -> None:
    line = json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **fields})
    with contextlib.suppress(OSError):  # a full disk is no reason to give the server up
        os.write(1, f"{line}\n".encode())


def main() -> None:
    home, command = Path(sys.argv[1]), json.load(sys.stdin.buffer)
    os.set_inheritable(int(sys.argv[2]), False)
    if os.fork():  # our starter need not wait for us, nor bury us
        os._exit(0)
    Keeper(home, command).run()


if __name__ == "__main__":
    main()
