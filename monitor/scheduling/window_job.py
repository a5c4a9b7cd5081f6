"""One window, from its chunks to its row."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Literal

import msgspec
import structlog

from monitor.engine import Engine, failed
from monitor.panes import ChunkCache, Loaded, load, unread
from monitor.scheduling.close_times import Closings
from monitor.scheduling.readiness import Closing, Patience, Rows
from monitor.snapshot import Run, Snapshot, Window, joined_with
from monitor.store import Receipt, Result, Store
from runtime.failpoint import reach
from schemas.durations import moment
from storage.chunk import PREDICTION

log = structlog.get_logger()

Taken = Literal["taken"]
TAKEN: Taken = "taken"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A window as one snapshot shows it.

    holds: rows by the index of panes. first: never seen closed before. closed_at: wall time, ms; None while open.
    timed: the wall clock can tell how long ago that is.
    """

    closing: Closing
    holds: Rows
    first: bool
    closed_at: int | None
    timed: bool
    rows: Loaded
    joined: Loaded | None


class Worker:
    """Computes windows, one after the other."""

    def __init__(self, store: Store, engine: Engine, cache: ChunkCache, patience: Patience) -> None:
        self._store = store
        self._engine = engine
        self._cache = cache
        self._patience = patience

    def work(
        self, run: Run, window: Window, closings: Closings, failure: str | None = None
    ) -> Receipt | Taken | None:
        """Compute a window and write it. None: there was nothing to say. `taken`: another monitor is at it.

        1. Claim it: other monitors pass it by until this transaction ends.
        2. In one snapshot begun after that: is it still due? What does it hold? Load its rows.
        3. Compute its figures.
        4. Write row and columns, unless what is there is as good, and commit.

        failure: why it cannot be computed. It is then written without figures, all its columns `failed`.
        """
        with self._store.claim(window) as claim:
            if claim is None:
                return TAKEN
            with self._store.snapshot() as snapshot:
                task = self._task(snapshot, run, window, closings, failure)
            if task is None:
                return None
            result = self._result(window, task, failure)
            receipt = claim.publish(result)
            reach("monitor.before_commit")
        reach("monitor.after_commit")
        if receipt is None:
            return None
        tell = log.debug if task.closing == "open" else log.info
        tell(
            "window_written", **about(window), status=result.status, rows=task.holds.rows, revision=receipt.revision
        )
        return receipt if task.first else msgspec.structs.replace(receipt, latency=None)

    def _task(
        self, snapshot: Snapshot, run: Run, window: Window, closings: Closings, failure: str | None
    ) -> Task | None:
        progress = snapshot.progress(run, self._patience)
        closings.ticked(progress.now, time.monotonic())
        closings.saw(progress.marks, progress.moved_at)
        closing = progress.marks[window.stream.topic].closing(window.end)
        scan = snapshot.scan(run.run_id, window.stream, window.size, window.start, window.end)
        if window.start not in scan.holds or not scan.wanting(closing, window.start):
            return None
        written, closed = scan.written.get(window.start), closing != "open"
        closed_at = closings.closed_at(window.stream.topic, window.end, progress.now) if closed else None
        rows, joined = self._loaded(snapshot, window) if failure is None else _unread(snapshot, window)
        return Task(
            closing=closing,
            holds=scan.holds[window.start],
            first=closed and (written is None or written.status == "open"),
            closed_at=closed_at,
            timed=closed_at is not None and closings.is_timed(closed_at),
            rows=rows,
            joined=joined,
        )

    def _loaded(self, snapshot: Snapshot, window: Window) -> tuple[Loaded, Loaded | None]:
        """Only a stream without labels can be sampled before it is joined, and that one is not joined."""
        other = joined_with(window.stream)
        if other is None:
            return load(snapshot, window, self._cache, reduce=partial(self._engine.sample, window.stream)), None
        return load(snapshot, window, self._cache), load(
            snapshot, window.of(other), self._cache, columns=(other.id, PREDICTION)
        )

    def _result(self, window: Window, task: Task, failure: str | None) -> Result:
        reach("monitor.mid_report")
        began = time.perf_counter()
        if failure is None:
            figures = self._engine.figures(window.stream, task.rows, task.joined)
        else:
            figures = failed(window.stream, failure)
        return Result(
            status="insufficient" if task.closing == "final" and not figures.sufficient else task.closing,
            of=task.holds,
            figures=figures,
            offsets=task.rows.offsets,
            joined_offsets=task.joined.offsets if task.joined else {},
            compute_ms=(time.perf_counter() - began) * 1_000,
            closed_at=task.closed_at,
            timed=task.timed,
        )


def _unread(snapshot: Snapshot, window: Window) -> tuple[Loaded, Loaded | None]:
    other = joined_with(window.stream)
    return unread(snapshot, window), unread(snapshot, window.of(other)) if other else None


def about(window: Window) -> dict[str, Any]:
    """A window's key, as log lines give it."""
    key = window.key
    return {
        "run": key["run_id"],
        "stream": key["stream"],
        "size_s": key["size_s"],
        "start": f"{moment(window.start):%FT%R}",
    }
