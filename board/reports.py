"""Evidently reports of windows: made one at a time by a child process, stored, and shown when ready.

The process is `driftline report`: Evidently takes seconds and hundreds of MB, which the board shall not.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import structlog

from board.artifacts import artifact_of
from board.database import Reader
from board.http_errors import Busy, NotFound, Problem
from board.metrics import Metrics
from board.runs import find_run
from board.settings import Settings
from runtime.connections import ROOT, make_folder
from runtime.lru import LruCache
from schemas.durations import duration_text, moment

log = structlog.get_logger()

FORMAT = 2
"""Version of the files. Files of an earlier version, in which values could inject HTML, are no longer served."""
KEPT = 200
QUEUE = 8
FAILED_S = 30.0
"""For so long a failure is shown; a later request tries again."""
_NAME = re.compile(r"[0-9a-f]{32}\.html")

CSP = (
    "sandbox allow-scripts allow-popups allow-downloads; default-src 'none';"
    " script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""A report is a page that Evidently made: it may run the scripts that its own policy names by hash, without
an origin, and load nothing."""


class ReportRequest(msgspec.Struct, frozen=True):
    """Which report. version: of the rows that it is made of. reference: hash of what they are compared with."""

    run: str
    size_s: int
    start: int
    version: str
    reference: str | None

    @property
    def name(self) -> str:
        return sha256(repr((FORMAT, self)).encode()).hexdigest()[:32] + ".html"


class Reports:
    """states: of those that are not ready, by name."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._folder = settings.reports
        self._queue: asyncio.Queue[ReportRequest] = asyncio.Queue(QUEUE)
        self._states: dict[str, str] = {}
        self._failed: LruCache[str, tuple[float, str]] = LruCache(KEPT)

    async def request_for(self, reader: Reader, run_id: str, size_s: int, start: int) -> ReportRequest:
        """Return the request for the report of a window. Raises NotFound where there is no such window."""
        run = await find_run(reader, run_id)
        rows = await reader.rows("versions", run=run_id, size_s=size_s, start=moment(start))
        if not rows:
            raise NotFound("there is no such window", "see the board for those that are")
        return ReportRequest(run_id, size_s, start, repr(rows), run.reference)

    def state(self, wanted: ReportRequest) -> dict[str, Any]:
        """Return the state of a report, as JSON takes it."""
        name = wanted.name
        if (self._folder / name).is_file():
            return {"state": "ready", "reason": None, "url": f"/reports/{name}"}
        if name in self._states:
            return {"state": self._states[name], "reason": None, "url": None}
        at, reason = self._failed.get(name) or (0.0, "")
        if reason and time.monotonic() - at < FAILED_S:
            return {"state": "failed", "reason": reason, "url": None}
        return {"state": "none", "reason": None, "url": None}

    def request(self, wanted: ReportRequest) -> dict[str, Any]:
        """Queue a report that was not requested yet, and return its state. Raises Busy where the queue is full."""
        found = self.state(wanted)
        if found["state"] != "none":
            return found
        try:
            self._queue.put_nowait(wanted)
        except asyncio.QueueFull:
            raise Busy(f"{QUEUE} reports are waiting already", "ask again when they are made") from None
        self._states[wanted.name] = "queued"
        return self.state(wanted)

    def file(self, name: str) -> Path:
        """Return the file of a finished report. Raises NotFound for what is none."""
        if not _NAME.fullmatch(name) or not (path := self._folder / name).is_file():
            raise NotFound("there is no such report", "ask for it on its window's page")
        return path

    async def make_queued(self) -> None:
        """Make what is queued, one after the other, until cancelled."""
        while True:
            wanted = await self._queue.get()
            self._states[wanted.name] = "making"
            began, reason = time.monotonic(), ""
            try:
                reason = await self._make(wanted)
            except Problem as problem:
                reason = str(problem)
            except OSError as error:
                reason = f"the report could not be written: {error}"
            except Exception:
                log.exception("report_failed", run=wanted.run)
                reason = "the board failed to make it: see its log"
            finally:
                self._states.pop(wanted.name, None)
            self._ended(wanted, reason, time.monotonic() - began)

    def _ended(self, wanted: ReportRequest, reason: str, seconds: float) -> None:
        self._metrics.reports.labels("failed" if reason else "ready").observe(seconds)
        where = {"run": wanted.run, "size_s": wanted.size_s, "start": f"{moment(wanted.start):%FT%R}"}
        if reason:
            log.warning("report_failed", **where, reason=reason)
            self._failed.put(wanted.name, (time.monotonic(), reason))
        else:
            log.info("report_made", **where, seconds=round(seconds, 1))
            self._forget_old()

    async def _make(self, wanted: ReportRequest) -> str:
        """Write a report beside its place and put it there; return why that failed, or ""."""
        make_folder(self._folder)
        draft = self._folder / f".{wanted.name}.{os.getpid()}.part"
        try:
            reason = await self._run(self._command(wanted, draft))
            if not reason:
                draft.replace(self._folder / wanted.name)
            return reason
        finally:
            draft.unlink(missing_ok=True)

    def _command(self, wanted: ReportRequest, out: Path) -> list[str]:
        """Return the command, at a lower priority than the stages."""
        nice = [path, "-n", "5"] if (path := shutil.which("nice")) else []
        made = self._settings.report_command or (sys.executable, str(ROOT / "driftline.py"), "report")
        model = artifact_of(wanted.reference, self._settings.models)
        size, start = duration_text(1_000 * wanted.size_s), moment(wanted.start).isoformat()
        options = {"--run": wanted.run, "--size": size, "--window": start, "--model": str(model), "--out": str(out)}
        options["--back"] = f"/window?{urlencode({'run': wanted.run, 'size': size, 'start': wanted.start})}"
        return [*nice, *made, *(f"{option}={value}" for option, value in options.items())]

    async def _run(self, command: list[str]) -> str:
        environ = os.environ | {"DATABASE_URL": self._settings.database_url}
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environ,
        )
        try:
            _, printed = await asyncio.wait_for(child.communicate(), self._settings.report_limit_s)
        except TimeoutError:
            return f"it took longer than {self._settings.report_limit_s:.0f} s, and was stopped"
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        return "" if child.returncode == 0 else _failure_line(printed, child.returncode)

    def _forget_old(self) -> None:
        """Delete all but the newest. Another board may be doing the same in this folder."""
        for path in sorted(self._folder.glob("*.html"), key=_written, reverse=True)[KEPT:]:
            with suppress(OSError):
                path.unlink()


def _written(path: Path) -> float:
    """Return when a file was written, seconds since the epoch; 0 for one that is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _failure_line(printed: bytes, code: int | None) -> str:
    """Return the line in which a command says what to do; never a traceback. Pure."""
    for line in reversed(printed.decode(errors="replace").splitlines()):
        if line.startswith("driftline: "):
            return line.removeprefix("driftline: ")[:500]
    return f"`driftline report` ended with exit code {code}: run it by hand to see why"
